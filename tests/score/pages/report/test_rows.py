from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError
from sentscore.pages.report.layout import read_layout
from sentscore.pages.report.rows import Rows, read_rows


def read(path: Path, **options: str) -> list[Rows]:
    return list(read_rows(read_layout(str(path), **options)))


def test_csv_has_numbers_times_and_blanks(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text,at,sentiment,score\na,2026-11-24,positive,0.9\n,,,\nb,2026-11-24T21:05:00.123Z,negative,0\n")
    [rows] = read(path, by="at", time="at")
    assert rows.texts.to_pylist() == ["a", "", "b"]
    assert rows.scores[0].dtype == np.float32
    np.testing.assert_array_equal(rows.scores[0], np.array([0.9, np.nan, 0], np.float32))
    assert rows.times.to_pylist() == [datetime(2026, 11, 24), None, datetime(2026, 11, 24, 21, 5)]
    assert rows.groups.to_pylist() == ["2026-11-24", None, "2026-11-24T21:05:00.123Z"]


@pytest.mark.parametrize(
    ("column", "times", "groups"),
    [
        (pa.array([date(2026, 1, 2), None]), [datetime(2026, 1, 2), None], ["2026-01-02", None]),
        (
            pa.array([datetime(2026, 1, 2, 23, 30, tzinfo=UTC), None], pa.timestamp("ns", "Asia/Tokyo")),
            [datetime(2026, 1, 3, 8, 30), None],
            None,
        ),
        (pa.array([None, None]), [None, None], [None, None]),
        (pa.array(["2026-01-02 03:04:05", ""]).dictionary_encode(), [datetime(2026, 1, 2, 3, 4, 5), None], None),
        (pa.array(["2026-01-02", None], pa.string_view()), [datetime(2026, 1, 2), None], ["2026-01-02", None]),
    ],
)
def test_types_of_times_and_groups(tmp_path: Path, column: pa.Array, times: list, groups: list | None) -> None:
    table = pa.table({"text": ["a", "b"], "at": column, "sentiment": ["positive"] * 2, "score": [0.9, 0.8]})
    pq.write_table(table, tmp_path / "x.parquet")
    [rows] = read(tmp_path / "x.parquet", by="at", time="at")
    assert rows.times.to_pylist() == times
    if groups is not None:
        assert rows.groups.to_pylist() == groups


@pytest.mark.parametrize(
    ("column", "value", "options", "message"),
    [
        ("score", [1.5], {}, "column 'score' holds 1.5, which is no probability"),
        ("score", ["good"], {}, "column 'score' is string, not scores"),
        ("score", [[0.5]], {}, "not scores"),
        ("at", ["yesterday"], {"time": "at"}, "column 'at' is no time .* for `time`; it has to hold dates or times"),
        ("at", [20261124], {"time": "at"}, "column 'at' is int64, not times for `time`"),
        ("at", ["2026-11-24T21:05:00 or so"], {"time": "at"}, "column 'at' is no time .* for `time`"),
        ("at", np.array([1_800_000_000_000], "M8[s]"), {"time": "at"}, "column 'at' holds a time that .* for `time`"),
        ("at", ["0000-12-31"], {"time": "at"}, "outside of the years 1 to 9999, for `time`"),
        ("at", [[1]], {"by": "at"}, "column 'at' is list<.*, not groups for `by`"),
    ],
)
def test_values_that_are_something_else(tmp_path: Path, column: str, value, options, message: str) -> None:
    table = {"text": ["a"], "sentiment": ["positive"], "score": [0.5], "at": ["x"], column: value}
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=message):
        read(tmp_path / "x.parquet", column="text", **options)


@pytest.mark.parametrize("ending", ["", "Z", ":00.5Z", ":00,123456+02:00", " +0200", ":00-08", ":00 UTC"])
def test_a_text_of_a_time_may_have_a_fraction_and_a_zone(tmp_path: Path, ending: str) -> None:
    table = {"text": ["a"], "sentiment": ["positive"], "score": [0.5], "at": [f"2026-11-24T21:05{ending}"]}
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    [rows] = read(tmp_path / "x.parquet", column="text", time="at")
    assert rows.times.to_pylist() == [datetime(2026, 11, 24, 21, 5)]


def test_groups_that_are_not_utf_8(tmp_path: Path) -> None:
    groups = pa.array([b"\xff"]).cast(pa.string(), safe=False)
    table = pa.table({"text": ["a"], "sentiment": ["positive"], "score": [0.5], "at": groups})
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(InputError, match="not groups for `by`"):
        read(tmp_path / "x.parquet", column="text", by="at")
