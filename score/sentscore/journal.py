"""The scores of a job that was stopped, with which the same command carries on.

A journal is a hidden file beside the output: a line of JSON that says what made the scores, then a record a block of
rows. A record names its block by a digest of the texts, so that an input that has changed finds no scores of what it
was before, and ends in a checksum, so that one that was cut off counts for nothing.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sentscore.sinks.atomic import hidden_sibling, remove_parts
from sentscore.text import as_text_array

FORMAT_VERSION: Final = 1

_EVERY_S: Final = 2.0  # between two writes: a short job makes no file, and no disk is kept busy
_KEY_BYTES: Final = 16
_MOST_ROWS: Final = 1 << 20  # of a record; more stand in a damaged one alone
_HEAD: Final = struct.Struct(f"<{_KEY_BYTES}sI")  # a block's key, and how many rows it has
_CHECKSUM: Final = struct.Struct("<I")  # CRC-32 of the record before it

Scores = Mapping[str, npt.NDArray[np.float32]]
"""Each model's scores of a block's rows, float32 [n]; NaN where there is no text."""


@contextmanager
def open_journal(output: Path, made_by: bytes, models: Sequence[str]) -> Iterator[Journal]:
    """Opens the journal of an output; it is gone when the block ends well, and stays for the next run otherwise.

    A `KeyboardInterrupt` gets a note that says how to carry on.

    Args:
        output: the file that the scores go to.
        made_by: JSON on one line, of all that the scores depend on beside the texts.
        models: their names.
    """
    journal = Journal(output, made_by, models)
    try:
        yield journal
    except BaseException as error:
        if journal.close() and isinstance(error, KeyboardInterrupt):
            error.add_note("what is scored is kept: the same command carries on")
        raise
    journal.remove()


class Journal:
    """The scores of an output's blocks, in order: first `take` those of the run before, then `add` new ones.

    What goes wrong with its file is no reason to stop the job, and ends the journal alone.
    """

    def __init__(self, output: Path, made_by: bytes, models: Sequence[str]) -> None:
        self._path = hidden_sibling(output, "scores")
        self._models = tuple(models)
        self._head = made_by + b"\n"
        self._right = 0  # bytes of the file that are right for this input; those behind them give way to new ones
        self._reading = False  # whether all blocks so far were found
        self._missing: deque[bytes] = deque()  # keys of blocks that are to be added
        self._new = bytearray()
        self._next_write = time.monotonic() + _EVERY_S
        self._lost = False
        self._file = self._opened() if self._path.exists() else None
        if self._file is not None:
            remove_parts(output)  # whoever wrote them is gone, for the journal was not locked
            if self._read(len(self._head)) == self._head:
                self._right = len(self._head)
                self._reading = True

    def take(self, texts: Sequence[pa.Array]) -> Scores | None:
        """The scores of the next block; None for it and all behind it when the run before ended or read other texts.

        Args:
            texts: of the block, by window.
        """
        key = _key(texts)
        scores = self._next(key) if self._reading else None
        if scores is None:
            self._reading = False
            self._missing.append(key)
            return None
        return dict(zip(self._models, scores, strict=True))

    def add(self, scores: Scores) -> None:
        """Takes down the scores of a block: of the first that `take` had none for, then of the second."""
        record = _HEAD.pack(self._missing.popleft(), len(scores[self._models[0]]))
        record += b"".join(scores[model].astype("<f4").tobytes() for model in self._models)
        self._new += record + _CHECKSUM.pack(zlib.crc32(record))
        if time.monotonic() >= self._next_write:
            self._write()
            self._next_write = time.monotonic() + _EVERY_S

    def close(self) -> bool:
        """Writes what is not written yet; whether the file holds scores. A job too short for a file gets none."""
        if self._file is not None:
            self._write()
        if self._file is None:
            return False
        self._file.close()
        return self._right > len(self._head)

    def remove(self) -> None:
        """Removes the file, where there is one: the output is in its place."""
        if self._file is not None:
            self._file.close()
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO | None:
        """The file, made if there is none, and locked; None where it cannot be had."""
        try:
            file = _open(self._path)
        except OSError:
            self._lost = True
            return None
        if _locked(file):
            return file
        self._lose(file)
        return None

    def _read(self, size: int) -> bytes:
        """So many bytes more of the file, or fewer."""
        try:
            return self._file.read(size) if self._file is not None else b""
        except OSError:
            return b""

    def _next(self, key: bytes) -> npt.NDArray[np.float32] | None:
        """The next record's scores, float32 [models, n], if it is whole and has the key."""
        head = self._read(_HEAD.size)
        if len(head) < _HEAD.size:
            return None
        found, rows = _HEAD.unpack(head)
        if found != key or rows > _MOST_ROWS:
            return None
        size = 4 * len(self._models) * rows
        rest = self._read(size + _CHECKSUM.size)
        if len(rest) < size + _CHECKSUM.size or _CHECKSUM.unpack(rest[size:])[0] != zlib.crc32(head + rest[:size]):
            return None
        self._right += len(head) + len(rest)
        return np.frombuffer(rest, "<f4", len(self._models) * rows).reshape(len(self._models), rows).astype(np.float32)

    def _write(self) -> None:
        """Writes the new records; the file is made now if there is none."""
        if self._file is None and not self._lost:
            self._file = self._opened()
        if self._file is not None and self._new:
            new = bytes(self._new) if self._right else self._head + self._new
            try:
                self._file.truncate(self._right)
                self._file.seek(self._right)
                self._file.write(new)
                self._file.flush()
                os.fsync(self._file.fileno())
                self._right += len(new)
            except OSError:
                self._lose(self._file)
                self._file = None
        self._new.clear()

    def _lose(self, file: BinaryIO) -> None:
        self._lost = True
        with suppress(OSError):
            file.close()


def _key(texts: Sequence[pa.Array]) -> bytes:
    """A digest of texts, the same however they are cut into arrays."""
    array = as_text_array(pa.chunked_array(texts))
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    digest = hashlib.blake2b(np.diff(places).tobytes(), digest_size=_KEY_BYTES)
    digest.update(pc.is_valid(array).cast(pa.uint8()).to_numpy().tobytes())
    if data is not None:
        digest.update(memoryview(data)[places[0] : places[-1]])
    return digest.digest()


def _open(path: Path) -> BinaryIO:
    """Opens a file to read and write, made if there is none; never what a link in its place points to."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o666), "r+b")


def _locked(file: BinaryIO) -> bool:
    """Keeps the file for this process until it is closed; False where another process has it."""
    if os.name == "nt":  # has no such lock; a record that two have written fails its checksum
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
