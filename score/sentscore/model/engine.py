"""Runs a model: encodes texts, cuts them into batches and has threads score those with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Executor, Future, wait
from contextlib import AbstractContextManager, nullcontext
from threading import Lock
from time import perf_counter
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.errors import Argument, ArtifactError, DeviceError, shorten
from sentscore.model.artifact import Artifact
from sentscore.model.batching import Rows, batches_by_length, pad_batch
from sentscore.model.cpu import available_cpus
from sentscore.model.cuda import cuda_devices, free_memory
from sentscore.model.halving import MemoryLimit
from sentscore.model.options import ModelOptions
from sentscore.model.session import OutOfMemory, Session, has_scan
from sentscore.model.threads import SharedThreads
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.processes import DistinctTexts, EncodingProcesses, encode_distinct

CUDA_MOST_ROWS: Final = 65_535
"""The most texts of a batch on a GPU: a grid of CUDA blocks has no more in its second and third dimension."""

_CPU_BATCH_TOKENS: Final = 2_048  # about 8 reviews, which keeps the caches warm
_CPU_BATCH_TOKENS_SCAN: Final = 12_288  # the GRU in int8 takes as long for a step's many nodes as for its products
_CPU_MOST_BATCH_TOKENS: Final = 32_768
_CPU_BATCH_TEXTS: Final = 8  # a long text alone in its batch takes several times as long
_CPU_UNITS: Final = (64, 128)  # of the narrowest networks that were measured, and of those that the numbers are for
_CUDA_BATCH_TOKENS: Final = (16_384, 1 << 20)  # the least and the most: thousands of reviews
_CUDA_TOKEN_BYTES: Final = 32 << 10  # of a GPU's memory, for each batch at work: the layers' inputs, gates and outputs
_CUDA_THREADS: Final = 2  # one batch is prepared while the other is computed
_MOST_ENCODE_PROCESSES: Final = 8
_ODDS_TOLERANCE: Final = 1e-3  # of a probability: how far the graph's may be from the one that its logit stands for

_Floats = npt.NDArray[np.float32]
_Choose = Callable[[_Floats, _Floats], _Floats]  # the scores of a batch from its logits and its probabilities


class Scoring:
    """The scores of some texts while they are computed, batch by batch.

    Attributes:
        tokens: The number of tokens to score; equal texts count once.
        tokens_done: The number of tokens whose texts have a score; may be read from any thread.
        seconds: The time that the model took, summed over all threads.
        futures: One for each batch.
        flags: What is to be said of each text, uint8 [n].
    """

    def __init__(self, texts: DistinctTexts, tokens: int | None = None) -> None:
        self.tokens = int(texts.encoded.lengths.sum()) if tokens is None else tokens
        self.tokens_done = 0
        self.seconds = 0.0
        self.futures: list[Future[None]] = []
        self._waited_for = 0
        self._rows = texts.rows
        self.flags = texts.flag_rows()
        self._scores = np.full(len(texts.encoded) + 1, np.nan, np.float32)  # the last one is a null's
        self._lock = Lock()

    def add(self, rows: Rows, scores: npt.NDArray[np.float32], tokens: int, seconds: float) -> None:
        """Stores the scores [B] of the distinct texts in a batch."""
        self._scores[rows] = scores
        with self._lock:
            self.tokens_done += tokens
            self.seconds += seconds

    def scores_so_far(self) -> npt.NDArray[np.float32]:
        """Returns the scores, float32 [n]; NaN where there is none yet. It waits for nothing, from any thread."""
        return self._scores[self._rows]  # a float is either stored or not: there is no half of one

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for at most `timeout` seconds. Returns whether `result` would wait no longer."""
        deadline = None if timeout is None else perf_counter() + timeout
        # One after the other, for they end in about this order, and to look at all of them takes milliseconds.
        while self._waited_for < len(self.futures):
            future = self.futures[self._waited_for]
            if not wait([future], None if deadline is None else max(0.0, deadline - perf_counter())).done:
                return False
            if future.exception():
                return True
            self._waited_for += 1
        return True

    def result(self) -> npt.NDArray[np.float32]:
        """Waits for all scores and returns them, float32 [n]; NaN where there is nothing to score.

        Raises:
            Exception: The first error of a batch, without waiting for the others.
        """
        for future in wait(self.futures, None, FIRST_EXCEPTION).done:
            future.result()
        return self.scores_so_far()


