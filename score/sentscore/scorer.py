"""Scores texts with one model: text -> token ids -> ONNX Runtime -> the probability that it is positive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from time import perf_counter
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.columns import check_names_free, choose_column, describe_columns, result_columns, result_names
from sentscore.errors import UsageError
from sentscore.model.artifact import Artifact, load_artifact
from sentscore.model.batching import Rows, batches_by_length, padded
from sentscore.model.cpu import available_cpus
from sentscore.model.cuda import device_memory, page_locked
from sentscore.model.session import Device, PrecisionChoice, Session, has_scan
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array
from sentscore.text.processes import DistinctTexts, EncodingProcesses, encode_distinct
from sentscore.text.vocabulary import Vocabulary

_CPU_BATCH_TOKENS: Final = 2_048  # about 8 reviews, which keeps the caches warm
_CPU_BATCH_TOKENS_SCAN: Final = 12_288  # the GRU in int8 takes as long for a step's many nodes as for its products
_CUDA_BATCH_TOKENS: Final = (16_384, 524_288)  # the least and the most: over a thousand reviews
_CUDA_TOKEN_BYTES: Final = 64 << 10  # of a GPU's memory: the layers' inputs, gates and outputs, two batches in flight
_MOST_ENCODE_PROCESSES: Final = 8

_WINDOW_ROWS: Final = 8_192  # texts that `score_batches` sorts by length together


def default_batch_tokens(artifact: Artifact, *, device: str, precision: str) -> int:
    """Tokens of a batch, padding included: measured on a CPU, as many as there is memory for on a GPU."""
    if device == "cpu":
        return _CPU_BATCH_TOKENS_SCAN if has_scan(artifact, precision) else _CPU_BATCH_TOKENS
    least, most = _CUDA_BATCH_TOKENS
    return max(least, min(most, device_memory() // _CUDA_TOKEN_BYTES))


class Scoring:
    """Texts that are being scored.

    Attributes:
        tokens: of all of them.
        tokens_done: of those that have a score; read from any thread.
        seconds: of all threads together, in the model.
        futures: one a batch.
        rows: for each text that was asked for, the scored text that it is, or the number of these for none;
            None where they are the same.
    """

    def __init__(self, texts: int, tokens: int) -> None:
        self.tokens = tokens
        self.tokens_done = 0
        self.seconds = 0.0
        self.futures: list[Future[None]] = []
        self.rows: npt.NDArray[np.int64] | None = None
        self._scores = np.full(texts + 1, np.nan, np.float32)
        self._lock = Lock()

    def add(self, rows: Rows, scores: npt.NDArray[np.float32], tokens: int, seconds: float) -> None:
        """Takes the scores of a batch."""
        self._scores[rows] = scores
        with self._lock:
            self.tokens_done += tokens
            self.seconds += seconds

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for so many seconds at most; whether `result` would wait no longer."""
        done, pending = wait(self.futures, timeout, FIRST_EXCEPTION)
        return not pending or any(future.exception() for future in done)

    def result(self) -> npt.NDArray[np.float32]:
        """The scores, float32 [n], once all are there.

        Raises:
            Exception: what a batch failed with; the first one, without waiting for the others.
        """
        for future in wait(self.futures, None, FIRST_EXCEPTION).done:
            future.result()
        return self._scores[:-1] if self.rows is None else self._scores[self.rows]


