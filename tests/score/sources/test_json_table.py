from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sentscore.errors import InputError
from sentscore.formats import parse_file_name
from sentscore.sources import open_source
from sentscore.sources import source as source_module

ReadTable = Callable[..., pa.Table]


@pytest.fixture
def read_table(tmp_path: Path) -> ReadTable:
    """Reads lines into a table."""

    def read_table(*lines: str, column: str | None = "text") -> pa.Table:
        path = tmp_path / "a.jsonl"
        path.write_bytes("\n".join(lines).encode())
        with open_source(str(path), format=parse_file_name("a.jsonl"), column=column) as source:
            return pa.Table.from_batches([each.rows for each in source.windows], schema=source.schema)

    return read_table


@pytest.fixture
def read_values(read_table: ReadTable) -> Callable[..., tuple[pa.DataType, list[Any]]]:
    """Reads values of one column, each as it is written in JSON, and gives its type and the values."""

    def read_values(*values: str) -> tuple[pa.DataType, list[Any]]:
        column = read_table(*(f'{{"text": "a", "x": {value}}}' for value in values))["x"]
        return column.type, column.to_pylist()

    return read_values


@pytest.fixture
def _one_line_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "WINDOW_ROWS", 1)


JSON_TEXT = pa.string()


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-2", "null"], pa.int64(), [1, -2, None]),
        ([str(2**63 - 1), str(-(2**63))], pa.int64(), [2**63 - 1, -(2**63)]),
        (["12345678901234567890", "1"], pa.uint64(), [12345678901234567890, 1]),
        ([str(2**64 - 1)], pa.uint64(), [2**64 - 1]),
        ([str(2**64), "7"], pa.string(), [str(2**64), "7"]),
        ([str(2**63), "-1"], pa.string(), [str(2**63), "-1"]),
        (["9007199254740993", "1.5"], pa.string(), ["9007199254740993", "1.5"]),
        (["9007199254740992", "1.5"], pa.float64(), [2.0**53, 1.5]),
        ([str(-(2**63)), "1.5"], pa.string(), [str(-(2**63)), "1.5"]),
        (["1.50", str(10**400), "1e5"], pa.string(), ["1.50", str(10**400), "1e5"]),
        (["0.1", "1E5", "1"], pa.float64(), [0.1, 1e5, 1.0]),
        (["1e400", "1.0"], pa.string(), ["1e400", "1.0"]),
        (["1e-400", "0.0e-400"], pa.string(), ["1e-400", "0.0e-400"]),
        (["0e400", "0.000"], pa.float64(), [0.0, 0.0]),
        (["-0"], pa.int64(), [0]),
        (["Infinity", "-Infinity", "1"], pa.float64(), [math.inf, -math.inf, 1.0]),
        (["true", "null", "false"], pa.bool_(), [True, None, False]),
        (['"2024-01-02"', '"5"'], pa.string(), ["2024-01-02", "5"]),
        (["null"], pa.string(), [None]),
        (["[]"], pa.list_(pa.string()), [[]]),
        (["[1, null]", "[]", "null"], pa.list_(pa.int64()), [[1, None], [], None]),
        (["[[12345678901234567890]]"], pa.list_(pa.list_(pa.uint64())), [[[12345678901234567890]]]),
        (['{"a": 1}', '{"b": "x"}'], pa.struct({"a": pa.int64(), "b": pa.string()}), None),
        (["{}", "null"], JSON_TEXT, ["{}", None]),
        (['{"a": {}}', '{"a": null}'], pa.struct({"a": JSON_TEXT}), [{"a": "{}"}, {"a": None}]),
        (["[{}, {}]"], pa.list_(JSON_TEXT), [["{}", "{}"]]),
        (["{}", '{"a": 1}'], pa.struct({"a": pa.int64()}), [{"a": None}, {"a": 1}]),
        ([r'{"k\ud800": "v\udc00"}'], pa.struct({"k\ufffd": pa.string()}), [{"k\ufffd": "v\ufffd"}]),
    ],
)
def test_types_and_values(
    values: list[str], kind: pa.DataType, expected: list[Any] | None, read_values: Callable[..., Any]
) -> None:
    found = read_values(*values)
    assert found[0] == kind
    if expected is None:
        expected = [{"a": 1, "b": None}, {"a": None, "b": "x"}]
    assert found[1] == expected


