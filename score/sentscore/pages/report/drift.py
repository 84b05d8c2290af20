"""Compares a scored file with an earlier one: has what the texts and scores are like changed?

The population stability index of two distributions in the same bins is sum((p - q) * ln(p / q)), where p and q are the
shares of a bin (Siddiqi 2006, Credit Risk Scorecards, where less than 0.1 is no change and from 0.25 on a large one).
The bins are tenths of the earlier file. The p-value of Kolmogorov and Smirnov's test decides nothing: on millions of
rows the smallest difference is no chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sentscore.pages.report.collect import Collected
from sentscore.pages.report.distributions import Distribution, Ints

DRIFT_PSI: Final = 0.2
"""The population stability index from which on there is an alarm, unless another one is given."""

_BINS: Final = 10
_BIN_ROWS: Final = 50  # rows of a bin, at least: with fewer, chance alone gives a high index
_SERIES: Final = 100  # terms of Kolmogorov's series, far more than matter


@dataclass(frozen=True)
class Measure:
    """How a distribution has changed.

    Attributes:
        name: What it is of, such as `score`.
        mean: Its mean now.
        earlier_mean: Its mean earlier.
        psi: The population stability index.
        chance: The index that chance alone gives on average, where nothing has changed.
        distance: Kolmogorov and Smirnov's D: the largest difference of the two shares below a number.
        p_value: How likely chance alone gives such a distance.
    """

    name: str
    mean: float
    earlier_mean: float
    psi: float
    chance: float
    distance: float
    p_value: float


@dataclass(frozen=True)
class Drift:
    """Whether a scored file differs from an earlier one.

    Attributes:
        measures: What was compared.
        limit: The population stability index from which on there is an alarm.
        left_out: What could not be compared, in whole sentences.
    """

    measures: tuple[Measure, ...]
    limit: float
    left_out: tuple[str, ...] = ()

    @property
    def alarms(self) -> list[Measure]:
        """The measures that have changed too much."""
        return [each for each in self.measures if each.psi >= self.limit]

    @property
    def verdict(self) -> str:
        """Whether there is drift, in a whole sentence."""
        if not self.measures:
            return "Nothing could be compared."
        changed = _join(f"the {each.name} (index {each.psi:.2f})" for each in self.alarms)
        if changed:
            return f"Drift: the distribution of {changed} has changed; the limit is {self.limit:g}."
        largest = max(self.measures, key=lambda each: each.psi)
        return (
            f"No drift: no index reaches the limit of {self.limit:g}. The largest is {largest.psi:.2f}, that of "
            f"the {largest.name}."
        )


def compare(now: Collected, earlier: Collected, *, limit: float = DRIFT_PSI) -> Drift:
    """Compares what was found in scored files with what was found in an earlier one, by the chosen model of each."""
    pairs = [("score", now.models[now.model].scores, earlier.models[earlier.model].scores)]
    pairs.append(("length", now.lengths, earlier.lengths))
    if now.unknown is not None and earlier.unknown is not None:
        pairs.append(("share of unknown words", now.unknown, earlier.unknown))
    measures = tuple(measure(name, one, other) for name, one, other in pairs if one.size and other.size)
    compared = {each.name for each in measures}
    left_out = [
        f"The {name} was not compared, for one of the files has none." for name, _, _ in pairs if name not in compared
    ]
    if now.unknown is None:
        left_out.append("The share of unknown words was not compared, for the model that knows them is not here.")
    return Drift(measures, limit, tuple(left_out))


def measure(name: str, now: Distribution, earlier: Distribution) -> Measure:
    """Compares two distributions of the same kind, both of one number at least."""
    bins = max(2, min(_BINS, min(now.size, earlier.size) // _BIN_ROWS))
    cuts = find_cuts(earlier.counts, bins)
    counts, earlier_counts = (np.add.reduceat(each.counts, [0, *cuts]) for each in (now, earlier))
    chance = len(cuts) * (1 / now.size + 1 / earlier.size)
    distance, p_value = compare_cumulated(now.counts, earlier.counts)
    return Measure(name, now.mean, earlier.mean, stability_index(counts, earlier_counts), chance, distance, p_value)


def find_cuts(counts: Ints, bins: int) -> list[int]:
    """Returns where to cut fine bins into larger ones with about as many numbers each.

    A fine bin that holds a share of its own is cut off on both sides, so that a change to either side is seen.

    Args:
        counts: How many numbers are in each fine bin, int64 [b], not all 0.
        bins: How many larger bins are wanted. There may be fewer, and more where fine bins are cut off.

    Returns:
        The first fine bin of each larger one but the first.
    """
    cumulated = np.cumsum(counts)
    size = cumulated[-1]
    cuts = set()
    for number in range(1, bins):
        place = int(np.searchsorted(cumulated, number * size / bins))
        cuts.add(place + 1)
        if counts[place] >= size / bins:
            cuts.add(place)
    return sorted(cut for cut in cuts if 0 < cut < len(counts))


def stability_index(counts: Sequence[int] | Ints, earlier: Sequence[int] | Ints) -> float:
    """Returns the population stability index of two histograms with the same bins [b].

    Half a number is added to each bin, or an empty one would make the index infinite.
    """
    p, q = ((np.asarray(each) + 0.5) / (np.sum(each) + 0.5 * len(each)) for each in (counts, earlier))
    return float(((p - q) * np.log(p / q)).sum())


def compare_cumulated(counts: Ints, earlier: Ints) -> tuple[float, float]:
    """Returns Kolmogorov and Smirnov's D of two histograms with the same fine bins, and its p-value.

    D is a little too small where the difference is largest inside a bin. The p-value is that of Kolmogorov's limit with
    Stephens' correction (1970, J. Royal Statist. Soc. B 32).
    """
    size, earlier_size = int(counts.sum()), int(earlier.sum())
    distance = float(np.abs(np.cumsum(counts) / size - np.cumsum(earlier) / earlier_size).max())
    root = math.sqrt(size * earlier_size / (size + earlier_size))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:  # where the series converges slowly, to 1 - 5e-13
        return distance, 1.0
    p_value = 2 * math.fsum((-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, _SERIES))
    return distance, min(1.0, max(0.0, p_value))


def _join(names: Iterable[str]) -> str:
    *first, last = list(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last
