from __future__ import annotations

import gzip
import io
import os
import socket
import sys
import threading
import time
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


@pytest.mark.parametrize(("content", "lines"), [("\ufeff", []), ("\ufeff\n", [""]), ("\ufeff\r\n\n", ["", ""])])
def test_byte_order_mark_alone_is_no_line(content: str, lines: list[str], tmp_path: Path, read: Read) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(content.encode())
    assert read(path)[0] == lines


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


def test_a_file_of_no_bytes_is_no_compressed_file(tmp_path: Path, read: Read) -> None:
    for ending, codec in ((".gz", "gzip"), (".zst", "zstd")):
        for kind in ("txt", "jsonl", "csv", "parquet"):
            path = tmp_path / f"a.{kind}{ending}"
            path.touch()
            with pytest.raises(InputError, match=rf"{codec} data is cut off \(it is empty\): fetch"):
                read(path)


@pytest.mark.parametrize("name", ["a" * 256, "a" * 5_000])
def test_a_name_that_is_too_long(name: str, read: Read) -> None:
    with pytest.raises(InputError, match=r"aaa\.csv: its name is too long for the file system"):
        read(f"{name}.csv")


def test_a_nul_in_a_path(read: Read) -> None:
    with pytest.raises(InputError, match="cannot be read: embedded null byte"):
        read("a\0.csv")


def test_a_socket_is_reported(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.csv")
        with pytest.raises(InputError, match=r"a\.csv: cannot be read: No such device or address"):
            read("a.csv")


@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_an_endless_device_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 1 << 20)
    with pytest.raises(InputError, match=r"/dev/zero: (line 1 is over 1 MiB|not a whole Parquet file)"):
        read("/dev/zero", format=kind)


@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_a_named_pipe_is_read(kind: str, tmp_path: Path, read: Read, compress: Compress) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"] * 1_000}), out)
    content = {"txt": b"a\n" * 1_000, "csv": b"text\n" + b"a\n" * 1_000, "jsonl": b'{"text": "a"}\n' * 1_000}
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[compress(content.get(kind, out.getvalue()), ".gz")])
    writer.start()
    assert read(path, format=f"{kind}.gz")[0] == ["a"] * 1_000
    writer.join()


@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("keep_json", [True, False])
def test_no_memory_is_an_error_of_the_input(
    kind: str, keep_json: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Read
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    path = tmp_path / f"a.{kind}"
    path.write_bytes(b'{"text": "a"}\n' if kind == "jsonl" else b"text\na\n")
    if kind == "parquet":
        pq.write_table(pa.table({"text": ["a"]}), path)
    monkeypatch.setattr(pa, "record_batch", fail)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", fail)
    with pytest.raises(InputError, match=rf"a\.{kind}: no memory is left to read it: split the file"):
        read(path, keep_json=keep_json)


@pytest.mark.skipif(os.name == "nt", reason="pipes always block there")
def test_stdin_that_does_not_block_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)

    def write() -> None:
        for line in (b"a\n", b"b\n", b"c\n"):
            time.sleep(0.05)  # in which there is nothing to read, and no end
            os.write(writer, line)
        os.close(writer)

    thread = threading.Thread(target=write)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        thread.start()
        assert read("-", format="txt")[0] == ["a", "b", "c"]
    thread.join()