def test_negative_zero_and_not_a_number_stay(read_values: Callable[..., Any]) -> None:
    _, [zero, nan] = read_values("-0.0", "NaN")
    assert math.copysign(1, zero) == -1
    assert math.isnan(nan)


@pytest.mark.usefixtures("_one_line_a_window")
@pytest.mark.parametrize(
    ("first", "later", "message"),
    [
        ("1", "12345678901234567890", "'x' holds 12345678901234567890, and only integers that fit int64"),
        ("12345678901234567890", "-1", "'x' holds -1, and only integers that fit uint64"),
        ("1", "1.5", r"'x' holds 1\.5, and only integers that fit int64"),
        ("1.5", "9007199254740993", "'x' holds 9007199254740993, and only numbers that fit a double"),
        ("1.5", "1e400", "'x' holds 1e400, and only numbers that fit a double"),
        ("1.5", "9" * 400, "'x' holds 9{40}…, and only numbers"),
        ("1", "true", "'x' holds a boolean, and a number in the first lines"),
        ("true", "1", "'x' holds a number, and a boolean in the first lines"),
        ('"a"', "1", "'x' holds a number, and a string in the first lines"),
        ("null", "1", "'x' holds a number, and a string in the first lines"),
        ("[[1]]", '[[2, "a"]]', r"'x\[\]\[\]' holds a string, and a number in the first lines"),
        ('{"a": [{"b": 1}]}', '{"a": [{"b": 1.5}]}', r"'x\.a\[\]\.b' holds 1\.5"),
        ('{"a": 1}', '{"b": 1}', r"'x\.b' is not a key of the first lines"),
        ("{}", "[]", "'x' holds an array, and an object in the first lines"),
    ],
)
def test_a_later_line_that_does_not_fit_is_refused_with_its_column(
    first: str, later: str, message: str, read_values: Callable[..., Any]
) -> None:
    with pytest.raises(InputError, match=rf"a\.jsonl: line 2: {message}.*: write \.jsonl, where lines may differ"):
        read_values(first, later)


@pytest.mark.usefixtures("_one_line_a_window")
def test_a_later_line_that_fits(read_values: Callable[..., Any]) -> None:
    assert read_values("{}", '{"a": [1, "é"]}') == (JSON_TEXT, ["{}", '{"a": [1, "é"]}'])
    assert read_values("1.5", "2") == (pa.float64(), [1.5, 2.0])
    assert read_values("1e400", "2", "2.50") == (pa.string(), ["1e400", "2", "2.50"])


@pytest.mark.usefixtures("_one_line_a_window")
def test_a_new_key_is_refused(read_table: ReadTable) -> None:
    with pytest.raises(InputError, match=r"line 2: 'new' is not a key of the first lines: write \.jsonl"):
        read_table('{"text": "a"}', '{"text": "a", "new": 1}')


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1", '"x"'], "line 2: 'x' holds a string, and a number on a line before"),
        (["1", "true"], "line 2: 'x' holds a boolean, and a number on a line before"),
        (["[1, {}]"], r"line 1: 'x\[\]' holds an object, and a number"),
        (["[" * 50 + "]" * 50], r"line 1: 'x\[\].*\[\]' is nested deeper than 40 levels"),
        (['{"a": 1, "a": 2}'], "line 1 has the key 'a' twice"),
        ([r'{"a\ud800": 1, "a\ufffd": 2}'], "line 1 has the key 'a\ufffd' twice"),
    ],
)
def test_lines_that_make_no_table(values: list[str], message: str, read_values: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=message):
        read_values(*values)


def test_only_strings_are_texts(read_table: ReadTable) -> None:
    line = json.dumps({"id": 10**30, "meta": {}, "none": None, "words": "a"})
    assert read_table(line, column=None)["words"].to_pylist() == ["a"]
    with pytest.raises(InputError, match="column 'id' is a number, not text; text is in 'words'"):
        read_table(line, column="id")


def test_no_lines(read_table: ReadTable) -> None:
    assert read_table(column="review").schema == pa.schema({"review": pa.string()})
