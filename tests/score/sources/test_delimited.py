from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sentscore.errors import InputError
from sentscore.sources import Source, streams

Read = Callable[..., tuple[list[str | None], Source]]
Write = Callable[..., Path]
Compress = Callable[[bytes, str], bytes]


def csv_bytes(rows: Sequence[Sequence[str]], **options: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out, **options).writerows(rows)
    return out.getvalue().encode()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: bytes, name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_csv(tmp_path: Path, ending: str, read: Read, compress: Compress) -> None:
    path = tmp_path / f"a.csv{ending}"
    path.write_bytes(compress(csv_bytes([["id", "text"], ["007", 'a "b",\r\nc'], ["", ""]]), ending))
    texts, source = read(path)
    assert texts == ['a "b",\r\nc', ""]
    assert source.schema.names == ["id", "text"]
    assert source.schema.types == [pa.string(), pa.string()]


def test_a_field_may_be_long(read: Read, write: Write) -> None:
    long = "word " * 100_000
    path = write(csv_bytes([["text"], [long]]))
    assert read(path)[0] == [long]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end(end: str, read: Read, write: Write) -> None:
    path = write(end.join(["id,text", "1,a", '2,"b\rc"', ""]).encode())
    assert read(path)[0] == ["a", "b\rc"]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (b"text\ra\rb", ["a", "b"]),
        (b"text\ra\rb\r", ["a", "b"]),
        (b"text\na\rb", ["a", "b"]),
        (b"text\r\na\rb\nc\r\nd", ["a", "b", "c", "d"]),
        (b"text\na\r\r\nb", ["a", "", "b"]),
        (b'text\r"a\rb"\r"c\r\nd"\r"e\n\rf\r"\r"', None),
        (b'text\r"a\rb"\r"c\r\nd"\r"e\n\rf\r"', ["a\rb", "c\r\nd", "e\n\rf\r"]),
    ],
)
@pytest.mark.parametrize("buffer", [1, 2, 3, 5, 1 << 20])
def test_a_carriage_return_ends_a_line_outside_quotes(
    content: bytes, texts: list[str] | None, buffer: int, monkeypatch: pytest.MonkeyPatch, read: Read, write: Write
) -> None:
    monkeypatch.setattr(streams, "READ_AHEAD", buffer)
    path = write(content)
    if texts is None:
        with pytest.raises(InputError, match="check the quotes before it"):
            read(path)
    else:
        assert read(path)[0] == texts


def test_a_file_may_be_longer_than_a_line_and_have_carriage_returns_alone(
    monkeypatch: pytest.MonkeyPatch, read: Read, write: Write
) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 1_000)
    monkeypatch.setattr(streams, "READ_AHEAD", 100)
    lines = [b"x" * length for length in (999, 1, 0, 500, 998)]
    assert [len(str(text)) for text in read(write(b"text\r" + b"\r".join(lines)))[0]] == [999, 1, 0, 500, 998]
    with pytest.raises(InputError, match="line 4 is over 0 MiB"):
        read(write(b"text\ra\rb\r" + b"x" * 1_001 + b"\rc\r"))
    with pytest.raises(InputError, match="line 3: byte 0xff at offset 8"):
        read(write(b"text\ra\rb\xff\r"))


def test_tabs(read: Read, write: Write) -> None:
    path = write(b'id\ttext\n1\ta,b\n2\t"c\td"\n', "a.tsv")
    assert read(path)[0] == ["a,b", "c\td"]


def test_a_ragged_row_is_reported_by_its_line(read: Read, write: Write) -> None:
    path = write(b'id,text\n1,"a\nb"\n2,c,d\n')
    with pytest.raises(InputError, match=r"line 4 has 3 fields, the header 2"):
        read(path)


def test_blank_lines_are_no_rows_beside_several_columns(read: Read, write: Write) -> None:
    assert read(write(b"id,text\n\n1,a\n\n"))[0] == ["a"]


def test_a_blank_line_is_an_empty_text_in_a_single_column(read: Read, write: Write) -> None:
    assert read(write(b'text\na\n\n""\nb\n'))[0] == ["a", "", "", "b"]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_a_header_is_needed(content: bytes, read: Read, write: Write) -> None:
    with pytest.raises(InputError, match="no header"):
        read(write(content))


@pytest.mark.parametrize("content", [b'text\n"a', b'text\n"a"b\n'])
def test_broken_quotes_are_reported(content: bytes, read: Read, write: Write) -> None:
    with pytest.raises(InputError, match=r"a\.csv: line 2: .*quotes"):
        read(write(content))


def test_a_header_alone_has_no_rows(read: Read, write: Write) -> None:
    assert read(write(b"id,text\n"))[0] == []
