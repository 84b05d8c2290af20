"""Distributions of millions of numbers in bins that are fixed beforehand, and intervals of shares."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

SHARE_BINS: Final = 10_000
"""The bins of numbers from 0 to 1. They divide evenly into the bars of a histogram."""

_OCTAVE_BINS: Final = 64  # bins of a number and its double: each is 1.1 % wide
_LENGTH_BINS: Final = 27 * _OCTAVE_BINS  # up to 64 MiB, which no text exceeds
_Z: Final = 1.959963984540054  # the standard normal's 97.5 % quantile, for intervals of 95 %

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Distribution:
    """Counts numbers in bins, which hold whatever the number of numbers is.

    Args:
        kind: `share` for numbers from 0 to 1, in 10,000 bins of one width; `length` for numbers from 1 on, in bins that
            are 1.1 % wide.

    Attributes:
        counts: How many numbers are in each bin, int64 [bins].
        total: The sum of the numbers.
    """

    def __init__(self, kind: Literal["share", "length"]) -> None:
        self._kind = kind
        self.counts: Ints = np.zeros(SHARE_BINS if kind == "share" else _LENGTH_BINS, np.int64)
        self.total = 0.0

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """The mean of the numbers; NaN if there are none."""
        return self.total / self.size if self.size else math.nan

    def add(self, numbers: npt.NDArray[np.floating] | Ints) -> None:
        """Adds numbers [n], none of them NaN."""
        # In float64 the product is exact; in float32 it could be rounded up into the next bin.
        values = numbers.astype(np.float64)
        places = values * SHARE_BINS if self._kind == "share" else np.log2(np.maximum(values, 1.0)) * _OCTAVE_BINS
        bins = len(self.counts)
        self.counts += np.bincount(np.minimum(places.astype(np.int64), bins - 1), minlength=bins)
        self.total += float(values.sum())

    def to_bars(self, bars: int) -> list[int]:
        """Returns a histogram with fewer bins of one width; `bars` divides the number of bins."""
        counts: list[int] = self.counts.reshape(bars, -1).sum(axis=1).tolist()
        return counts


def interval(positive: int, size: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share, by Wilson's score (Wilson 1927, JASA 22); 0 to 1 where `size` is 0.

    Args:
        positive: How many are positive.
        size: How many there are.
    """
    if size == 0:
        return 0.0, 1.0
    share = positive / size
    middle = (share + _Z**2 / (2 * size)) / (1 + _Z**2 / size)
    half = _Z / (1 + _Z**2 / size) * math.sqrt(share * (1 - share) / size + _Z**2 / (4 * size**2))
    # Rounding must not leave the share itself outside.
    return min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half))


def difference_interval(positive: int, size: int, earlier_positive: int, earlier_size: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share less an earlier one, by Newcombe's method 10 (1998, Statist. Med. 17).

    Args:
        positive: How many are positive.
        size: How many there are, at least 1.
        earlier_positive: How many were positive earlier.
        earlier_size: How many there were, at least 1.
    """
    share, earlier = positive / size, earlier_positive / earlier_size
    low, high = interval(positive, size)
    earlier_low, earlier_high = interval(earlier_positive, earlier_size)
    change = share - earlier
    return (
        change - math.hypot(share - low, earlier_high - earlier),
        change + math.hypot(high - share, earlier - earlier_low),
    )
