"""Counts the scores of a job while they come in: a histogram, the positive ones and their sum."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sentscore.columns import POSITIVE_FROM

HISTOGRAM_BINS: Final = 20
"""The intervals of a histogram of scores, each 0.05 wide."""


class ScoreCounts:
    """The counts of one model's scores.

    Attributes:
        positive: The scores that count as positive.
        histogram: How many scores are in each interval, int64 [HISTOGRAM_BINS]; the last one includes 1.
        score_sum: The sum of the scores.
    """

    def __init__(self) -> None:
        self.positive = 0
        self.histogram = np.zeros(HISTOGRAM_BINS, np.int64)
        self.score_sum = 0.0

    def add(self, scores: npt.NDArray[np.float32]) -> None:
        """Adds scores, float32 [n]; a NaN stands for a row without text, and does not count."""
        scores = scores[~np.isnan(scores)]
        self.positive += int(np.count_nonzero(scores >= POSITIVE_FROM))
        # In float64 the product is exact; in float32 it could be rounded up into the next interval.
        places = np.minimum((scores.astype(np.float64) * HISTOGRAM_BINS).astype(np.int64), HISTOGRAM_BINS - 1)
        self.histogram += np.bincount(places, minlength=HISTOGRAM_BINS)
        self.score_sum += float(scores.sum(dtype=np.float64))

    def to_fields(self) -> tuple[int, tuple[int, ...], float]:
        """Returns the positive scores, the histogram and the sum."""
        return self.positive, tuple(self.histogram.tolist()), self.score_sum
