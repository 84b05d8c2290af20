from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstwobign

from sentscore.pages.report.distributions import Distribution
from sentscore.pages.report.drift import Drift, Measure, compare_cumulated, find_cuts, measure, stability_index


def distribute(numbers: np.ndarray, kind: str = "share") -> Distribution:
    distribution = Distribution(kind)  # type: ignore[arg-type]
    distribution.add(numbers)
    return distribution


def test_the_index_of_known_histograms() -> None:
    expected = (0.3 - 0.5) * math.log(0.3 / 0.5) + (0.7 - 0.5) * math.log(0.7 / 0.5)
    assert stability_index([3_000_000, 7_000_000], [500_000, 500_000]) == pytest.approx(expected, rel=1e-5)
    assert stability_index([4, 4], [2, 2]) == 0


def test_an_empty_bin_gives_a_finite_index() -> None:
    assert 1 < stability_index([0, 100], [100, 0]) < 20


@pytest.mark.parametrize("size", [50, 200, 2_000])
def test_random_halves_are_no_drift(size: int) -> None:
    random = np.random.default_rng(size)
    indexes = []
    for _ in range(100):
        halves = np.split(random.permutation(random.beta(0.3, 0.4, 2 * size)), 2)
        indexes.append(measure("score", *map(distribute, halves)).psi)
    assert sum(index >= 0.2 for index in indexes) <= (15 if size == 50 else 0)


@pytest.mark.parametrize("size", [50, 200, 2_000])
def test_a_shift_is_drift(size: int) -> None:
    random = np.random.default_rng(size)
    for _ in range(100):
        now, earlier = random.beta(2, 4, size), random.beta(4, 2, size)
        assert measure("score", distribute(now), distribute(earlier)).psi >= 0.2


@pytest.mark.parametrize("now", [0.0, 1.0])
def test_a_change_to_either_side_of_a_single_number_is_drift(now: float) -> None:
    found = measure("share", distribute(np.full(500, now)), distribute(np.full(500, 0.5)))
    assert found.psi > 1
    assert (found.distance, found.mean, found.earlier_mean) == (1.0, now, 0.5)


def test_chance_gives_about_what_is_said() -> None:
    random = np.random.default_rng(1)
    found = [measure("score", distribute(random.random(3_000)), distribute(random.random(2_000))) for _ in range(60)]
    assert np.mean([each.psi for each in found]) == pytest.approx(found[0].chance, rel=0.15)
    assert found[0].chance == pytest.approx(9 * (1 / 3_000 + 1 / 2_000))


def test_cuts_are_at_tenths_and_around_numbers_that_are_frequent() -> None:
    assert find_cuts(np.ones(100, np.int64), 10) == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert find_cuts(np.array([0, 1, 97, 1, 1]), 10) == [2, 3]
    assert find_cuts(np.array([5, 0]), 2) == [1]


def test_the_distance_is_scipys() -> None:
    random = np.random.default_rng(2)
    # In the middles of bins, where the histogram loses nothing.
    now, earlier = ((random.integers(0, 10_000, size) + 0.5) / 10_000 for size in (4_000, 3_000))
    now = now**1.05
    found = compare_cumulated(distribute(now).counts, distribute(earlier).counts)
    expected = ks_2samp(np.floor(now * 10_000), np.floor(earlier * 10_000))
    assert found[0] == pytest.approx(expected.statistic, abs=1e-12)
    assert found[1] == pytest.approx(expected.pvalue, rel=0.1)


@pytest.mark.parametrize("distance", [0.0, 0.002, 0.02, 0.05, 0.9])
def test_the_p_value_is_kolmogorovs(distance: float) -> None:
    size = 10_000
    moved = round(distance * size)
    found, p_value = compare_cumulated(np.array([size - moved, moved]), np.array([size, 0]))
    root = math.sqrt(size / 2)
    assert found == pytest.approx(distance)
    assert p_value == pytest.approx(kstwobign.sf((root + 0.12 + 0.11 / root) * distance), abs=1e-9)


def test_the_verdict() -> None:
    score = Measure("score", 0.5, 0.6, 0.25, 0.0, 0.1, 0.5)
    length = Measure("length", 100.0, 90.0, 0.2, 0.0, 0.1, 0.0)
    words = Measure("share of unknown words", 0.1, 0.1, 0.19, 0.0, 0.1, 0.0)
    assert Drift((score, length, words), 0.2).verdict == (
        "Drift: the distribution of the score (index 0.25) and the length (index 0.20) has changed; the limit is 0.2."
    )
    assert Drift((words,), 0.2).verdict == (
        "No drift: no index reaches the limit of 0.2. The largest is 0.19, that of the share of unknown words."
    )
    assert Drift((), 0.2).verdict == "Nothing could be compared."
