"""Chooses examples of what a model gets wrong, as short quotes for its card."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sentscore.columns import POSITIVE_FROM
from sentscore_train.evaluation.metrics import Floats, Integers

MOST_WORDS: Final = 25
"""The most words of a text that a quote has: enough to see why a model errs, and little enough to be a quotation."""

_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)


@dataclass(frozen=True)
class Example:
    """A text that a model gets wrong.

    Attributes:
        source: The name of the source that it is in.
        label: Its label, 0 (negative) or 1 (positive).
        probability: The probability that the model gives it.
        quote: Its words, or the last of them.
    """

    source: str
    label: int
    probability: float
    quote: str


def find_errors(probabilities: Floats, labels: Integers, texts: Sequence[str], sources: Sequence[str]) -> list[Example]:
    """Returns up to four errors of each source: of each label the one that the model is surest of, and a typical one.

    The typical one is the middle one in the order of the probabilities. Nothing else is chosen, so the examples are
    neither the worst nor the best that could be shown. Labels can be wrong too: the surest errors often are.

    Args:
        probabilities: The probabilities [n].
        labels: The labels [n].
        texts: The texts [n]; an empty one is not quoted.
        sources: The name of each text's source [n].
    """
    wrong = (probabilities >= POSITIVE_FROM) != (labels == 1)
    usable = wrong & np.array([bool(text.strip()) for text in texts], bool)
    found = []
    for source in dict.fromkeys(sources):
        for label in (0, 1):
            rows = np.flatnonzero(usable & (labels == label) & np.array([name == source for name in sources], bool))
            for row in _choose(probabilities[rows], rows):
                found.append(Example(source, label, float(probabilities[row]), quote(texts[row])))
    return found


def quote(text: str) -> str:
    """Returns the words of a text without markup. Of a long text these are the last ones, where its verdict is."""
    words = html.unescape(_BREAK.sub(" ", text)).split()
    return " ".join(words) if len(words) <= MOST_WORDS else "… " + " ".join(words[-MOST_WORDS:])


def _choose(probabilities: Floats, rows: npt.NDArray[np.int64]) -> list[int]:
    """Returns the row with the surest probability, then the one in the middle if it is another one."""
    if not len(rows):
        return []
    surest_last = np.argsort(np.abs(probabilities.astype(np.float64) - POSITIVE_FROM), kind="stable")
    return list(dict.fromkeys((int(rows[surest_last[-1]]), int(rows[surest_last[(len(rows) - 1) // 2]]))))
