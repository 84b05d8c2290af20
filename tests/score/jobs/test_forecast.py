from __future__ import annotations

from dataclasses import replace
from math import ceil

import pyarrow as pa
import pytest

from sentscore.errors import InputError, UsageError
from sentscore.jobs.forecast import forecast, parse_duration
from sentscore.jobs.sampling import Sample
from sentscore.scorer import Scorer

_SAMPLE = Sample(
    files=20,
    size=1_000_000,
    rows=1_000_000,
    is_counted=True,
    most_rows=400_000,
    texts=pa.array(["a wonderful film", "awful", None, "a film of no interest"] * 50, pa.large_string()),
    sampled_files=5,
    unreadable={"bad.parquet": InputError("bad.parquet: damaged")},
)


@pytest.fixture
def scorer(tiny_artifact) -> Scorer:
    return Scorer.load(tiny_artifact, device="cpu", threads=1)


def test_the_time_is_that_of_the_samples_rows_and_the_start(scorer) -> None:
    found = forecast(_SAMPLE, scorer, start_s=2.0)
    assert (found.files, found.rows, found.sampled_rows, found.unreadable) == (20, 1_000_000, 200, 1)
    assert (found.model, found.threads, found.workers) == ("lstm", 1, None)
    assert found.seconds == pytest.approx(2.0 + 1_000_000 / found.reviews_per_s)
    assert found.largest_file_s == pytest.approx(0.4 * (found.seconds - 2.0))
    assert 0 < found.tokens_per_row < 6


def test_a_deadline_needs_workers_that_all_start(scorer) -> None:
    found = forecast(_SAMPLE, scorer, start_s=2.0, deadline_s=5.0)
    assert found.workers == max(1, ceil((found.seconds - 2.0) / 3.0))
    assert forecast(_SAMPLE, scorer, start_s=2.0, deadline_s=1e7).workers == 1
    with pytest.raises(UsageError, match="give more than `deadline='2s'`"):
        forecast(_SAMPLE, scorer, start_s=2.0, deadline_s=2.0)


def test_inputs_without_rows_take_the_start_alone(scorer) -> None:
    nothing = replace(_SAMPLE, rows=0, most_rows=0, texts=pa.array([], pa.large_string()))
    found = forecast(nothing, scorer, start_s=2.0, deadline_s=3.0)
    assert (found.seconds, found.workers, found.tokens_per_row) == (2.0, 1, 0.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7_200), ("90m", 5_400), ("1h30m", 5_400), ("1h 30m", 5_400), ("0.5h", 1_800), ("1d", 86_400)],
)
def test_times(text, seconds) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "two hours", "-2h", "0s", "2h!", "1e3s", "9" * 400 + "h"])
def test_what_is_no_time(text) -> None:
    with pytest.raises(UsageError, match="write it as in"):
        parse_duration(text)
