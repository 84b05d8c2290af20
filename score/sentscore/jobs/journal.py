"""The scores of a job that was stopped, with which the same command carries on.

A journal is a hidden file beside the output, or in the user's cache folder if that is in a store: a header, which is
one line of JSON that says what made the scores, and records, each with the scores that one model has given to some rows
of a block, and the flags of their texts. A thread writes a record about once a second, of what was scored since, so a
block has several. A record begins with its block's key, a digest of the header and the texts, so that the scores of
other texts or of another model are never taken. It ends in a checksum, so that a torn one is ignored.

    header | block 1: lstm, rows 0 1 3 | block 1: lstm, rows 2 | block 1: gru, rows 0 1 2 3 | block 2: lstm, rows 5 7

The records of a block stand together, for those of the next one are written when it is finished.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sentscore.files import has_name, hidden_sibling, lock
from sentscore.sinks.targets import Target
from sentscore.stores import StorePath, local_place
from sentscore.text.encoder import Flags
from sentscore.text.normalize import to_large_string

FORMAT_VERSION: Final = 3

KINDS: Final = ("scores", "explanations")
"""What a journal may hold. An output has one of each kind at most."""

_CARRY_ON: Final = "what is scored is kept: the same command carries on"
_FIRST_WRITE_S: Final = 1.5  # a job that is shorter makes no file
_WRITE_EVERY_S: Final = 1.0  # what a kill loses at most, beside the batches that are being scored
_KEY_BYTES: Final = 16
_RECORD_HEADER: Final = struct.Struct(f"<{_KEY_BYTES}sIII")  # the block's key and rows, the model, the scores
_CHECKSUM: Final = struct.Struct("<I")  # the CRC-32 of the record before it

Scores = Mapping[str, npt.NDArray[np.float32]]
"""Each model's scores of a block's rows, float32 [n]. A NaN stands for a row without text."""

Rows = npt.NDArray[np.int64]


class BlockScores:
    """The scores of a block's rows while they become known, a few from an earlier run and the others from this one.

    Attributes:
        key: What tells the block from others.
        scores: Each model's scores, float32 [n]; NaN where there is none, or none yet.
        flags: What each model's encoder says of the texts, uint8 [n].
        known: For each model the rows whose scores are known, bool [n].
        finished: Whether all of them are.
    """

    def __init__(self, key: bytes, models: Sequence[str], rows: int) -> None:
        self.key = key
        self._rows = rows
        self.scores = {model: np.full(rows, np.nan, np.float32) for model in models}
        self.flags = {model: np.zeros(rows, np.uint8) for model in models}
        self.known = {model: np.zeros(rows, np.bool_) for model in models}
        self.finished = rows == 0
        self._written = {model: np.zeros(rows, np.bool_) for model in models}
        self._followed: list[tuple[str, Rows, Callable[[], npt.NDArray[np.float32]]]] = []

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """The rows that some model has no score for, bool [n]."""
        missing = np.zeros(self._rows, np.bool_)
        for known in self.known.values():
            missing |= ~known
        return missing

    def follow(
        self, model: str, rows: Rows, scores_so_far: Callable[[], npt.NDArray[np.float32]], flags: Flags | None = None
    ) -> None:
        """Names a function that returns the scores of some rows as far as they are known; NaN where they are not.

        Args:
            model: The model that gives them.
            rows: The rows, int64 [m].
            scores_so_far: Returns the scores, float32 [m].
            flags: The flags of the rows' texts, uint8 [m]; None for none.
        """
        if flags is not None:
            self.flags[model][rows] = flags
        self._followed.append((model, rows, scores_so_far))

    def collect(self) -> None:
        """Takes over the scores that are known by now."""
        for model, rows, scores_so_far in tuple(self._followed):
            scores = scores_so_far()
            there = ~np.isnan(scores)
            self.scores[model][rows[there]] = scores[there]
            self.known[model][rows[there]] = True

    def finish(self) -> None:
        """Says that what is followed has come to its end: rows that have no score get none."""
        self.collect()
        for known in self.known.values():
            known[:] = True
        self.finished = True

    def count_flagged(self, flag: int) -> int:
        """Returns how many texts have a flag, by some model's encoder."""
        flagged = np.zeros(self._rows, np.bool_)
        for flags in self.flags.values():
            flagged |= (flags & flag) > 0
        return int(np.count_nonzero(flagged))

    def add_record(
        self, model: str, rows: npt.NDArray[np.bool_], scores: npt.NDArray[np.float32], flags: Flags
    ) -> None:
        """Takes over what an earlier run has written."""
        self.flags[model][rows] = flags
        self.scores[model][rows] = scores
        self.known[model] |= rows
        self._written[model] |= rows
        self.finished = not self.missing.any()

    def next_records(self) -> bytes:
        """Returns the records of the scores that are known and were not in a record yet."""
        records = bytearray()
        for number, model in enumerate(self.scores):
            known = self.known[model].copy()  # more may become known meanwhile
            new = known & ~self._written[model]
            if new.any():
                record = _RECORD_HEADER.pack(self.key, len(new), number, np.count_nonzero(new))
                record += np.packbits(new).tobytes() + self.scores[model][new].astype("<f4").tobytes()
                record += self.flags[model][new].tobytes()
                records += record + _CHECKSUM.pack(zlib.crc32(record))
                self._written[model] = known
        return bytes(records)


