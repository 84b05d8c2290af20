"""Scores texts with one model: text -> token ids -> ONNX Runtime -> the probability that it is positive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.artifact import Artifact, load_artifact
from sentscore.batching import Rows, batches_by_length, padded
from sentscore.encoder import EncodedTexts, Encoder
from sentscore.errors import UsageError
from sentscore.results import result_columns, result_names
from sentscore.session import Device, Session, available_cpus
from sentscore.sources.columns import check_free, choose_column, columns_of
from sentscore.vocabulary import Vocabulary

BATCH_TOKENS: Final = {"cpu": 2_048, "cuda": 131_072}
"""Tokens of a batch by device, padding included: on a CPU about 8 reviews, which keeps the caches warm."""

_WINDOW_ROWS: Final = 8_192  # texts that `score_batches` sorts by length together


class Scorer:
    """A loaded model.

    A text's score never depends on the texts beside it, their order, the batch size or the number of threads: on
    the CPU it is the same bit for bit. It runs its batches in threads of its own; don't share one between threads.

    Attributes:
        name: of the model.
        device: `cpu` or `cuda`, what it runs on.
        why_not_cuda: with `auto` on the CPU, why CUDA was not taken; empty otherwise.
        artifact: the verified files and the manifest.
    """

    def __init__(
        self,
        artifact: Artifact,
        *,
        device: Device = "auto",
        batch_tokens: int | None = None,
        threads: int | None = None,
    ) -> None:
        for option, value in (("batch_tokens", batch_tokens), ("threads", threads)):
            if value is not None and value < 1:
                raise UsageError(f"{option} {value} must be at least 1")
        self.artifact = artifact
        self.name = artifact.name
        self._vocabulary = Vocabulary.from_json(artifact.vocabulary, file=artifact.path / "vocab.json")
        self._encoder = Encoder(self._vocabulary)
        self._session = Session(artifact, device=device)
        self.device = self._session.device
        self.why_not_cuda = self._session.why_not_cuda
        self._batch_tokens = batch_tokens or BATCH_TOKENS[self.device]
        # A GPU is kept busy by two batches in flight, a CPU by one a processor.
        self._threads = threads or (2 if self.device == "cuda" else available_cpus())

    @classmethod
    def load(
        cls,
        model: str | Path,
        *,
        device: Device = "auto",
        batch_tokens: int | None = None,
        threads: int | None = None,
    ) -> Scorer:
        """Loads and verifies a model.

        Args:
            model: the name of a shipped model, `lstm` or `gru`, or the path of an artifact's folder.
            device: `auto` takes CUDA when a session really runs on it and the CPU otherwise.
            batch_tokens: tokens of a batch, padding included; None takes the device's default.
            threads: batches at work at a time; None takes one a processor.

        Raises:
            ArtifactError: missing, changed since it was exported, or of an unknown format version.
            DeviceError: `cuda` was asked for and cannot be used.
        """
        return cls(load_artifact(model), device=device, batch_tokens=batch_tokens, threads=threads)

    def score(self, texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float32]:
        """The probability that each text is positive, float32 [n].

        NaN where there is nothing to score: a null, an empty text, or one of white space only. Of a text with
        more than 8,192 tokens the first and last 4,096 are scored.

        Raises:
            InputError: a value that is not text, or bytes that are not UTF-8.
        """
        return self.score_encoded(self._encoder.encode(texts))

    def score_encoded(self, encoded: EncodedTexts) -> npt.NDArray[np.float32]:
        """`score` of texts that are token ids of this model's vocabulary already."""
        scores = np.full(len(encoded), np.nan, np.float32)

        def run(rows: Rows) -> None:
            token_ids, lengths = padded(encoded, rows, self._vocabulary.pad_id)
            scores[rows] = self._session.run(token_ids, lengths)[1]

        batches = list(batches_by_length(encoded.lengths, batch_tokens=self._batch_tokens))
        if len(batches) < 2 or self._threads == 1:
            for rows in batches:
                run(rows)
            return scores
        with ThreadPoolExecutor(min(self._threads, len(batches))) as pool:
            _wait([pool.submit(run, rows) for rows in batches])
        return scores

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
        index = choose_column("record batch", columns_of(schema), column)
        names = result_names([self.name], prefix)
        check_free("record batch", schema.names, names)
        scores = self.score(pa.chunked_array([batch.column(index) for batch in window], schema.field(index).type))
        start = 0
        for batch in window:
            columns = result_columns({self.name: scores[start : start + batch.num_rows]})
            for name, values in zip(names, columns, strict=True):
                batch = batch.append_column(name, values)  # noqa: PLW2901 - the same batch, wider
            yield batch
            start += batch.num_rows


def _wait(futures: list[Future[None]]) -> None:
    """Waits for all; after the first failure those not begun are dropped and the failure is raised."""
    try:
        for future in futures:
            future.result()
    except BaseException:
        for future in futures:
            future.cancel()
        raise
