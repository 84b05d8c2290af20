from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError
from sentscore.formats import parse_file_name
from sentscore.sources import Source, Window, open_source, parquet
from sentscore.sources import source as source_module

Read = Callable[..., tuple[list[str | None], Source]]
Compress = Callable[[bytes, str], bytes]


STRING_TYPES = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}


def invalid_strings() -> pa.Array:
    """Three strings, the second of which is not UTF-8."""
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 1, 3, 4)))
    return pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xff\xfeb")])


def test_parquet(tmp_path: Path, ending: str, read: Read, compress: Compress) -> None:
    path = tmp_path / f"a.parquet{ending}"
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", None, "b"], "n": [1, 2, 3]}), out)
    path.write_bytes(compress(out.getvalue(), ending))
    texts, source = read(path)
    assert texts == ["a", None, "b"]
    assert source.rows == 3


@pytest.mark.parametrize("kind", STRING_TYPES)
def test_every_type_of_text(tmp_path: Path, kind: str, read: Read) -> None:
    path = tmp_path / "a.parquet"
    values = ["a", None, "", "b", "a"]
    pq.write_table(pa.table({"n": range(5), "x": pa.array(values).cast(STRING_TYPES[kind])}), path)
    texts, source = read(path)
    assert texts == values
    assert source.schema.field("x").type == STRING_TYPES[kind]


@pytest.mark.parametrize("kind", STRING_TYPES)
def test_bytes_that_are_not_utf_8_are_reported_by_their_row(tmp_path: Path, kind: str, read: Read) -> None:
    path = tmp_path / "a.parquet"
    column = invalid_strings()
    column = column.dictionary_encode() if kind == "dictionary" else column.cast(STRING_TYPES[kind], safe=False)
    table = pa.table({"text": pa.chunked_array([pa.array(["x"]).cast(column.type), column])})
    pq.write_table(table, path, row_group_size=1)
    with pytest.raises(InputError, match=r"column 'text', row 2 \(from 0\) is not UTF-8"):
        read(path)


def test_rows_come_in_windows_bounded_in_rows_and_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "WINDOW_BYTES", 50_000)
    path = tmp_path / "a.parquet"
    # Repeated texts are stored once, so that their size shows only when they are read.
    pq.write_table(pa.table({"text": ["x" * 1_000] * 2_000}), path, row_group_size=1_500)
    with open_source(str(path), format=parse_file_name("a.parquet")) as source:
        windows = list(source.windows)
    assert max(each.rows.nbytes for each in windows) <= 50_000
    ends = [sum(len(each.texts) for each in windows[: i + 1]) for i, w in enumerate(windows) if w.ends_group]
    assert ends == [1_500, 2_000]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 but nothing else PAR1", b"hello"])
def test_what_is_no_parquet_file_is_reported(tmp_path: Path, content: bytes, read: Read) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.parquet: not a whole Parquet file"):
        read(path)


def test_a_truncated_file_is_reported(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [str(n) for n in range(1_000)]}), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole Parquet file"):
        read(path)


def test_a_damaged_page_is_reported(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"text": [f"text {n}" for n in range(5_000)]}), path, compression="zstd", use_dictionary=False
    )
    content = bytearray(path.read_bytes())
    content[200:2_200] = b"\xff" * 2_000
    path.write_bytes(content)
    with pytest.raises(InputError, match="row group 0 is damaged"):
        read(path)


