"""Bytes and lines of an input: files, stdin, gzip and zstd. Every failure is an `InputError`."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import pyarrow as pa

from sentscore.errors import InputError, first_line
from sentscore.formats import Compression, detect_compression
from sentscore.stores import is_uri, open_object

STDIN: Final = "-"
"""The name that stands for stdin among the inputs."""

MAX_LINE: Final = 64 << 20
"""The most bytes of a line or of a whole text: what is longer is no text and may not fit into memory."""

READ_AHEAD: Final = 1 << 20
"""The bytes that are read of a stream at a time."""

_HEAD: Final = 1 << 16  # the most bytes of a stream that are looked at to detect its format


@dataclass(frozen=True)
class Stream:
    """An input that is open for reading.

    Attributes:
        name: The input's name in messages.
        raw: The bytes as they are stored.
        size: How many bytes there are; None where that is not known beforehand (stdin, a pipe).
        in_store: Whether it is an object in a store, and no file.
    """

    name: str
    raw: IO[bytes]
    size: int | None
    in_store: bool = False

    def position(self) -> int:
        """Returns how many bytes have been read; 0 where the size is not known."""
        return 0 if self.size is None else self.raw.tell()


@contextmanager
def open_stream(path: str) -> Iterator[Stream]:
    """Opens an input.

    Args:
        path: The path, the URI of an object in a store, or `-` for stdin.

    Raises:
        InputError: The input is missing, is a directory, or cannot be read.
    """
    if path == STDIN:
        if sys.stdin is None:
            raise InputError("stdin is closed: name a file")
        # Without the buffer, which takes a pipe that has nothing yet and does not block for one at its end.
        stdin = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        with _PushbackStream(b"", stdin) as raw:
            yield Stream("stdin", cast(IO[bytes], raw), None)
        return
    if is_uri(path):
        with open_object(path) as stored:
            yield Stream(path, cast(IO[bytes], stored), stored.size, in_store=True)
        return
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by the with below
    except (OSError, ValueError) as error:  # the second where there is a NUL in the path
        raise cannot_read(path, error) from error
    with file:
        status = os.fstat(file.fileno())
        yield Stream(path, cast(IO[bytes], file), status.st_size if stat.S_ISREG(status.st_mode) else None)


def decompress(stream: Stream, compression: Compression | None) -> io.BufferedReader:
    """Returns a reader of a stream's content. Several gzip members or zstd frames are read as one.

    Raises:
        InputError: The stream is empty and should be compressed: even nothing is some bytes then.
    """
    head = b""
    if compression is not None:
        try:
            head = _read_available(stream.raw, 1)
        except OSError as error:
            raise cannot_read(stream.name, error, compression) from error
        if not head:
            raise InputError(f"{stream.name}: {compression.value} data is cut off (it is empty): fetch the file again")
    raw: Any = _PushbackStream(head, stream.raw)  # a reader closes what it reads from
    if compression is not None:
        raw = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), compression.value)
    return io.BufferedReader(raw, READ_AHEAD)


def peek(stream: Stream) -> tuple[bytes, Stream]:
    """Reads the beginning of a stream whose format is not known.

    Returns:
        The first bytes of its content (up to 64 KiB), and the whole content, decompressed if need be.
    """
    head, raw = _read_head(stream.name, stream.raw)
    compression = detect_compression(head)
    if compression is not None:
        content = decompress(Stream(stream.name, raw, None), compression)
        head, raw = _read_head(stream.name, cast(IO[bytes], content), compression)
    return head, Stream(stream.name, raw, None)


def read_lines(stream: Stream, compression: Compression | None, *, carriage_returns: bool = False) -> Iterator[str]:
    r"""Yields a stream's lines with their ends, without a byte order mark.

    Args:
        stream: The stream.
        compression: The compression around its content.
        carriage_returns: Whether a `\r` alone ends a line too, and not only `\n`.

    Raises:
        InputError: The stream is damaged or cut off, is not UTF-8, or has a line over `MAX_LINE`.
    """
    lines = _read_raw_lines(stream, compression, MAX_LINE)
    if carriage_returns:
        lines = _split_carriage_returns(_read_raw_lines(stream, compression, min(READ_AHEAD, MAX_LINE)))
    ends = (b"\n", b"\r") if carriage_returns else (b"\n",)
    offset = 0
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE or (len(line) == MAX_LINE and not line.endswith(ends)):
            raise InputError(f"{stream.name}: line {number} is over {MAX_LINE >> 20} MiB: is it text?")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(stream.name, number, offset + error.start, line[error.start]) from error
        if number == 1:
            text = text.removeprefix("\ufeff")
        if text:  # a file of nothing but a byte order mark has no line
            yield text
        offset += len(line)


def read_text(stream: Stream, compression: Compression | None) -> str:
    """Returns a stream's whole content as one text, without a byte order mark.

    Raises:
        InputError: The stream is damaged or cut off, is not UTF-8, or is over `MAX_LINE`.
    """
    try:
        content = decompress(stream, compression).read(MAX_LINE + 1)
    except OSError as error:
        raise cannot_read(stream.name, error, compression) from error
    if len(content) > MAX_LINE:
        raise InputError(f"{stream.name}: is over {MAX_LINE >> 20} MiB: is it one text? Split it, or leave out --whole")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        raise not_utf8(stream.name, content.count(b"\n", 0, at) + 1, at, content[at]) from error


@contextmanager
def memory_errors(name: str) -> Iterator[None]:
    """Turns running out of memory inside a block into an `InputError` that names the input.

    Raises:
        InputError: There was no memory left.
    """
    try:
        yield
    except MemoryError as error:
        raise InputError(f"{name}: no memory is left to read it: split the file, or make memory free") from error


def cannot_read(name: str, error: Exception, compression: Compression | None = None) -> InputError:
    """Returns the error for a failed open or read."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name}: no such file: check the path")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{name}: is a directory: name the files in it")
    if isinstance(error, PermissionError):
        return InputError(f"{name}: permission denied: check who may read it")
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return InputError(f"{name}: its name is too long for the file system: check the path")
    if compression is not None:
        reason = "is cut off" if "truncated" in str(error).lower() else "is damaged"
        return InputError(f"{name}: {compression.value} data {reason} ({first_line(error)}): fetch the file again")
    return InputError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or first_line(error)}")


