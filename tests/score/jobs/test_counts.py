from __future__ import annotations

import numpy as np
import pytest

from sentscore.jobs.counts import HISTOGRAM_BINS, ScoreCounts


def test_scores_are_counted_over_several_blocks() -> None:
    counts = ScoreCounts()
    for scores in ([0.0, 0.049, np.nan, 1.0], [], [0.5, 0.999, 0.05, np.nan]):
        counts.add(np.array(scores, np.float32))
    positive, histogram, score_sum = counts.to_fields()
    assert positive == 3
    assert histogram == (2, 1, *[0] * 8, 1, *[0] * 8, 2)
    assert score_sum == pytest.approx(2.598, abs=1e-6)


def test_each_score_is_in_the_interval_that_holds_it() -> None:
    for bound in range(1, HISTOGRAM_BINS):
        edge = np.float32(bound / HISTOGRAM_BINS)
        for score in (np.nextafter(edge, np.float32(0)), edge, np.nextafter(edge, np.float32(1))):
            counts = ScoreCounts()
            counts.add(np.array([score]))
            [found] = np.flatnonzero(counts.histogram)
            assert found / HISTOGRAM_BINS <= float(score) < (found + 1) / HISTOGRAM_BINS
