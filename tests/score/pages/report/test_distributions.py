from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from sentscore.jobs.counts import HISTOGRAM_BINS, ScoreCounts
from sentscore.pages.report.distributions import Distribution, difference_interval, interval


def test_parts_add_up_to_the_whole() -> None:
    random = np.random.default_rng(0)
    scores = random.beta(0.3, 0.4, 10_001).astype(np.float32)
    whole, parts = Distribution("share"), Distribution("share")
    whole.add(scores)
    for part in np.array_split(scores, 7):
        parts.add(part)
    assert np.array_equal(whole.counts, parts.counts)
    assert whole.size == parts.size == len(scores)
    assert parts.mean == pytest.approx(scores.mean(dtype=np.float64), rel=1e-12)


def test_bars_are_those_of_a_run_report() -> None:
    """0.15 in float32 is above the bound of its bar, 0.05 * 3 in float64 is not; the end belongs to the last bar."""
    scores = np.array([0, 0.05, 0.1, 0.15, 0.35, 0.5, 0.55, 0.7, 1], np.float32)
    distribution, counts = Distribution("share"), ScoreCounts()
    distribution.add(scores)
    counts.add(scores)
    assert distribution.to_bars(HISTOGRAM_BINS) == counts.histogram.tolist()


def test_lengths_of_any_size() -> None:
    lengths = Distribution("length")
    lengths.add(np.array([0, 1, 2, 3, 1 << 40]))
    assert lengths.size == 5
    assert (lengths.counts[0], lengths.counts[64], lengths.counts[-1]) == (2, 1, 1)


def test_nothing_has_no_mean() -> None:
    assert math.isnan(Distribution("share").mean)


@pytest.mark.parametrize(("positive", "size"), [(0, 10), (10, 10), (3, 7), (4_999, 10_000), (1, 1)])
def test_the_interval_is_wilsons(positive: int, size: int) -> None:
    expected = binomtest(positive, size).proportion_ci(method="wilson")
    assert interval(positive, size) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_of_nothing() -> None:
    assert interval(0, 0) == (0.0, 1.0)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """The paper's first example, 56 of 70 less 48 of 80."""
    assert difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
