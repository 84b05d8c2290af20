"""Draws samples, computes medians with intervals and writes tables for the benchmarks. Nothing here runs a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

_PILOT_SHARE = 0.25  # of the wanted time; if starting takes seconds, a shorter run says little about a long one
_PILOT_GROWTH = 4
_Z = 1.959964  # of a normal distribution's middle 95 %


@dataclass(frozen=True)
class Interval:
    """A figure and its interval.

    Attributes:
        value: The figure.
        low: The lower end of the interval.
        high: The upper end of the interval.
        confidence: The share of such intervals that hold the true value.
    """

    value: float
    low: float
    high: float
    confidence: float


def sample_by_length(lengths: npt.NDArray[np.int64], count: int, random: np.random.Generator, group: int = 1) -> Rows:
    """Returns about `count` rows in random order, with lengths that are distributed as all lengths are.

    The rows are sorted by length and cut into equal parts, and one row is drawn from each. Thus even a few dozen have
    the mean length of all. With a `group`, that many neighbours are drawn from each part, which are the batches that
    sorting the whole table would make. A small sample sorted by itself would need far more padding.

    Args:
        lengths: The lengths of all texts, int64 [n].
        count: The number of rows, rounded down to whole groups but at least one group; at most all rows.
        random: The random numbers.
        group: The number of neighbours that are drawn together.
    """
    order = np.argsort(lengths, kind="stable")
    if count >= len(order):
        return random.permutation(order)
    group = min(group, len(order))
    parts = max(1, count // group)
    edges = np.linspace(0, len(order), parts + 1).astype(np.int64)
    starts = random.integers(edges[:-1], edges[1:] - group, endpoint=True)
    return random.permutation(order[(starts[:, None] + np.arange(group)).ravel()])


def find_size(seconds: float, measure: Callable[[int], float], *, most: int, first: int = 8) -> int:
    """Returns how many reviews take about that many seconds, from 1 to `most`.

    Args:
        seconds: The wanted time.
        measure: The function that returns the seconds of a number of reviews. It is called with more and more reviews
            until the time is long enough.
        most: The number of reviews that there are.
        first: The number of reviews of the first try.
    """
    count = min(first, most)
    while (taken := measure(count)) < seconds * _PILOT_SHARE and count < most:
        count = min(count * _PILOT_GROWTH, most)
    return max(1, min(int(count * seconds / taken), most))


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Returns the median, and the two values that the true median lies between for any distribution.

    The true median is between the k-th lowest and the k-th highest of n values with probability
    1 - 2 P(Binomial(n, 1/2) < k) (David and Nagaraja, Order Statistics, 7.1). With fewer than six values even the
    lowest and the highest reach less than 95 %. They are returned with the confidence that they reach.

    Args:
        values: At least one value.
        confidence: The wanted confidence, a share.
    """
    ordered = sorted(values)
    n = len(ordered)

    def reached(k: int) -> float:
        return 1.0 - 2.0 * sum(math.comb(n, below) for below in range(k)) / 2.0**n

    k = max((k for k in range(1, (n + 1) // 2 + 1) if reached(k) >= confidence), default=1)
    return Interval(median(ordered), ordered[k - 1], ordered[n - k], reached(k))


def share_interval(hits: int, count: int) -> Interval:
    """Returns a share and its 95 % interval (Wilson 1927)."""
    share = hits / count
    centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return Interval(share, centre - half, centre + half, 0.95)


@dataclass(frozen=True)
class Paired:
    """How two classifiers compare on the same reviews.

    Attributes:
        share: The accuracy of the first minus that of the second.
        first_only: The number of reviews that only the first gets right.
        second_only: The number of reviews that only the second gets right.
        p: The p-value of McNemar's exact test, two-sided.
    """

    share: float
    first_only: int
    second_only: int
    p: float


def compare_paired(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Paired:
    """Compares two classifiers by whether each gets each review right, bool [n]."""
    from sentscore_train.evaluation.metrics import mcnemar_p

    first_only, second_only = int((first & ~second).sum()), int((second & ~first).sum())
    difference = (first_only - second_only) / len(first)
    return Paired(difference, first_only, second_only, mcnemar_p(first_only, second_only))


def format_figure(value: float) -> str:
    """Returns three significant digits, with thousands separated: 0.0123, 1.23, 12.3, 123, 1,234."""
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def format_interval(interval: Interval, show: Callable[[float], str] = format_figure) -> str:
    """Returns a figure and its interval, as `12.3 (11.9 to 12.8)`."""
    return f"{show(interval.value)} ({show(interval.low)} to {show(interval.high)})"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table.

    Raises:
        ValueError: A row has more or fewer cells than the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under a header of {len(header)}: {row}")
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))
