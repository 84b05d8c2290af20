"""Measures a model on each kind of text: by the values of a column of the table, or by the length of the texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sentscore.columns import POSITIVE_FROM
from sentscore_train.evaluation.calibration import log_loss
from sentscore_train.evaluation.metrics import (
    Agreement,
    Floats,
    Integers,
    Interval,
    compare_models,
    expected_calibration_error,
    expected_error_by_chance,
    mean_interval,
    reliability,
    to_logits,
)

LENGTH_BORDERS: Final = (25, 100, 250, 500)
"""The tokens of the longest text of each group by length but the last: a sentence, a paragraph, a short review, a long
one. They are the same for every table, unlike deciles, so that tables and models can be compared."""

MOST_GROUPS: Final = 50
"""The most groups of a column. Of a column with more values, those with the fewest texts are one group."""


@dataclass(frozen=True)
class GroupMetrics:
    """How good a model is on one kind of text.

    Attributes:
        reviews: The number of texts.
        positive: The share of them that is labelled positive.
        accuracy: The share of them that is right.
        accuracy_interval: The interval of the accuracy.
        auc: The area under the ROC curve; None if all texts have the same label.
        log_loss: The mean negative log likelihood of the labels, in nats.
        brier: The mean squared difference of probability and label.
        ece: The expected calibration error.
        ece_by_chance: The expected calibration error that exactly right probabilities would have on so many texts on
            average. The error of a few hundred texts is mostly that.
    """

    reviews: int
    positive: float
    accuracy: float
    accuracy_interval: Interval
    auc: float | None
    log_loss: float
    brier: float
    ece: float
    ece_by_chance: float


Groups = Mapping[str, npt.NDArray[np.int64]]
"""The rows of each group, by its name."""


def measure_group(probabilities: Floats, labels: Integers) -> GroupMetrics:
    """Returns the metrics of texts with probabilities [n] and labels [n], of which there is at least one."""
    from sklearn.metrics import roc_auc_score

    right = (probabilities >= POSITIVE_FROM) == (labels == 1)
    both = len(np.unique(labels)) > 1
    exact = probabilities.astype(np.float64)
    return GroupMetrics(
        reviews=len(labels),
        positive=float((labels == 1).mean()),
        accuracy=float(right.mean()),
        accuracy_interval=mean_interval(right),
        auc=float(roc_auc_score(labels, exact)) if both else None,
        log_loss=log_loss(to_logits(exact), labels),
        brier=float(np.square(exact - labels).mean()),
        ece=expected_calibration_error(reliability(exact, labels)),
        ece_by_chance=expected_error_by_chance(exact),
    )


def measure_groups(probabilities: Floats, labels: Integers, groups: Groups) -> dict[str, GroupMetrics]:
    """Returns the metrics of each group of the texts with probabilities [n] and labels [n]."""
    return {name: measure_group(probabilities[rows], labels[rows]) for name, rows in groups.items()}


def compare_groups(first: Floats, second: Floats, labels: Integers, groups: Groups) -> dict[str, Agreement]:
    """Compares the probabilities [n] of two models on each group of the texts with labels [n]."""
    return {name: compare_models(first[rows], second[rows], labels[rows]) for name, rows in groups.items()}


def group_by_value(values: Sequence[Any]) -> dict[str, npt.NDArray[np.int64]]:
    """Returns the rows of each value of a column [n], in alphabetical order of the values.

    A missing value's name is `none`. If there are more than `MOST_GROUPS` values, the last group is named
    `N others` and holds the rows of those that have the fewest.
    """
    names = ["none" if value is None else str(value) for value in values]
    counts = Counter(names)
    kept = set(counts)
    others = ""
    if len(counts) > MOST_GROUPS:
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        kept = set(ranked[: MOST_GROUPS - 1])
        others = f"{len(counts) - len(kept):,} others"
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name if name in kept else others, []).append(row)
    ordered = sorted(name for name in rows if name in kept) + ([others] if others else [])
    return {name: np.array(rows[name], np.int64) for name in ordered}


def group_by_length(lengths: Integers) -> dict[str, npt.NDArray[np.int64]]:
    """Returns the rows of each group of texts by their number of tokens [n], from the shortest to the longest."""
    borders = (0, *LENGTH_BORDERS)
    names = [f"{low + 1:,} to {high:,} tokens" for low, high in pairwise(borders)]
    names.append(f"more than {borders[-1]:,} tokens")
    places = np.searchsorted(LENGTH_BORDERS, lengths)  # a text as long as a border belongs before it
    found = {name: np.flatnonzero(places == place) for place, name in enumerate(names)}
    return {name: rows for name, rows in found.items() if len(rows)}
