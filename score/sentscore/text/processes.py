"""Encodes each distinct text once, in this process or in others, so that a GPU need not wait for token ids."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.errors import Argument, DeviceError
from sentscore.text.encoder import EncodedTexts, Encoder, Flags
from sentscore.text.normalize import to_large_string
from sentscore.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class DistinctTexts:
    """Encoded texts, of which equal ones are there once.

    Attributes:
        encoded: The distinct texts [m].
        rows: For each text, which of the distinct texts it is, int64 [n]; m for a null.
        flags: What is to be said of each distinct text, uint8 [m]; None where nothing is.
    """

    encoded: EncodedTexts
    rows: npt.NDArray[np.int64]
    flags: Flags | None = None

    def flag_rows(self) -> Flags:
        """Returns the flags of each text, uint8 [n]; a null has none."""
        flags = np.zeros(len(self.encoded) + 1, np.uint8)
        if self.flags is not None:
            flags[:-1] = self.flags
        return flags[self.rows]


def encode_distinct(encoder: Encoder, texts: pa.Array | pa.ChunkedArray) -> DistinctTexts:
    """Encodes texts [n] of any Arrow string type, which must be valid UTF-8.

    Raises:
        DeviceError: There is not enough memory.
    """
    try:
        distinct = to_large_string(texts).dictionary_encode()
        rows = distinct.indices.fill_null(len(distinct.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
        encoded, flags = encoder.encode_and_flag(distinct.dictionary)
        return DistinctTexts(encoded, rows, flags)
    except MemoryError as error:
        raise DeviceError(
            f"not enough memory to encode {len(texts):,} texts: score fewer at a time, or free some"
        ) from error


def join_distinct(parts: Sequence[DistinctTexts]) -> DistinctTexts:
    """Returns the texts of several parts, at least one, as one. Equal texts of different parts stay apart."""
    if len(parts) == 1:
        return parts[0]
    texts = np.cumsum([0, *(len(part.encoded) for part in parts)])
    tokens = np.cumsum([0, *(len(part.encoded.ids) for part in parts)])
    offsets = [part.encoded.offsets[1:] + before for part, before in zip(parts, tokens[:-1], strict=True)]
    encoded = EncodedTexts(
        np.concatenate([part.encoded.ids for part in parts]), np.concatenate([np.zeros(1, np.int64), *offsets])
    )
    rows = [
        np.where(part.rows == len(part.encoded), texts[-1], part.rows + before)
        for part, before in zip(parts, texts[:-1], strict=True)
    ]
    flags = [np.zeros(len(part.encoded), np.uint8) if part.flags is None else part.flags for part in parts]
    return DistinctTexts(encoded, np.concatenate(rows), np.concatenate(flags))


class EncodingProcesses:
    """Processes that encode, each with an encoder of its own. They start at once, and end with this object.

    They are spawned, not forked, so a script that uses them needs the `__main__` guard of multiprocessing.
    """

    def __init__(self, vocabulary: Vocabulary, processes: int) -> None:
        import multiprocessing  # imported here, since few have a GPU
        from concurrent.futures import ProcessPoolExecutor

        self.processes = processes
        self._pool = ProcessPoolExecutor(
            processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start,
            initargs=(vocabulary,),
        )
        # A process is only started for a text that no other is free for. Imports take a second, so each gets one now.
        for _ in range(processes):
            self.submit(pa.chunked_array([["A great film, isn't it?"]]))

    def close(self) -> None:
        """Ends the processes, those that have work once it is done, without waiting for them."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def submit(self, texts: pa.Array | pa.ChunkedArray) -> Future[DistinctTexts]:
        """Has a process do `encode_distinct`.

        Raises:
            DeviceError: Here or from the result: a process has ended, perhaps killed for its memory.
        """
        batch = pa.record_batch({"text": to_large_string(texts)})
        # IPC carries the slice alone; a pickled array would carry the whole buffer that it is a part of.
        schema, content = batch.schema.serialize().to_pybytes(), batch.serialize().to_pybytes()
        outcome: Future[DistinctTexts] = Future()
        try:
            self._pool.submit(_encode, schema, content).add_done_callback(lambda done: _hand_over(done, outcome))
        except BrokenExecutor as error:
            raise _process_ended() from error
        return outcome


def _hand_over(done: Future[DistinctTexts], outcome: Future[DistinctTexts]) -> None:
    error = done.exception()
    if isinstance(error, BrokenExecutor):
        ended = _process_ended()
        ended.__cause__ = error
        outcome.set_exception(ended)
    elif error is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(done.result())


def _process_ended() -> DeviceError:
    return DeviceError(
        "a process that encodes texts has ended, perhaps killed because no memory was left: make some free, or give ",
        Argument("device", "cpu"),
        ", which needs no such processes",
    )


_encoders: list[Encoder] = []  # in a child process, the one that `_start` has made


def _start(vocabulary: Vocabulary) -> None:
    # Ctrl-C and a closed terminal reach every process of it: the parent decides.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _encoders[:] = [Encoder(vocabulary)]


def _encode(schema: bytes, batch: bytes) -> DistinctTexts:
    texts = pa.ipc.read_record_batch(batch, pa.ipc.read_schema(pa.py_buffer(schema)))["text"]
    return encode_distinct(_encoders[0], texts)


def _end_with_parent() -> None:
    """Ends this process with its parent, however that ends: after a kill it would wait for work for ever."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