def test_an_empty_table(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
    assert read(path)[0] == []


def test_rows_that_pyarrow_leaves_out_are_reported(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.parquet"
    # Pages this small make pyarrow write an empty one, at which it stops in silence when it reads them.
    table = pa.table({"review": ["good", "bad", "fine"], "x": [[1.0, 2.0], [3.0], None]})
    pq.write_table(table, path, row_group_size=1, data_page_size=1)
    assert pq.ParquetFile(path).metadata.num_rows == 3
    with pytest.raises(InputError, match=r"row group 0 promises 1 rows, and pyarrow reads 0 of column 'x': write"):
        read(path)


def test_a_row_group_with_more_values_than_rows_is_damaged(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x"] * 77}), path, compression="none")
    content = path.read_bytes()
    at = content.rindex(b"\x16\x9a\x01")  # the row group's number of rows: an int64 field, and 77 as thrift writes it
    path.write_bytes(content[:at] + b"\x16\x98\x01" + content[at + 3 :])
    assert pq.ParquetFile(path).metadata.row_group(0).num_rows == 76
    with pytest.raises(InputError, match=r"row group 0 is damaged \(column 'text' has 77 values for 76 rows\)"):
        read(path)


def test_a_footer_that_contradicts_itself_is_damaged_and_does_not_end_the_process(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["x", None, "y"]}), path)
    content = path.read_bytes()
    optional = b"\x25\x02\x18\x04text"  # thrift's field 3, the repetition, and field 4, the name
    assert content.count(optional) == 1
    path.write_bytes(content.replace(optional, b"\x25\x00\x18\x04text"))
    # pyarrow ends the process where it is asked for the metadata of this column.
    with pytest.raises(InputError, match=r"a\.parquet: row group 0 is damaged \(.+\): fetch the file again"):
        read(path)


def test_row_groups_without_rows_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    kinds = {"text": pa.string(), "d": pa.dictionary(pa.int8(), pa.string()), "m": pa.map_(pa.string(), pa.uuid())}
    with pq.ParquetWriter(path, pa.schema(kinds)) as writer:
        for rows in (0, 2, 0, 0):
            writer.write_table(pa.table([pa.nulls(rows, kind) for kind in kinds.values()], schema=writer.schema))
    with open_source(str(path), format=parse_file_name("a.parquet")) as source:
        windows = list(source.windows)
    assert [(each.rows.num_rows, len(each.texts), each.ends_group) for each in windows] == [
        (0, 0, True),
        (2, 2, True),
        (0, 0, True),
        (0, 0, True),
    ]
    assert all(each.rows.schema.equals(source.schema) for each in windows)


def test_a_path_that_is_not_utf_8(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "caf\udce9.parquet"
    with path.open("wb") as file:
        pq.write_table(pa.table({"text": ["a"]}), file)
    assert read(path)[0] == ["a"]


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_column_name_that_is_not_utf_8(tmp_path: Path, store_schema: bool, read: Read) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"caf_": ["a"]}), path, store_schema=store_schema)
    path.write_bytes(path.read_bytes().replace(b"caf_", b"caf\xe9"))
    with pytest.raises(InputError, match=r"a\.parquet: a column's name is not UTF-8: write the file again"):
        read(path)


def test_a_stream_of_something_else_is_not_copied(set_stdin: Callable[[bytes], None], read: Read) -> None:
    set_stdin(b"text\n" * 1_000_000)
    with pytest.raises(InputError, match=r"stdin: not a whole Parquet file"):
        read("-", format="parquet")


def read_windows(path: Path) -> list[Window]:
    with open_source(str(path), format=parse_file_name("a.parquet"), column="text") as source:
        return list(source.windows)


@pytest.mark.parametrize("kind", ["dictionary", "string"])
def test_long_texts_that_are_repeated_make_small_windows(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "WINDOW_BYTES", 1 << 16)
    monkeypatch.setattr(parquet, "_REPEATED_BYTES", 1 << 18)
    texts = [f"{n % 3}" * 10_000 for n in range(400)]
    pq.write_table(pa.table({"text": pa.array(texts).cast(STRING_TYPES[kind])}), tmp_path / "a.parquet")
    read = []
    unwatched = pq.ParquetFile.iter_batches

    def iter_batches(*given: Any, **options: Any) -> Any:
        for batch in unwatched(*given, **options):
            read.append(batch.nbytes)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    windows = read_windows(tmp_path / "a.parquet")
    assert [text for window in windows for text in window.texts.to_pylist()] == texts
    assert max(window.texts.nbytes for window in windows) <= 1 << 16
    assert max(read) <= 1 << 19


@pytest.mark.parametrize("kind", ["dictionary", "string_view"])
def test_many_texts_of_a_large_dictionary_share_windows(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "WINDOW_BYTES", 1 << 16)
    texts = [f"{n:0100}" for n in range(4_000)]
    pq.write_table(pa.table({"text": pa.array(texts).cast(STRING_TYPES[kind])}), tmp_path / "a.parquet")
    windows = read_windows(tmp_path / "a.parquet")
    assert [text for window in windows for text in window.texts.to_pylist()] == texts
    assert len(windows) <= 20
