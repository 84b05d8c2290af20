from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from sentscore.pages.report import groups
from sentscore.pages.report.groups import GroupCount, GroupCounts, PeriodCounts
from sentscore.pages.report.rows import TIME

START = datetime(2026, 3, 2)  # a Monday


def test_groups_are_counted_across_windows() -> None:
    counts = GroupCounts(2)
    first = np.array([0.9, 0.1, np.nan, 0.5], np.float32)
    counts.add(pa.array(["a", "b", "a", None], pa.large_string()), [first, 1 - first])
    counts.add(pa.array(["a"], pa.large_string()), [np.array([0.2], np.float32)] * 2)
    assert counts.largest(0, 9) == [GroupCount("a", 2, 1), GroupCount("b", 1, 0), GroupCount(None, 1, 1)]
    assert counts.largest(1, 2) == [GroupCount("a", 2, 0), GroupCount("b", 1, 1)]
    assert counts.count(0, "never seen") == GroupCount("never seen", 0, 0)
    assert counts.is_exact


def test_too_many_groups_keep_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST_GROUPS", 100)
    counts = GroupCounts(1)
    for window in range(20):
        names = ["large"] * 3 + [f"{window}-{number}" for number in range(40)]
        counts.add(pa.array(names, pa.large_string()), [np.ones(len(names), np.float32)])
    assert len(counts) <= 100
    assert not counts.is_exact
    assert counts.largest(0, 1) == [GroupCount("large", 60, 60)]


@pytest.mark.parametrize(
    ("hours", "unit", "keys"),
    [
        (range(0, 6, 3), "hour", ["2026-03-02T00:00", "2026-03-02T03:00"]),
        (range(0, 61 * 24, 24), "week", ["2026-03-02", "2026-03-09"]),
        (range(0, 24 * 365 * 9, 24), "quarter", ["2026-01-01", "2026-04-01"]),
        (range(0, 24 * 365 * 90, 24), "year", ["2026-01-01", "2027-01-01"]),
    ],
)
def test_the_unit_goes_by_the_number_of_periods(hours, unit: str, keys: list[str]) -> None:
    counts = PeriodCounts(1)
    times = [START + timedelta(hours=hour) for hour in hours]
    for part in np.array_split(np.array(times, dtype=object), 5):
        counts.add(pa.array(part.tolist(), TIME), [np.ones(len(part), np.float32)])
    assert counts.finish() == unit
    periods = counts.periods(0)
    assert [each.key for each in periods[:2]] == keys
    assert sum(each.size for each in periods) == len(times)


def test_rows_without_a_time_or_a_score() -> None:
    counts = PeriodCounts(1)
    scores = np.array([0.9, 0.9, np.nan, 0.1], np.float32)
    counts.add(pa.array([START, None, None, START], TIME), [scores])
    assert counts.without == 1
    counts.finish()
    assert counts.periods(0) == [GroupCount("2026-03-02T00:00", 2, 1)]