def not_utf8(name: str, line: int, offset: int, value: int) -> InputError:
    """Returns the error for a byte that is not UTF-8: in a line, from 1, and at an offset in the content, from 0."""
    origin = "UTF-16" if offset == 0 and value in {0xFE, 0xFF} else "WINDOWS-1252"
    return InputError(
        f"{name}: line {line}: byte 0x{value:02x} at offset {offset} is not UTF-8: "
        f"convert the file, perhaps with iconv -f {origin} -t UTF-8"
    )


def _read_raw_lines(stream: Stream, compression: Compression | None, size: int) -> Iterator[bytes]:
    r"""Yields a stream's lines, as far as `\n` ends them, in pieces of at most `size` bytes."""
    reader = decompress(stream, compression)
    while True:
        try:
            line = reader.readline(size)
        except OSError as error:
            raise cannot_read(stream.name, error, compression) from error
        if not line:
            return
        yield line


def _split_carriage_returns(pieces: Iterator[bytes]) -> Iterator[bytes]:
    r"""Yields lines that `\n`, `\r\n` or `\r` ends, and the beginning of a line over `MAX_LINE`."""
    rest = b""
    for piece in pieces:
        if not rest and piece.endswith(b"\n") and piece.find(b"\r", 0, -2) < 0:
            yield piece
            continue
        *lines, rest = (rest + piece).splitlines(keepends=True)
        yield from lines
        # What has no end goes on in the next piece, which may also begin with the `\n` of a `\r\n`.
        if rest.endswith(b"\n") or (len(rest) >= MAX_LINE and not rest.endswith(b"\r")):
            yield rest
            rest = b""
    if rest:
        yield rest


def _read_head(name: str, raw: IO[bytes], compression: Compression | None = None) -> tuple[bytes, IO[bytes]]:
    head = b""
    try:
        # A pipe hands over what it has, perhaps one byte: read on until a format can be detected.
        while len(head) < _HEAD and (len(head) < 4 or not head.strip()):
            data = _read_available(raw, _HEAD - len(head))
            if not data:
                break
            head += data
    except OSError as error:
        raise cannot_read(name, error, compression) from error
    return head, cast(IO[bytes], _PushbackStream(head, raw))


def _read_available(raw: Any, size: int) -> bytes:  # noqa: ANN401 - a raw or a buffered reader
    while True:
        data = raw.read(size) if isinstance(raw, io.RawIOBase) else raw.read1(size)
        if data is not None:
            return bytes(data)
        select.select([raw], [], [])  # it does not block, and has nothing yet


class _PushbackStream(io.RawIOBase):
    """A stream with bytes put back before the rest of it. Closing it leaves the rest open."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - any writable buffer
        data = self._head[: len(buffer)] or _read_available(self._rest, len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)
