from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError, UsageError
from sentscore.formats import parse_file_name
from sentscore.sources import Source, open_source

Read = Callable[..., tuple[list[str | None], Source]]
Compress = Callable[[bytes, str], bytes]
SetStdin = Callable[[bytes], None]


def test_stdin_is_detected_by_its_first_bytes(ending: str, read: Read, compress: Compress, set_stdin: SetStdin) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), out)
    for content, kind in (
        (out.getvalue(), "parquet"),
        (b'\n {"text": "a"}\n', "jsonl"),
        (b"a\n", "txt"),
    ):
        set_stdin(compress(content, ending))
        texts, source = read("-")
        assert source.kind == kind
        assert texts == ["a"]


def test_an_empty_file_has_no_rows(tmp_path: Path, ending: str, read: Read, compress: Compress) -> None:
    for name in ("a.txt", "a.jsonl"):
        path = tmp_path / f"{name}{ending}"
        path.write_bytes(compress(b"", ending))
        assert read(path)[0] == []


def test_format_option_decides_for_stdin(read: Read, set_stdin: SetStdin) -> None:
    set_stdin(b"id,text\n1,a\n")
    assert read("-", format="csv")[0] == ["a"]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_cut_off_or_damaged_compressed_data_is_reported(
    tmp_path: Path, ending: str, kind: str, read: Read, compress: Compress
) -> None:
    path = tmp_path / f"a.{kind}{ending}"
    lines = [f'{{"text": "{n * 7919 % 10007}"}}' for n in range(5_000)]
    content = compress("\n".join(lines if kind == "jsonl" else ["text", *lines]).encode(), ending)
    path.write_bytes(content[:-20])
    with pytest.raises(InputError, match=r"(gzip|zstd) data is cut off|not a whole Parquet"):
        read(path, keep_json=True)
    path.write_bytes(b"not compressed")
    with pytest.raises(InputError, match=r"(gzip|zstd) data is damaged"):
        read(path, keep_json=True)


def test_a_taken_name_is_reported_when_the_input_is_opened(tmp_path: Path, read: Read) -> None:
    contents = {"a.csv": "text,score\n", "a.jsonl": json.dumps({"text": "a", "score": 1})}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        for keep_json in (True, False):
            with pytest.raises(UsageError, match="has a column 'score' already: give the new ones a `prefix`"):
                read(tmp_path / name, added=["sentiment", "score"], keep_json=keep_json)


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.txt", "a\u00e4\n", {}),
        ("a.csv", "text\na\u00e4\n", {}),
        ("a.jsonl", '{"text": "a\u00e4"}\n', {"keep_json": True}),
        ("a.jsonl", '{"text": "a\u00e4"}\n', {"keep_json": False}),
        ("a.parquet", None, {}),
    ],
)
def test_every_kind_gives_texts_of_one_type(
    tmp_path: Path, name: str, content: str | None, options: dict[str, bool]
) -> None:
    if content is None:
        pq.write_table(pa.table({"text": ["a\u00e4"]}), tmp_path / name)
    else:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with open_source(str(tmp_path / name), format=parse_file_name(name), **options) as source:
        [window] = source.windows
    assert window.texts.equals(pa.array(["a\u00e4"], pa.large_string()))


@pytest.mark.parametrize("keep_json", [True, False])
@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_a_column_asked_for_by_a_name_that_is_not_utf_8(tmp_path: Path, kind: str, keep_json: bool, read: Read) -> None:
    (tmp_path / f"a.{kind}").touch()
    with pytest.raises(UsageError, match=r"`column` caf\\udce9: is not UTF-8"):
        read(tmp_path / f"a.{kind}", column="caf\udce9", keep_json=keep_json)


KEPT = {"id": [1, 2], "a.b": ["x", "y"], "a": [{"b": 1}, {"b": 2}], "text": ["good", "bad"], "score": [0, 1]}


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize(("keep", "text"), [(["a.b", "id"], -1), (["a"], -1), (["id", "text"], 1)])
def test_only_columns_to_keep_are_in_the_rows(tmp_path: Path, kind: str, keep: list[str], text: int) -> None:
    path = tmp_path / f"a.{kind}"
    table = pa.table(KEPT)
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=1)
    elif kind == "csv":
        path.write_text("id,a.b,a,text,score\n1,x,z,good,0\n2,y,z,bad,1\n")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    with open_source(
        str(path), format=parse_file_name(path.name), column="text", added=["score"], keep=keep, keep_json=True
    ) as source:
        windows = list(source.windows)
    assert (source.schema.names, source.text, source.raw_json) == (keep, text, False)
    assert [value for window in windows for value in window.texts.to_pylist()] == ["good", "bad"]
    rows = pa.Table.from_batches([window.rows for window in windows])
    assert rows.schema == source.schema
    if kind == "parquet":
        assert rows.equals(table.select(keep))


def test_parquet_reads_only_columns_to_keep_and_the_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({**KEPT, "big": ["x" * 1_000] * 2})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    damaged = path.read_bytes().replace(b"x" * 1_000, b"\xff" * 1_000)
    path.write_bytes(damaged)
    format = parse_file_name(path.name)
    with open_source(str(path), format=format, column="text", keep=["id"]) as source:
        assert sum(window.rows.num_rows for window in source.windows) == 2


def test_a_column_to_keep_that_is_missing(tmp_path: Path, read: Read) -> None:
    pq.write_table(pa.table(KEPT), tmp_path / "a.parquet")
    (tmp_path / "a.txt").write_text("a\n")
    for name, column in (("a.parquet", "text"), ("a.txt", None)):
        with pytest.raises(InputError, match=r"a\.\w+: no column 'day' to keep; it has "):
            read(tmp_path / name, column=column, keep=["day"])
    with pytest.raises(UsageError, match="'score' already"):
        read(tmp_path / "a.parquet", column="text", added=["score"], keep=["score"])
