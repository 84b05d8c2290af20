from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore import InputError, UsageError
from sentscore_train.data.labels import Scale
from sentscore_train.data.tables import TableOptions, read_source, read_table

Rows = list[dict[str, Any]]

ROWS: Rows = [
    {"body": "It broke.", "stars": 1, "product_id": "a"},
    {"body": "So so.", "stars": 3, "product_id": "a"},
    {"body": "Lovely.", "stars": 5, "product_id": "b"},
    {"body": " ", "stars": 5, "product_id": "b"},
    {"body": "No stars.", "stars": None, "product_id": None},
]


def write_parquet(path: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


def write_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_delimited(path: Path, rows: Rows) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "parquet": write_parquet,
    "csv": write_delimited,
    "tsv": write_delimited,
    "jsonl": write_jsonl,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_same_rows(tmp_path, kind) -> None:
    path = tmp_path / f"t.{kind}"
    WRITERS[kind](path, ROWS)
    table = read_table(path, TableOptions(text="body", by="product_id"))
    assert table.texts == ["It broke.", "Lovely.", "No stars."]
    assert table.labels.tolist() == [0, 1, -1]
    assert table.groups == ["a", "b", ""]
    assert (table.rows, table.left_out) == (5, {"no text": 1, "between": 1})
    assert table.columns == {"text": "body", "label": "stars", "by": "product_id"}
    assert table.meaning == "numbers: up to 2 negative, from 4 positive"
    assert table.domains is table.splits is None


@pytest.mark.parametrize("kind", WRITERS)
def test_the_column_of_texts_is_found_as_in_scoring(tmp_path, kind) -> None:
    path = tmp_path / f"t.{kind}"
    WRITERS[kind](path, ROWS)
    assert read_table(path).columns["text"] == "body"


def test_a_scale_is_heeded(tmp_path) -> None:
    write_parquet(tmp_path / "t.parquet", ROWS)
    table = read_table(tmp_path / "t.parquet", TableOptions(text="body", scale=Scale(positive_from=3)))
    assert table.labels.tolist() == [0, 1, 1, -1]


def test_labels_can_begin_after_thousands_of_lines_without(tmp_path) -> None:
    rows: Rows = [{"text": f"line {number}"} for number in range(9_000)] + [{"text": "last", "label": 1}]
    rows[0]["label"] = None
    rows.append({"text": "other", "label": "0"})
    write_jsonl(tmp_path / "t.jsonl", rows)
    table = read_table(tmp_path / "t.jsonl")
    assert table.labels[-3:].tolist() == [-1, 1, 0]


@pytest.mark.parametrize("kind", WRITERS)
def test_the_split_is_heeded_and_test_rows_are_not_learned_from(tmp_path, kind) -> None:
    rows = [
        {"text": "One.", "label": 1, "domain": "kettles", "split": "train"},
        {"text": "Two.", "label": 0, "domain": "kettles", "split": "validation"},
        {"text": "Three.", "label": 0, "domain": "hotels", "split": "test"},
        {"text": "THREE", "label": 0, "domain": "hotels", "split": "train"},
        {"text": "Four.", "label": 0, "domain": "hotels", "split": "unlabelled"},
        {"text": "Five.", "label": 0, "domain": None, "split": None},
    ]
    path = tmp_path / f"my.t.{kind}"
    WRITERS[kind](path, rows)
    table = read_table(path)
    assert table.splits == ["train", "validation", "test", "train", "unlabelled", ""]
    assert table.labels.tolist() == [1, 0, 0, 0, -1, 0]
    source = read_source(path)
    assert source.texts == ["One.", "Two.", "Four.", "Five."]
    assert source.labels.tolist() == [1, 0, -1, 0]
    assert source.domains == ["kettles", "kettles", "hotels", ""]
    assert source.validation is not None
    assert source.validation.tolist() == [False, True, False, False]
    assert source.facts["left_out"] == {"test": 1, "text of a test row": 1}
    assert (source.name, source.facts["file"]) == ("my", path.name)


def test_a_table_without_labels_is_unlabelled_where_that_will_do(tmp_path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("One.\n\nTwo.\n")
    assert read_source(path).labels.tolist() == [-1, -1]
    with pytest.raises(InputError, match=r"t\.txt: no column is known to hold labels: name one of no columns"):
        read_table(path)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (ROWS, TableOptions(text="no"), r"t\.\w+: no column 'no'; it has 'body', 'stars', 'product_id'"),
        (ROWS, TableOptions(text="body", label="no"), r"t\.\w+: no column 'no'; it has 'body', 'stars'"),
        (ROWS, TableOptions(text="body", by="no"), r"t\.\w+: no column 'no'; it has"),
        ([{"a": "x", "b": "y"}], TableOptions(), "several columns hold text: name one of 'a', 'b' with --text"),
        ([{"text": "x", "points": 1}], TableOptions(), "no column is known to hold labels: name one of 'points' with"),
        ([{"text": "x", "label": 1, "stars": 2}], TableOptions(), "several .* labels: name one of 'label', 'stars'"),
        ([{"text": "x", "label": "z"}], TableOptions(text="text"), r"column 'label', row 0 \(from 0\) has .*'z'"),
        ([{"text": "x", "label": 0, "split": "dev"}], TableOptions(text="text"), "column 'split', row 0 .* has 'dev'"),
        ([{"text": "x", "label": 3}], TableOptions(), "no row has a text and a label: name another table"),
    ],
)
@pytest.mark.parametrize("kind", WRITERS)
def test_a_table_that_does_not_do_is_an_input_error(tmp_path, kind, rows, options, message) -> None:
    path = tmp_path / f"t.{kind}"
    WRITERS[kind](path, rows)
    if kind in ("csv", "tsv") and "text" in rows[0] and options.text is None:
        options = TableOptions(text="text")
    with pytest.raises(InputError, match=message) as error:
        read_table(path, options)
    assert "\n" not in str(error.value)
    assert "--column" not in str(error.value)


def test_a_table_of_test_rows_cannot_be_learned_from(tmp_path) -> None:
    write_parquet(
        tmp_path / "t.parquet", [{"text": "x", "label": 1, "split": "test"}, {"text": "y", "label": 0, "split": "test"}]
    )
    assert len(read_table(tmp_path / "t.parquet", TableOptions(text="text"))) == 2
    with pytest.raises(InputError, match="all rows are for testing, by the column 'split'"):
        read_source(tmp_path / "t.parquet", TableOptions(text="text"))


def test_a_file_must_be_there_and_tell_its_format(tmp_path) -> None:
    with pytest.raises(InputError, match="none"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "t.xlsx").write_text("a")
    with pytest.raises(UsageError, match=r"t\.xlsx: its name does not tell a format: end it in \.parquet"):
        read_table(tmp_path / "t.xlsx")


def test_two_columns_of_one_name_are_an_input_error(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("text,label,label\nx,1,0\n")
    with pytest.raises(InputError, match="several columns are named 'label': rename all but one"):
        read_table(tmp_path / "t.csv", TableOptions(text="text"))
