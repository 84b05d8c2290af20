from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError
from sentscore.sources import Source, streams

Read = Callable[..., tuple[list[str | None], Source]]
Compress = Callable[[bytes, str], bytes]
SetStdin = Callable[[bytes], None]


class SlowPipe(io.RawIOBase):
    """Hands out a byte at a time, as a pipe may."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        block = self.content.read(1)
        buffer[: len(block)] = block
        return len(block)


def test_members_on_end_are_read_as_one(tmp_path: Path, ending: str, read: Read, compress: Compress) -> None:
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(compress(b"a\nb", ending) + compress(b"c\nd\n", ending))
    assert read(path)[0] == ["a", "bc", "d"]


def test_stdin_that_comes_in_single_bytes_is_still_detected(monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), out)
    stdin = io.TextIOWrapper(io.BufferedReader(SlowPipe(gzip.compress(out.getvalue()))))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert read("-")[0] == ["a"]


def test_stdin_stays_open(read: Read, set_stdin: SetStdin) -> None:
    set_stdin(b"a\n")
    read("-")
    assert not sys.stdin.buffer.closed


def test_byte_order_mark_is_no_text(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffa\n\ufeffb\n".encode())
    assert read(path)[0] == ["a", "\ufeffb"]


def test_other_encodings_are_reported_with_line_and_offset(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(InputError, match=r"a\.txt: line 2: byte 0xe9 at offset 8 .* iconv -f WINDOWS-1252"):
        read(path)


def test_utf_16_is_recognised(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("id,text\n".encode("utf-16"))
    with pytest.raises(InputError, match=r"line 1: .* iconv -f UTF-16"):
        read(path)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 1 << 20)
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\n" + b"x" * (1 << 20) + b"y\n")
    with pytest.raises(InputError, match=r"line 2 is over 1 MiB"):
        read(path)


def test_a_missing_file(tmp_path: Path, read: Read) -> None:
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        read(tmp_path / "none.csv")


def test_a_directory(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(InputError, match=r"a\.parquet: is a directory"):
        read(tmp_path / "a.parquet")


def test_a_path_through_a_file(tmp_path: Path, read: Read) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        read(tmp_path / "file" / "a.txt")
