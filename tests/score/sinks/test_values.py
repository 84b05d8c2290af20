from __future__ import annotations

import datetime
import decimal
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sentscore.errors import InputError
from sentscore.sinks.values import to_cells, to_json_values


def test_cells() -> None:
    berlin = pa.timestamp("ns", "Europe/Berlin")
    columns = {
        "bool": (pa.array([True, None]), ["true", None]),
        "double": (pa.array([0.1, 1e300]), ["0.1", "1e+300"]),
        "float": (pa.array([0.1, math.nan], pa.float32()), ["0.1", "nan"]),
        "decimal": (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
        "date": (pa.array([datetime.date(2024, 1, 2)]), ["2024-01-02"]),
        "time": (pa.array([0], berlin), ["1970-01-01 01:00:00.000000000+0100"]),
        "list": (pa.array([["é", None], None]), ['["é", null]', None]),
        "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), ['[["k", 1]]']),
        "binary": (pa.array([b"\xff\x00"]), ["/wA="]),
        "dictionary": (pa.array(["x", None]).dictionary_encode(), ["x", None]),
        "null": (pa.nulls(1), [None]),
    }
    assert {name: to_cells(name, column) for name, (column, _) in columns.items()} == {
        name: expected for name, (_, expected) in columns.items()
    }


def test_json_values() -> None:
    moment = datetime.datetime(2024, 1, 2, 3, 4, 5)
    struct = {"at": moment, "n": decimal.Decimal("1.5"), "f": math.inf, "b": b"a", "d": datetime.timedelta(1)}
    columns = {
        "int": (pa.array([2**63 - 1, None]), [2**63 - 1, None]),
        "float": (pa.array([0.9731, math.nan], pa.float32()), [0.9731, None]),
        "bool": (pa.array([True]), [True]),
        "decimal": (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
        "struct": (
            pa.array([struct]),
            [{"at": "2024-01-02T03:04:05", "n": "1.5", "f": None, "b": "YQ==", "d": "1 day, 0:00:00"}],
        ),
    }
    assert {name: to_json_values(name, column) for name, (column, _) in columns.items()} == {
        name: expected for name, (_, expected) in columns.items()
    }


@pytest.mark.parametrize("convert", [to_cells, to_json_values])
def test_what_has_no_text_is_reported(convert: Any) -> None:
    interval = pa.array([None, (1, 2, 3)], pa.month_day_nano_interval())
    with pytest.raises(InputError, match=r"column 'x' of type month_day_nano_interval .*\.parquet"):
        convert("x", interval)


@pytest.mark.parametrize("convert", [to_cells, to_json_values])
def test_invalid_utf_8_is_reported(convert: Any) -> None:
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(bytes(4) + b"\1\0\0\0"), pa.py_buffer(b"\xff")])
    for column in (text, pa.StructArray.from_arrays([text], ["in"])):
        with pytest.raises(InputError, match=r"column 'x' .* cannot be written as text"):
            convert("x", column)


@pytest.mark.parametrize("value", [0.9731, 1e-30, 1.0, 0.0, 0.5, 1 / 3, 1e-7, 0.99999994])
def test_a_float32_comes_back_from_its_text(value: float) -> None:
    column = pa.array([value], pa.float32())
    for text in (to_cells("x", column)[0], json.dumps(to_json_values("x", column)[0])):
        assert np.float32(float(str(text))) == np.float32(value)
        assert len(str(text)) <= 14


def test_floats_in_lists_are_as_short_as_outside() -> None:
    rows = [[0.9731, None, math.nan], None, [], [1e-30, -0.5]]
    for column in (pa.array(rows, pa.list_(pa.float32())), pa.array([[9.9], *rows], pa.list_(pa.float32())).slice(1)):
        assert to_json_values("x", column) == [[0.9731, None, None], None, [], [1e-30, -0.5]]
        assert to_cells("x", column) == ["[0.9731, null, null]", None, "[]", "[1e-30, -0.5]"]
    assert to_json_values("x", pa.array([[0.1]], pa.list_(pa.float64()))) == [[0.1]]