class Engine:
    """A loaded model at work, which any number of threads may share.

    Args:
        artifact: The verified artifact.
        options: How to run it.
        in_processes: Whether to encode in other processes if the model runs on CUDA. They start before the session is
            made, which takes about as long.

    Attributes:
        artifact: The verified artifact.
        vocabulary: The vocabulary of the token ids.
        device: What the model runs on, `cpu` or `cuda`.
        precision: What it computes in: `fp32`, `tf32`, `int8` or `fp16`.
        why_not_cuda: Why `auto` did not take CUDA; empty otherwise.
        batch_tokens: The tokens of a batch, padding included.
        threads: The number of batches that are scored at a time.
        memory_limit: What was found of a GPU's memory: where a batch does not fit into it, its halves are scored.

    Raises:
        ArtifactError: The vocabulary or the graph is damaged, or of another version.
        DeviceError: `cuda` was asked for and cannot be used.
        UsageError: The model or the device does not have the precision.
    """

    def __init__(self, artifact: Artifact, options: ModelOptions, *, in_processes: bool = False) -> None:
        self.artifact = artifact
        self.vocabulary = artifact.read_vocabulary()
        self._encoder = Encoder(self.vocabulary)
        self._processes: EncodingProcesses | None = None
        if in_processes and options.device != "cpu" and options.precision != "int8" and cuda_devices():
            self.encode_in_processes()
        try:
            self._session = Session(artifact, device=options.device, precision=options.precision)
        except BaseException:
            self.encode_in_processes(0)
            raise
        self.device = self._session.device
        if self.device == "cpu":
            self.encode_in_processes(0)
        self.precision = self._session.precision
        self.why_not_cuda = self._session.why_not_cuda
        self.threads = options.threads or (_CUDA_THREADS if self.device == "cuda" else available_cpus())
        self.batch_tokens = options.batch_tokens or choose_batch_tokens(
            artifact, device=self.device, precision=self.precision, threads=self.threads
        )
        self.memory_limit = MemoryLimit()
        self._threads = SharedThreads(self.threads)

    def score(self, texts: pa.Array) -> npt.NDArray[np.float32]:
        """Returns the probability that each text is positive, float32 [n]; NaN where there is nothing to score.

        Args:
            texts: An Arrow array of strings [n], which must be valid UTF-8.
        """
        return self.score_distinct(encode_distinct(self._encoder, texts))

    def score_encoded(self, encoded: EncodedTexts) -> npt.NDArray[np.float32]:
        """Returns the probability that each text is positive, float32 [n], for token ids of this model's vocabulary."""
        return self.score_distinct(DistinctTexts(encoded, np.arange(len(encoded))))

    def score_distinct(self, texts: DistinctTexts) -> npt.NDArray[np.float32]:
        """Returns the probability that each text is positive, float32 [n], for what `encode` made of them."""
        with self.pool() as pool:
            return self.submit(texts, pool).result()

    def log_odds(self, encoded: EncodedTexts, pool: Executor | None = None) -> npt.NDArray[np.float64]:
        """Returns the log-odds ln(p / (1 - p)) of each text's score p, float64 [n]; NaN for a text without tokens.

        They are the graph's logits divided by its temperature: a score near 0 or 1 is rounded too much to tell them.

        Args:
            encoded: Token ids of this model's vocabulary [n].
            pool: The threads; None for those of the engine, as a caller of its own.

        Raises:
            ArtifactError: The manifest has no temperature, or another one than the graph.
            DeviceError: There is not enough memory, or the GPU fails.
        """
        temperature = self._temperature()

        def check(logits: _Floats, probabilities: _Floats) -> _Floats:
            expected = 0.5 + 0.5 * np.tanh(logits / (2 * temperature))
            fits = np.isfinite(logits) & (abs(probabilities - expected) <= _ODDS_TOLERANCE)
            if not fits.all():
                raise ArtifactError(
                    f"{self.artifact.path}: its scores are not those of its logits at the manifest's temperature "
                    f"{temperature:.6g}: export the model again"
                )
            return logits

        texts = DistinctTexts(encoded, np.arange(len(encoded)))
        with nullcontext(pool) if pool is not None else self.pool() as threads:
            scoring = self.submit(texts, threads, choose=check, batch_tokens=self._batch_tokens_of(encoded))
            return scoring.result().astype(np.float64) / temperature

    def _batch_tokens_of(self, encoded: EncodedTexts) -> int:
        """Returns the tokens of a batch of equally long texts, which has several of them even if they are long."""
        tokens = _CPU_BATCH_TEXTS * int(encoded.lengths.max(initial=0))
        return max(self.batch_tokens, min(tokens, _CPU_MOST_BATCH_TOKENS))

    def _temperature(self) -> float:
        """Returns the divisor of the logits.

        Raises:
            ArtifactError: The manifest has none.
        """
        found = self.artifact.manifest.calibration.get("temperature")
        if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 < found < np.inf:
            raise ArtifactError(
                f"{self.artifact.path}: the temperature in its manifest is {shorten(found)}, not a number above 0: "
                "export the model again"
            )
        return float(found)

    def pool(self) -> AbstractContextManager[Executor]:
        """Returns a context with the threads for `submit`, which all callers share.

        At its end the batches of this caller that have not begun are dropped, and the others are waited for.
        """
        return self._threads.open()

    def submit(
        self,
        texts: DistinctTexts,
        pool: Executor,
        *,
        wanted: npt.NDArray[np.bool_] | None = None,
        choose: _Choose = lambda logits, probabilities: probabilities,
        batch_tokens: int | None = None,
    ) -> Scoring:
        """Has the threads of a pool score encoded texts, and returns at once.

        Texts that are submitted while others of this caller are scored wait for them, so that no thread is idle in
        between.

        Args:
            texts: The encoded texts [n].
            pool: The threads.
            wanted: Which of the texts to score, bool [n]; None for all.
            choose: Returns the scores of a batch, float32 [B], from its logits and probabilities, both float32 [B].
            batch_tokens: The tokens of a batch, padding included; None for the engine's.
        """
        lengths = texts.encoded.lengths
        if wanted is not None:
            needed = np.zeros(len(texts.encoded) + 1, np.bool_)  # the last one stands for nulls
            needed[texts.rows[wanted]] = True
            lengths = np.where(needed[:-1], lengths, 0)
        scoring = Scoring(texts, int(lengths.sum()))

        def run(rows: Rows) -> None:
            began = perf_counter()
            scores = self._score_batch(texts.encoded, rows, choose)
            scoring.add(rows, scores, int(lengths[rows].sum()), perf_counter() - began)

        most_rows = CUDA_MOST_ROWS if self.device == "cuda" else None
        for rows in batches_by_length(lengths, batch_tokens=batch_tokens or self.batch_tokens, most_rows=most_rows):
            scoring.futures.append(pool.submit(run, rows))
        return scoring

    def _score_batch(self, encoded: EncodedTexts, rows: Rows, choose: _Choose) -> _Floats:
        """Returns the scores of a batch, float32 [B]. On a GPU, halves of it are scored where its memory is too small.

        Raises:
            DeviceError: There is not enough memory.
        """
        can_halve = self.device == "cuda" and len(rows) > 1
        if not (can_halve and self.memory_limit.is_exceeded(encoded.lengths[rows])):
            try:
                token_ids, lengths = pad_batch(encoded, rows, self.vocabulary.pad_id)
            except MemoryError as error:
                raise DeviceError(
                    f"not enough memory to put {len(rows):,} texts into a batch: use a smaller ",
                    Argument("batch_tokens"),
                ) from error
            try:
                return choose(*self._session.run(token_ids, lengths))
            except OutOfMemory:
                if not can_halve:
                    raise
                self.memory_limit.lower(token_ids.size)
            del token_ids, lengths
        middle = len(rows) // 2
        halves = [self._score_batch(encoded, half, choose) for half in (rows[:middle], rows[middle:])]
        return np.concatenate(halves)

    def encode(self, texts: pa.Array | pa.ChunkedArray) -> Future[DistinctTexts]:
        """Encodes texts, which must be valid UTF-8, for `submit`: here or, after `encode_in_processes`, elsewhere."""
        if self._processes is not None:
            return self._processes.submit(texts)
        done: Future[DistinctTexts] = Future()
        done.set_result(encode_distinct(self._encoder, texts))
        return done

    def encode_in_processes(self, processes: int | None = None) -> None:
        """Makes `encode` use other processes, which start at once, since a GPU scores faster than one process encodes.

        Args:
            processes: How many; None takes one for each processor but one, at most 8. 0 encodes in this thread again.
        """
        count = min(available_cpus() - 1, _MOST_ENCODE_PROCESSES) if processes is None else processes
        if self._processes is not None:
            self._processes.close()
        self._processes = EncodingProcesses(self.vocabulary, count) if count > 0 else None

    @property
    def blocks_ahead(self) -> int:
        """How many results of `encode` should be waited for at a time, so that every process has work."""
        return 0 if self._processes is None else self._processes.processes + 1


def choose_batch_tokens(artifact: Artifact, *, device: str, precision: str, threads: int) -> int:
    """Returns the tokens of a batch, padding included: a measured number on a CPU, as many as fit on a GPU.

    The free memory of a GPU is divided by the threads, each of which has a batch at work.

    A narrow network's product of one step is so small that the step itself takes most of the time. With half the units
    four times the tokens were the fastest.
    """
    if device == "cpu":
        tokens = _CPU_BATCH_TOKENS_SCAN if has_scan(artifact, precision) else _CPU_BATCH_TOKENS
        least_units, units = _CPU_UNITS
        narrower = max(1.0, units / max(least_units, artifact.manifest.architecture["hidden_size"]))
        return min(int(tokens * narrower**2), _CPU_MOST_BATCH_TOKENS)
    least, most = _CUDA_BATCH_TOKENS
    return max(least, min(most, free_memory() // (threads * _CUDA_TOKEN_BYTES)))
