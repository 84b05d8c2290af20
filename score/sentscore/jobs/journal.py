"""The scores of a job that was stopped, with which the same command carries on.

A journal is a hidden file beside the output: a line of JSON that says what made the scores, then a record a block of
rows. A record names its block by a digest of that line and of the texts, so that nobody finds scores of other texts or
of another model, and ends in a checksum, so that one that was cut off counts for nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
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

from sentscore.files import has_name, hidden_sibling, lock
from sentscore.text.normalize import to_large_string

FORMAT_VERSION: Final = 1

_EVERY_S: Final = 2.0  # between two writes: a short job makes no file, and no disk is kept busy
_KEY_BYTES: Final = 16
_HEAD: Final = struct.Struct(f"<{_KEY_BYTES}sI")  # a block's key, and how many rows it has
_CHECKSUM: Final = struct.Struct("<I")  # CRC-32 of the record before it

Scores = Mapping[str, npt.NDArray[np.float32]]
"""Each model's scores of a block's rows, float32 [n]; NaN where there is no text."""


@contextmanager
def open_journal(output: Path, made_by: bytes, models: Sequence[str]) -> Iterator[Journal]:
    """Opens the journal of an output; it is gone when the block ends well, and stays for the next run otherwise.

    Whatever ends the block before gets a note that says how to carry on.

    Args:
        output: the file that the scores go to.
        made_by: JSON on one line, of all that the scores depend on beside the texts.
        models: their names.
    """
    journal = Journal(output, made_by, models)
    try:
        yield journal
    except BaseException as error:
        if journal.close():
            error.add_note("what is scored is kept: the same command carries on")
        raise
    journal.close()
    remove_journal(output)


def remove_journal(output: Path) -> None:
    """Removes the journal of an output that is in its place, unless another process is at work on it."""
    path = _path(output)
    file = _opened(path) if path.exists() else None
    if file is not None:
        with suppress(OSError):
            if os.name == "nt":  # an open file cannot be removed there
                file.close()
            path.unlink()
        with suppress(OSError):
            file.close()


class Journal:
    """The scores of an output's blocks, in order: first `take` those of the run before, then `add` new ones.

    What goes wrong with its file is no reason to stop the job, and ends the journal alone.
    """

    def __init__(self, output: Path, made_by: bytes, models: Sequence[str]) -> None:
        self._path = _path(output)
        self._models = tuple(models)
        self._head = made_by + b"\n"
        self._right = 0  # bytes of the file that are right for this input; those behind them give way to new ones
        self._missing: deque[bytes] = deque()  # keys of blocks that are to be added
        self._new = bytearray()
        self._next_write = time.monotonic() + _EVERY_S
        self._file = _opened(self._path) if self._path.exists() else None
        self._lost = self._file is None and self._path.exists()
        self._reading = self._read(len(self._head)) == self._head  # whether all blocks so far were found
        if self._reading:
            self._right = len(self._head)

    def take(self, texts: Sequence[pa.Array]) -> Scores | None:
        """The scores of the next block; None for it and all behind it when the run before ended or read other texts.

        Args:
            texts: of the block, by window.
        """
        key = _key(self._head, texts)
        scores = self._next(key, sum(map(len, texts))) if self._reading else None
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
        self._lose()
        return self._right > len(self._head)

    def _read(self, size: int) -> bytes:
        """So many bytes more of the file, or fewer."""
        try:
            return self._file.read(size) if self._file is not None else b""
        except OSError:
            return b""

    def _next(self, key: bytes, rows: int) -> npt.NDArray[np.float32] | None:
        """The next record's scores, float32 [models, rows], if it is that of these texts and whole."""
        size = 4 * len(self._models) * rows
        record = self._read(_HEAD.size + size)
        checksum = self._read(_CHECKSUM.size)
        if record[: _HEAD.size] != _HEAD.pack(key, rows) or checksum != _CHECKSUM.pack(zlib.crc32(record)):
            return None
        self._right += len(record) + len(checksum)
        return np.frombuffer(record, "<f4", -1, _HEAD.size).reshape(len(self._models), rows).astype(np.float32)

    def _write(self) -> None:
        """Writes the new records; the file is made now if there is none."""
        if self._file is None and not self._lost:
            self._file = _opened(self._path)
            self._lost = self._file is None
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
                self._lose()
        self._new.clear()

    def _lose(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file, self._lost = None, True


def _path(output: Path) -> Path:
    return hidden_sibling(output, "scores")


def _opened(path: Path) -> BinaryIO | None:
    """A file to read and write, made if there is none, that no other process has.

    None where it cannot be had, or is not this user's own plain file: whoever else can write to the folder could have
    put a link there, or scores.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.fdopen(os.open(path, flags, 0o666), "r+b")
    except OSError:
        return None
    found = os.fstat(file.fileno())
    ours = os.name == "nt" or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid())
    if ours and lock(file) is not False and has_name(file, path):
        return file
    with suppress(OSError):
        file.close()
    return None


def _key(made_by: bytes, texts: Sequence[pa.Array]) -> bytes:
    """A digest of texts and what scores them, the same however the texts are cut into arrays."""
    array = to_large_string(pa.chunked_array(texts))
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    digest = hashlib.blake2b(made_by, digest_size=_KEY_BYTES)
    digest.update(np.diff(places).tobytes())
    digest.update(pc.is_valid(array).cast(pa.uint8()).to_numpy().tobytes())
    if data is not None:
        digest.update(memoryview(data)[places[0] : places[-1]])
    return digest.digest()
