from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError
from sentscore.formats import parse_file_name
from sentscore.sources import Source, open_source
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
