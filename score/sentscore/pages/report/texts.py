"""Keeps the few texts that a report shows: those with the most positive, most negative and most uncertain scores."""

from __future__ import annotations

import json
import math
from bisect import insort
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.pages.report.rows import Rows


@dataclass(frozen=True)
class ScoredText:
    """A text that is shown.

    Attributes:
        text: The text.
        path: The file that it is in.
        row: Its row there, from 0.
        scores: Its score by each model; None where there is none.
        group: Its group; None if it has none.
        effects: The words that moved the first model's score most, and their effects, as the file has them; None where
            it has none.
    """

    text: str
    path: str
    row: int
    scores: tuple[float | None, ...]
    group: str | None = None
    effects: tuple[tuple[str, float], ...] | None = None


class TopTexts:
    """Keeps the texts with the largest keys, each text once. Of equal keys the first stays.

    Args:
        count: How many texts to keep.
        model: The index of the model whose explanations they keep.
    """

    def __init__(self, count: int, model: int = 0) -> None:
        self._count = count
        self._model = model
        self._found: list[tuple[float, int, ScoredText]] = []  # the best first: (-key, number of the row, text)
        self._texts: set[str] = set()
        self._rows = 0

    @property
    def texts(self) -> list[ScoredText]:
        """The texts, that with the largest key first."""
        return [text for _, _, text in self._found]

    def add(self, rows: Rows, keys: npt.NDArray[np.float32]) -> None:
        """Adds rows that have texts.

        Args:
            rows: The rows.
            keys: Their keys, float32 [n]; NaN for a row that does not count. One without a text does not either.
        """
        number = self._rows
        self._rows += len(rows)
        if rows.texts is None or not self._count:
            return
        candidates = np.flatnonzero(~np.isnan(keys) & np.asarray(rows.texts.is_valid()))
        if len(self._found) == self._count:  # most windows have none that is better
            candidates = candidates[-keys[candidates] < self._found[-1][0]]
        for row in candidates[np.argsort(-keys[candidates], kind="stable")].tolist():
            key = -float(keys[row])
            if len(self._found) == self._count and key >= self._found[-1][0]:
                break
            text = rows.texts[row].as_py()
            if text not in self._texts:
                self._keep(key, number + row, make_scored_text(rows, row, text, self._model))

    def _keep(self, key: float, number: int, text: ScoredText) -> None:
        insort(self._found, (key, number, text))
        self._texts.add(text.text)
        if len(self._found) > self._count:
            self._texts.discard(self._found.pop()[2].text)


def make_scored_text(rows: Rows, row: int, text: str, model: int) -> ScoredText:
    """Returns a text of some rows with what is known of it, and the explanation of a model's score."""
    scores = tuple(None if np.isnan(each[row]) else float(each[row]) for each in rows.scores)
    group = rows.groups[row].as_py() if rows.groups is not None else None
    effects = _read_effects(rows.words[model], rows.effects[model], row)
    return ScoredText(text, rows.path, rows.first + row, scores, group, effects)


def _read_effects(words: pa.Array | None, effects: pa.Array | None, row: int) -> tuple[tuple[str, float], ...] | None:
    """Returns a row's words and effects; None where they are missing or not what `sentscore file --explain` writes."""
    if words is None or effects is None:
        return None
    spelled, numbers = (_read_list(each[row].as_py()) for each in (words, effects))
    if spelled is None or numbers is None or len(spelled) != len(numbers):
        return None
    if not all(isinstance(word, str) for word in spelled):
        return None
    if not all(isinstance(number, (int, float)) for number in numbers):
        return None
    try:
        effects = [float(number) for number in numbers]
    except OverflowError:  # JSON's whole numbers have no end
        return None
    return tuple(zip(spelled, effects, strict=True)) if all(map(math.isfinite, effects)) else None


def _read_list(value: Any) -> list[Any] | None:  # noqa: ANN401 - a list, or JSON in CSV
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return value if isinstance(value, list) else None