def journal_place(target: Target) -> Path | None:
    """Returns the file whose journals are those of an output; None where the output is no file of its own."""
    if target.path is None or target.device:
        return None
    return local_place(target.path, "journals") if isinstance(target.path, StorePath) else target.path


@contextmanager
def open_journal(
    output: Path, made_by: bytes, models: Sequence[str], *, keeps_parts: bool = True, kind: str = "scores"
) -> Iterator[Journal]:
    """Opens the journal of an output.

    It is removed when the body of the `with` ends well. When that ends with an error, the journal stays for the next
    run, and the error gets a note that says how to carry on.

    Args:
        output: The file that the scores go to.
        made_by: All that the scores depend on besides the texts, as JSON on one line.
        models: The models' names.
        keeps_parts: Whether to keep the scores of a part of a block. Otherwise only those of whole ones are, as must be
            where a score may depend on what else is in its batch.
        kind: One of `KINDS`: what the journal holds, which its file's name ends with.
    """
    journal = Journal(output, made_by, models, keeps_parts=keeps_parts, kind=kind)
    try:
        yield journal
    except BaseException as error:
        if journal.close() and _CARRY_ON not in getattr(error, "__notes__", []):  # another journal may have said so
            error.add_note(_CARRY_ON)
        raise
    journal.discard()
    remove_journal(output, kind)


def remove_journals(output: Path) -> None:
    """Removes every journal of a finished output, unless another process writes to it."""
    for kind in KINDS:
        remove_journal(output, kind)


def remove_journal(output: Path, kind: str = "scores") -> None:
    """Removes a journal of a finished output, unless another process writes to it."""
    path = _journal_path(output, kind)
    file = _open_and_lock(path) if path.exists() else None
    if file is not None:
        with suppress(OSError):
            if os.name == "nt":  # an open file cannot be removed there
                file.close()
            path.unlink()
        with suppress(OSError):
            file.close()


