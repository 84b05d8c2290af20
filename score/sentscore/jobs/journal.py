"""The scores of a job that was stopped, with which the same command carries on.

A journal is a hidden file beside the output: a header, which is one line of JSON that says what made the scores, and a
record for each block of rows. A record begins with its block's key, a digest of the header and the texts, so that the
scores of other texts or of another model are never taken. It ends in a checksum, so that a torn one is ignored.
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

_WRITE_EVERY_S: Final = 2.0  # a job that is shorter makes no file, and no disk is kept busy
_KEY_BYTES: Final = 16
_RECORD_HEADER: Final = struct.Struct(f"<{_KEY_BYTES}sI")  # the block's key and its number of rows
_CHECKSUM: Final = struct.Struct("<I")  # the CRC-32 of the record before it

Scores = Mapping[str, npt.NDArray[np.float32]]
"""Each model's scores of a block's rows, float32 [n]. A NaN stands for a row without text."""


@contextmanager
def open_journal(output: Path, made_by: bytes, models: Sequence[str]) -> Iterator[Journal]:
    """Opens the journal of an output.

    It is removed when the body of the `with` ends well. When that ends with an error, the journal stays for the next
    run, and the error gets a note that says how to carry on.

    Args:
        output: The file that the scores go to.
        made_by: All that the scores depend on besides the texts, as JSON on one line.
        models: The models' names.
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
    """Removes the journal of a finished output, unless another process writes to it."""
    path = _journal_path(output)
    file = _open_and_lock(path) if path.exists() else None
    if file is not None:
        with suppress(OSError):
            if os.name == "nt":  # an open file cannot be removed there
                file.close()
            path.unlink()
        with suppress(OSError):
            file.close()


class Journal:
    """The scores of an output's blocks, in order: first `take` those of an earlier run, then `add` new ones.

    An error of the journal's file does not stop the job. It only ends the journal.
    """

    def __init__(self, output: Path, made_by: bytes, models: Sequence[str]) -> None:
        self._path = _journal_path(output)
        self._models = tuple(models)
        self._header = made_by + b"\n"
        self._valid_bytes = 0  # at the file's beginning; new records replace what is behind them
        self._keys_to_add: deque[bytes] = deque()
        self._unwritten = bytearray()
        self._next_write = time.monotonic() + _WRITE_EVERY_S
        self._file = _open_and_lock(self._path) if self._path.exists() else None
        self._unusable = self._file is None and self._path.exists()
        self._all_taken = self._read(len(self._header)) == self._header  # so far
        if self._all_taken:
            self._valid_bytes = len(self._header)

    def take(self, texts: Sequence[pa.Array]) -> Scores | None:
        """Returns the scores that an earlier run left of the next block.

        The first block without scores, and every block behind it, gets None.

        Args:
            texts: The block's texts, an array a window.
        """
        key = _digest_block(self._header, texts)
        scores = self._read_record(key, sum(map(len, texts))) if self._all_taken else None
        if scores is None:
            self._all_taken = False
            self._keys_to_add.append(key)
            return None
        return dict(zip(self._models, scores, strict=True))

    def add(self, scores: Scores) -> None:
        """Adds the scores of the next of the blocks that `take` had none for."""
        record = _RECORD_HEADER.pack(self._keys_to_add.popleft(), len(scores[self._models[0]]))
        record += b"".join(scores[model].astype("<f4").tobytes() for model in self._models)
        self._unwritten += record + _CHECKSUM.pack(zlib.crc32(record))
        if time.monotonic() >= self._next_write:
            self._write()
            self._next_write = time.monotonic() + _WRITE_EVERY_S

    def close(self) -> bool:
        """Writes the records that are not written yet, except for a job too short for a file.

        Returns:
            Whether the file holds scores.
        """
        if self._file is not None:
            self._write()
        if self._file is None:
            return False
        self._close_file()
        return self._valid_bytes > len(self._header)

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size) if self._file is not None else b""
        except OSError:
            return b""

    def _read_record(self, key: bytes, rows: int) -> npt.NDArray[np.float32] | None:
        """Returns the scores of the next record, float32 [models, rows]; None if it is damaged or of another block."""
        record = self._read(_RECORD_HEADER.size + 4 * len(self._models) * rows)
        checksum = self._read(_CHECKSUM.size)
        if not record.startswith(_RECORD_HEADER.pack(key, rows)) or checksum != _CHECKSUM.pack(zlib.crc32(record)):
            return None
        self._valid_bytes += len(record) + len(checksum)
        scores = np.frombuffer(record, "<f4", offset=_RECORD_HEADER.size)
        return scores.reshape(len(self._models), rows).astype(np.float32)

    def _write(self) -> None:
        """Writes the new records, to a new file if there is none yet."""
        if self._file is None and not self._unusable:
            self._file = _open_and_lock(self._path)
            self._unusable = self._file is None
        if self._file is not None and self._unwritten:
            content = bytes(self._unwritten) if self._valid_bytes else self._header + self._unwritten
            try:
                self._file.truncate(self._valid_bytes)
                self._file.seek(self._valid_bytes)
                self._file.write(content)
                self._file.flush()
                os.fsync(self._file.fileno())
                self._valid_bytes += len(content)
            except OSError:
                self._close_file()
        self._unwritten.clear()

    def _close_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file, self._unusable = None, True


def _journal_path(output: Path) -> Path:
    return hidden_sibling(output, "scores")


def _open_and_lock(path: Path) -> BinaryIO | None:
    """Opens a file to read and write, which is made if there is none.

    Returns:
        The file; None if it cannot be opened, if another process has locked it, or if it is not a plain file of this
        user with a single name. Others who can write to the folder could have put a link there, or scores.
    """
    flags = os.O_RDWR | os.O_CREAT | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
    try:
        file = os.fdopen(os.open(path, flags, 0o666), "r+b")
    except OSError:
        return None
    status = os.fstat(file.fileno())
    ours = os.name == "nt" or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid())
    if ours and lock(file) is not False and has_name(file, path):
        return file
    with suppress(OSError):
        file.close()
    return None


def _digest_block(header: bytes, texts: Sequence[pa.Array]) -> bytes:
    """Returns a block's key, which does not depend on how the texts are cut into arrays."""
    array = to_large_string(pa.chunked_array(texts))
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    digest = hashlib.blake2b(header, digest_size=_KEY_BYTES)
    digest.update(np.diff(bounds).tobytes())
    digest.update(pc.is_valid(array).cast(pa.uint8()).to_numpy().tobytes())
    if data is not None:
        digest.update(memoryview(data)[bounds[0] : bounds[-1]])
    return digest.digest()