class Scorer:
    """A loaded model.

    A text's score never depends on the texts beside it, their order, the batch size or the number of threads: on
    the CPU it is the same bit for bit. It runs its batches in threads of its own; don't call one from several threads.

    Attributes:
        name: of the model.
        device: `cpu` or `cuda`, what it runs on.
        precision: `fp32`, `int8` or `fp16`, what it computes in.
        threads: batches at work at a time.
        batch_tokens: tokens of a batch, padding included.
        why_not_cuda: with `auto` on the CPU, why CUDA was not taken; empty otherwise.
        artifact: the verified files and the manifest.
        vocabulary: of the token ids.
    """

    def __init__(
        self,
        artifact: Artifact,
        *,
        device: Device = "auto",
        precision: PrecisionChoice = "auto",
        batch_tokens: int | None = None,
        threads: int | None = None,
    ) -> None:
        for option, value in (("batch_tokens", batch_tokens), ("threads", threads)):
            if value is not None and value < 1:
                raise UsageError(f"{option} {value} must be at least 1")
        self.artifact = artifact
        self.name = artifact.name
        self.vocabulary = Vocabulary.from_json(artifact.vocabulary, file=artifact.path / "vocab.json")
        self._encoder = Encoder(self.vocabulary)
        self._session = Session(artifact, device=device, precision=precision)
        self.device = self._session.device
        self.precision = self._session.precision
        self.why_not_cuda = self._session.why_not_cuda
        self.batch_tokens = batch_tokens or default_batch_tokens(artifact, device=self.device, precision=self.precision)
        # A GPU is kept busy by two batches in flight, a CPU by one a processor.
        self.threads = threads or (2 if self.device == "cuda" else available_cpus())
        self._processes: EncodingProcesses | None = None
        # What a batch's ids are put into on their way to the GPU: one for each that is in flight.
        self._memory: SimpleQueue[npt.NDArray[np.int32]] = SimpleQueue()
        if self.device == "cuda":
            for _ in range(self.threads):
                self._memory.put(page_locked(self.batch_tokens))

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        device: Device = "auto",
        precision: PrecisionChoice = "auto",
        batch_tokens: int | None = None,
        threads: int | None = None,
    ) -> Scorer:
        """Loads and verifies a model.

        Args:
            model: the name of a shipped model, `lstm` or `gru`, or the path of an artifact's folder.
            device: `auto` takes CUDA when a session really runs on it and the CPU otherwise.
            precision: `auto` takes int8 on the CPU where it is as accurate on validation, float32 otherwise.
            batch_tokens: tokens of a batch, padding included; None takes the device's default.
            threads: batches at work at a time; None takes one a processor.

        Raises:
            ArtifactError: missing, changed since it was exported, or of an unknown format version.
            DeviceError: `cuda` was asked for and cannot be used.
            UsageError: the model or the device does not have the precision.
        """
        return cls(load_artifact(model), device=device, precision=precision, batch_tokens=batch_tokens, threads=threads)

    def score(self, texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float32]:
        """The probability that each text is positive, float32 [n].

        NaN where there is nothing to score: a null, an empty text, or one of white space only. Of a text with
        more than 8,192 tokens the first and last 4,096 are scored.

        Raises:
            InputError: a value that is not text, or bytes that are not UTF-8.
        """
        with self.pool() as pool:
            return self.submit(encode_distinct(self._encoder, as_text_array(texts)), pool).result()

    def score_encoded(self, encoded: EncodedTexts) -> npt.NDArray[np.float32]:
        """`score` of texts that are token ids of this model's vocabulary already."""
        with self.pool() as pool:
            return self.submit_encoded(encoded, pool).result()

    @contextmanager
    def pool(self) -> Iterator[Executor]:
        """Threads to `submit` to, as many as the model runs fastest with; what has not begun is dropped on an error."""
        pool = ThreadPoolExecutor(self.threads)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)

    def encode_in_processes(self, processes: int | None = None) -> None:
        """Leaves it to other processes to encode what `encode` gets: for a GPU, which is faster than one of them.

        Args:
            processes: how many; None takes one a processor but for this one's, 8 at most. 0 encodes here again.
        """
        count = min(available_cpus() - 1, _MOST_ENCODE_PROCESSES) if processes is None else processes
        self._processes = EncodingProcesses(self.vocabulary, count) if count > 0 else None

    @property
    def ahead(self) -> int:
        """How many calls of `encode` should wait for their result at a time, so that every process has work."""
        return 0 if self._processes is None else self._processes.processes + 1

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> Future[DistinctTexts]:
        """Encodes texts for `submit`, which must be valid UTF-8, in this thread or in other processes."""
        if self._processes is not None:
            return self._processes.submit(texts)
        done: Future[DistinctTexts] = Future()
        done.set_result(encode_distinct(self._encoder, texts))
        return done

    def submit(self, texts: DistinctTexts, pool: Executor) -> Scoring:
        """Leaves encoded texts to the pool's threads to score.

        Texts that are submitted while others are still at work wait for their turn, so that no thread is idle
        between them. Only one thread may submit at a time.
        """
        scoring = self.submit_encoded(texts.encoded, pool)
        scoring.rows = texts.rows
        return scoring

    def submit_encoded(self, encoded: EncodedTexts, pool: Executor) -> Scoring:
        """`submit` of texts that are token ids of this model's vocabulary already, one score each."""
        scoring = Scoring(len(encoded), int(encoded.lengths.sum()))

        def run(rows: Rows) -> None:
            began = perf_counter()
            memory = self._memory.get() if self.device == "cuda" else None
            try:
                token_ids, lengths = padded(encoded, rows, self.vocabulary.pad_id, memory)
                probability = self._session.run(token_ids, lengths)[1]
            finally:
                if memory is not None:
                    self._memory.put(memory)
            scoring.add(rows, probability, int(lengths.sum()), perf_counter() - began)

        for rows in batches_by_length(encoded.lengths, batch_tokens=self.batch_tokens):
            scoring.futures.append(pool.submit(run, rows))
        return scoring

    def score_batches(
        self, batches: Iterable[pa.RecordBatch], *, column: str | None = None, prefix: str = ""
    ) -> Iterator[pa.RecordBatch]:
        """Each record batch with the columns `sentiment` and `score` behind its own, in the order they came.

        The shape that Spark's `mapInArrow` and Ray's `map_batches` take. A few batches are read ahead.

        Args:
            batches: record batches of one schema.
            column: the column of text; None takes the only one.
            prefix: put before the names of the new columns.

        Raises:
            InputError: no such column, or text that is not UTF-8.
            UsageError: a new column's name is taken.
        """
        window: list[pa.RecordBatch] = []
        rows = 0
        for batch in batches:
            window.append(batch)
            rows += batch.num_rows
            if rows >= _WINDOW_ROWS:
                yield from self._score_window(window, column, prefix)
                window, rows = [], 0
        yield from self._score_window(window, column, prefix)

    def _score_window(self, window: list[pa.RecordBatch], column: str | None, prefix: str) -> Iterator[pa.RecordBatch]:
        if not window:
            return
        schema = window[0].schema
        index = choose_column("record batch", describe_columns(schema), column)
        names = result_names([self.name], prefix)
        check_names_free("record batch", schema.names, names)
        scores = self.score(pa.chunked_array([batch.column(index) for batch in window], schema.field(index).type))
        start = 0
        for batch in window:
            columns = result_columns({self.name: scores[start : start + batch.num_rows]})
            for name, values in zip(names, columns, strict=True):
                batch = batch.append_column(name, values)  # noqa: PLW2901 - the same batch, wider
            yield batch
            start += batch.num_rows
