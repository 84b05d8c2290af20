from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sentscore.errors import InputError

Written = Callable[..., bytes]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_csv(tmp_path: Path, written: Written) -> None:
    content = written(tmp_path / "a.csv").decode()
    assert content == (
        'id,text,sentiment,score\n1,"a, b",positive,0.9731\n2,,,\n3,"\u2028 \'x\' ""y""\n",negative,1e-7\n'
    )
    assert np.float32(float("1e-7")) == np.float32(1e-7)


def test_tsv(tmp_path: Path, written: Written) -> None:
    rows = list(csv.reader(io.StringIO(written(tmp_path / "a.tsv").decode(), newline=""), "excel-tab"))
    assert rows[1] == ["1", "a, b", "positive", "0.9731"]


@pytest.mark.parametrize("value", ["\r", "a\rb", "\r\n", "\n", '"', "", " ", ",", "\ufeff", "\0"])
def test_csv_cells_come_back_exactly(tmp_path: Path, value: str, written: Written) -> None:
    table = pa.table({"id": [value], "text": [value], "sentiment": [value], "score": [value]})
    content = written(tmp_path / "a.csv", table).decode()
    assert list(csv.reader(io.StringIO(content, newline=""), strict=True))[1] == [value] * 4


def test_json_lines(tmp_path: Path, written: Written) -> None:
    lines = written(tmp_path / "a.jsonl").decode().splitlines(keepends=False)
    assert lines[0] == '{"id": 1, "text": "a, b", "sentiment": "positive", "score": 0.9731}'
    assert json.loads(lines[1]) == {"id": 2, "text": None, "sentiment": None, "score": None}


def test_text_lines(tmp_path: Path, written: Written) -> None:
    content = written(tmp_path / "a.txt").decode()
    assert content == "a, b\tpositive\t0.9731\n\t\t\n\u2028 'x' \"y\" \tnegative\t1e-7\n"


def test_raw_json_lines_keep_their_text(tmp_path: Path, written: Written) -> None:
    lines = ['{"b":1,  "text":"\\u00e9 }"}', "{ }", '{"a": {"c": {}} }\r', '\t{"a": "{"}  ']
    table = pa.table(
        {
            "line": pa.array(lines, pa.large_string()),
            "sentiment": ["positive", None, "negative", "negative"],
            "score": pa.array([0.75, None, 0.1, 0.5], pa.float32()),
        }
    )
    content = written(tmp_path / "a.jsonl", table, raw_json=True).decode()
    assert content.split("\n") == [
        '{"b":1,  "text":"\\u00e9 }", "sentiment": "positive", "score": 0.75}',
        '{"sentiment": null, "score": null }',
        '{"a": {"c": {}}, "sentiment": "negative", "score": 0.1 }\r',
        '\t{"a": "{", "sentiment": "negative", "score": 0.5}  ',
        "",
    ]


def test_two_columns_of_one_name_are_no_json(tmp_path: Path, written: Written, table: pa.Table) -> None:
    twice = pa.Table.from_arrays([table["id"], table["text"], table["id"]], ["n", "text", "n"])
    with pytest.raises(InputError, match="two columns are named 'n'"):
        written(tmp_path / "a.jsonl", twice)
    assert files(tmp_path) == []