class Journal:
    """The scores of an output's blocks, in order.

    An error of the journal's file does not stop the job. It only ends the journal.

    Attributes:
        keeps_parts: Whether the scores of a part of a block are kept.
    """

    def __init__(
        self, output: Path, made_by: bytes, models: Sequence[str], *, keeps_parts: bool = True, kind: str = "scores"
    ) -> None:
        self.keeps_parts = keeps_parts
        self._path = _journal_path(output, kind)
        self._models = tuple(models)
        self._header = made_by + b"\n"
        self._valid_bytes = 0  # at the file's beginning; new records replace what is behind them
        self._at_work: deque[BlockScores] = deque()
        self._began = time.monotonic()
        self._file = _open_and_lock(self._path) if self._path.exists() else None
        self._unusable = self._file is None and self._path.exists()
        self._all_taken = self._read(len(self._header)) == self._header  # so far
        if self._all_taken:
            self._valid_bytes = len(self._header)
        self._lock = Lock()
        self._stopped = Event()
        self._thread: Thread | None = Thread(target=self._write_now_and_then, name="journal", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads may be started: it is written at the end alone
            self._thread = None

    def take(self, texts: Sequence[pa.Array]) -> BlockScores:
        """Returns the scores of the next block, with those that an earlier run has left.

        Behind the first block that is not finished there are none. What becomes known of its scores is kept from now
        on, up to `finish`.

        Args:
            texts: The block's texts, an array a window.
        """
        block = BlockScores(_digest_block(self._header, texts), self._models, sum(map(len, texts)))
        while self._all_taken and not block.finished:
            self._all_taken = self._read_record(block)
        if not block.finished:
            with self._lock:
                self._at_work.append(block)
        return block

    def close(self) -> bool:
        """Writes what is known, except for a job too short for a file.

        Returns:
            Whether the file holds scores.
        """
        self._stop()
        if self._file is not None or time.monotonic() - self._began >= _FIRST_WRITE_S:
            self.write()
        if self._file is None:
            return False
        with suppress(OSError):
            os.fsync(self._file.fileno())  # here alone: what is written outlives a kill, and a busy disk takes seconds
        self._close_file()
        return self._valid_bytes > len(self._header)

    def discard(self) -> None:
        """Closes the file, which nobody needs any more."""
        self._stop()
        self._close_file()

    def write(self) -> None:
        """Writes what has become known, to a new file if there is none yet."""
        with self._lock:
            records = bytearray()
            while self._at_work:
                block = self._at_work[0]
                finished = block.finished  # if it becomes so now, the rest is for the next time
                if not finished and self.keeps_parts:
                    block.collect()
                if finished or self.keeps_parts:
                    records += block.next_records()
                if not finished:
                    break
                self._at_work.popleft()
            self._append(bytes(records))

    def _write_now_and_then(self) -> None:
        wait_s = _FIRST_WRITE_S if self._file is None else _WRITE_EVERY_S
        while not self._stopped.wait(wait_s):
            with suppress(MemoryError):
                self.write()
            wait_s = _WRITE_EVERY_S

    def _stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _read(self, size: int) -> bytes:
        try:
            return self._file.read(size) if self._file is not None else b""
        except OSError:
            return b""

    def _read_record(self, block: BlockScores) -> bool:
        """Adds the next record to its block. Returns False if there is none, or it is damaged or of another block."""
        header = self._read(_RECORD_HEADER.size)
        if len(header) < _RECORD_HEADER.size:
            return False
        key, rows, model, count = _RECORD_HEADER.unpack(header)
        if key != block.key or rows != len(block.missing) or model >= len(self._models) or count > rows:
            return False
        bitmap_bytes = (rows + 7) // 8
        content = self._read(bitmap_bytes + 5 * count)
        checksum = self._read(_CHECKSUM.size)
        if checksum != _CHECKSUM.pack(zlib.crc32(header + content)):
            return False
        there = np.unpackbits(np.frombuffer(content, np.uint8, bitmap_bytes), count=rows).astype(np.bool_)
        if count != np.count_nonzero(there):
            return False
        scores = np.frombuffer(content, "<f4", count, offset=bitmap_bytes)
        flags = np.frombuffer(content, np.uint8, count, offset=bitmap_bytes + 4 * count)
        block.add_record(self._models[model], there, scores.astype(np.float32), flags)
        self._valid_bytes += len(header) + len(content) + len(checksum)
        return True

    def _append(self, records: bytes) -> None:
        if self._file is None and not self._unusable and records:
            self._file = _open_and_lock(self._path)
            self._unusable = self._file is None
        if self._file is not None and records:
            content = records if self._valid_bytes else self._header + records
            try:
                self._file.truncate(self._valid_bytes)
                self._file.seek(self._valid_bytes)
                self._file.write(content)
                self._file.flush()
                self._valid_bytes += len(content)
            except OSError:
                self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file, self._unusable = None, True


def _journal_path(output: Path, kind: str) -> Path:
    return hidden_sibling(output, kind)


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
