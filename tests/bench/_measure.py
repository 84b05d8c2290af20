"""Samples, sizes, medians with intervals and tables for the benchmark scripts: nothing here runs a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

_PILOT_SHARE = 0.25  # of the time wanted: a shorter run says little about a long one where starting takes seconds
_PILOT_GROWTH = 4
_Z = 1.959964  # of a normal distribution's middle 95 %


@dataclass(frozen=True)
class Interval:
    """A figure and where it lies.

    Attributes:
        value: the figure itself.
        low: lower end.
        high: upper end.
        confidence: how often such an interval holds the true value, a share.
    """

    value: float
    low: float
    high: float
    confidence: float


def sample_by_length(lengths: npt.NDArray[np.int64], count: int, random: np.random.Generator, group: int = 1) -> Rows:
    """About `count` rows whose lengths are spread as all lengths are, in random order.

    The rows in order of length are cut into equal parts and one is drawn from each, so that even a few dozen have
    the mean length of all. With a `group`, as many neighbours are drawn from each part: the batches that sorting the
    whole table by length would make. A small sample sorted by itself would be padded far more.

    Args:
        lengths: of all texts, int64 [n].
        count: rows wanted; all are taken when there are no more. Rounded down to whole groups, but to no less than one.
        random: draws.
        group: neighbours drawn together.
    """
    order = np.argsort(lengths, kind="stable")
    if count >= len(order):
        return random.permutation(order)
    group = min(group, len(order))
    parts = max(1, count // group)
    edges = np.linspace(0, len(order), parts + 1).astype(np.int64)
    starts = random.integers(edges[:-1], edges[1:] - group, endpoint=True)
    return random.permutation(order[(starts[:, None] + np.arange(group)).ravel()])


def size_for(seconds: float, seconds_of: Callable[[int], float], *, most: int, first: int = 8) -> int:
    """How many reviews take about so many seconds, from 1 to `most`.

    Args:
        seconds: wanted.
        seconds_of: measures a run of some reviews; called with more and more until a run is long enough to tell.
        most: reviews that there are.
        first: reviews of the first try.
    """
    count = min(first, most)
    while (taken := seconds_of(count)) < seconds * _PILOT_SHARE and count < most:
        count = min(count * _PILOT_GROWTH, most)
    return max(1, min(int(count * seconds / taken), most))


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The median and two of the values that the true median lies between, whatever the distribution.

    The k-th lowest and the k-th highest of n values hold the median between them with probability
    1 - 2 P(Binomial(n, 1/2) < k) (David and Nagaraja, Order Statistics, 7.1). Of fewer than six values even the
    lowest and the highest do so in less than 95 % of cases; they are returned, with what they reach.

    Args:
        values: at least one.
        confidence: wanted, a share.
    """
    ordered = sorted(values)
    n = len(ordered)

    def reached(k: int) -> float:
        return 1.0 - 2.0 * sum(math.comb(n, below) for below in range(k)) / 2.0**n

    k = max((k for k in range(1, (n + 1) // 2 + 1) if reached(k) >= confidence), default=1)
    return Interval(median(ordered), ordered[k - 1], ordered[n - k], reached(k))


def share_interval(hits: int, count: int) -> Interval:
    """A share and its 95 % interval (Wilson 1927)."""
    share = hits / count
    centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return Interval(share, centre - half, centre + half, 0.95)


@dataclass(frozen=True)
class Paired:
    """How two classifiers compare on the same reviews.

    Attributes:
        share: of all reviews that the first has right more than the second.
        first_only: reviews that only the first has right.
        second_only: reviews that only the second has right.
        p: how often as uneven a division of these comes about between equals (McNemar, exact, two-sided).
    """

    share: float
    first_only: int
    second_only: int
    p: float


def paired(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Paired:
    """Compares whether each review is classified rightly by one [n] and by another [n]."""
    from sentscore_train.evaluation.metrics import mcnemar_p

    first_only, second_only = int((first & ~second).sum()), int((second & ~first).sum())
    difference = (first_only - second_only) / len(first)
    return Paired(difference, first_only, second_only, mcnemar_p(first_only, second_only))


def figure(value: float) -> str:
    """Three digits that count, with thousands separated: 0.0123, 1.23, 12.3, 123, 1,234."""
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def with_interval(interval: Interval, show: Callable[[float], str] = figure) -> str:
    """`12.3 (11.9 to 12.8)`."""
    return f"{show(interval.value)} ({show(interval.low)} to {show(interval.high)})"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table.

    Raises:
        ValueError: a row has more or fewer cells than the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under a header of {len(header)}: {row}")
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))
