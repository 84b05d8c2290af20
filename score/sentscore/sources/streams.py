"""Bytes and lines of an input: files, stdin, gzip and zstd, with every failure told as an `InputError`."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import pyarrow as pa

from sentscore.errors import InputError
from sentscore.formats import Compression, detect_compression

STDIN: Final = "-"
"""The name that stands for stdin among the inputs."""

MAX_LINE: Final = 64 << 20
"""Bytes that a line may have: what is longer is no line of text, and has no place in memory."""

_BUFFER: Final = 1 << 20
_HEAD: Final = 1 << 16  # of a stream without a name, looked at to tell its format


@dataclass(frozen=True)
class Stream:
    """An input that is open for reading.

    Attributes:
        name: the input as messages name it.
        raw: the bytes as they are stored.
        size: how many they are; None where that cannot be told beforehand (stdin, a pipe).
    """

    name: str
    raw: IO[bytes]
    size: int | None

    def position(self) -> int:
        """Bytes taken in so far; 0 where there is no size to hold them against."""
        return 0 if self.size is None else self.raw.tell()


@contextmanager
def open_stream(path: str) -> Iterator[Stream]:
    """Opens an input.

    Args:
        path: a path, or `-` for stdin.

    Raises:
        InputError: It is missing, a directory, or cannot be read.
    """
    if path == STDIN:
        if sys.stdin is None:
            raise InputError("stdin is closed: name a file")
        with _Rewound(b"", sys.stdin.buffer) as raw:
            yield Stream("stdin", cast(IO[bytes], raw), None)
        return
    try:
        file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by the with below
    except OSError as error:
        raise cannot_read(path, error) from error
    with file:
        status = os.fstat(file.fileno())
        yield Stream(path, cast(IO[bytes], file), status.st_size if stat.S_ISREG(status.st_mode) else None)


def decompressed(stream: Stream, compression: Compression | None) -> io.BufferedReader:
    """Returns the stream's content; gzip members or zstd frames one after the other are read as one."""
    raw: Any = _Rewound(b"", stream.raw)  # a reader closes what it reads from, and that is not its own
    if compression is not None:
        raw = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), compression.value)
    return io.BufferedReader(raw, _BUFFER)


def peeked(stream: Stream) -> tuple[bytes, Stream]:
    """Looks at the beginning of a stream without a name.

    Returns:
        The first bytes of its content (up to 64 KiB), and the whole content, decompressed if need be.
    """
    head, raw = _peek(stream.name, stream.raw)
    compression = detect_compression(head)
    if compression is not None:
        content = decompressed(Stream(stream.name, raw, None), compression)
        head, raw = _peek(stream.name, cast(IO[bytes], content), compression)
    return head, Stream(stream.name, raw, None)


def text_lines(stream: Stream, compression: Compression | None) -> Iterator[str]:
    r"""Yields the stream's lines with their `\n`, without a byte order mark.

    Raises:
        InputError: The stream is damaged or cut off, is not UTF-8, or has a line over `MAX_LINE`.
    """
    reader = decompressed(stream, compression)
    number = offset = 0
    while True:
        try:
            line = reader.readline(MAX_LINE)
        except OSError as error:
            raise cannot_read(stream.name, error, compression) from error
        if not line:
            return
        number += 1
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            raise InputError(f"{stream.name}: line {number} is over {MAX_LINE >> 20} MiB: is it text?")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(stream.name, number, offset + error.start, line[error.start]) from error
        yield text.removeprefix("\ufeff") if number == 1 else text
        offset += len(line)


def read_all(stream: Stream, compression: Compression | None) -> str:
    """Returns the stream's whole content as one text, without a byte order mark.

    Raises:
        InputError: The stream is damaged or cut off, or is not UTF-8.
    """
    try:
        content = decompressed(stream, compression).read()
    except OSError as error:
        raise cannot_read(stream.name, error, compression) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        raise not_utf8(stream.name, content.count(b"\n", 0, at) + 1, at, content[at]) from error


def cannot_read(name: str, error: Exception, compression: Compression | None = None) -> InputError:
    """Makes the one-line error for a failed open or read."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name}: no such file: check the path")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{name}: is a directory: name the files in it")
    if isinstance(error, PermissionError):
        return InputError(f"{name}: permission denied: check who may read it")
    if compression is not None:
        reason = "is cut off" if "truncated" in str(error).lower() else "is damaged"
        return InputError(f"{name}: {compression.value} data {reason} ({brief(error)}): fetch the file again")
    return InputError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or brief(error)}")


def not_utf8(name: str, line: int, offset: int, value: int) -> InputError:
    """Makes the one-line error for bytes that are not UTF-8; `offset` counts from 0."""
    origin = "UTF-16" if offset == 0 and value in {0xFE, 0xFF} else "WINDOWS-1252"
    return InputError(
        f"{name}: line {line}: byte 0x{value:02x} at offset {offset} is not UTF-8: "
        f"convert the file, perhaps with iconv -f {origin} -t UTF-8"
    )


def brief(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _peek(name: str, raw: IO[bytes], compression: Compression | None = None) -> tuple[bytes, IO[bytes]]:
    head = b""
    try:
        # A pipe hands over what it has, perhaps a byte: go on until there is enough to judge by.
        while len(head) < _HEAD and (len(head) < 4 or not head.strip()):
            block = _some(raw, _HEAD - len(head))
            if not block:
                break
            head += block
    except OSError as error:
        raise cannot_read(name, error, compression) from error
    return head, cast(IO[bytes], _Rewound(head, raw))


def _some(raw: Any, size: int) -> bytes:  # noqa: ANN401 - a raw or a buffered reader
    return bytes(raw.read(size) if isinstance(raw, io.RawIOBase) else raw.read1(size))


class _Rewound(io.RawIOBase):
    """A stream with bytes put back before it; closing it leaves the stream itself open."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        super().__init__()
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - any writable buffer
        block = self._head[: len(buffer)] or _some(self._rest, len(buffer))
        self._head = self._head[len(block) :]
        buffer[: len(block)] = block
        return len(block)
