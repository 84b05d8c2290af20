"""Scores texts with one model: text -> token ids -> ONNX Runtime -> the probability that the text is positive."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.columns import check_names_free, choose_column, describe_columns, result_columns, result_names
from sentscore.errors import InputError
from sentscore.model.artifact import Artifact, find_artifacts, load_artifact
from sentscore.model.engine import Engine
from sentscore.model.options import Device, ModelOptions, PrecisionChoice
from sentscore.text.normalize import as_text_array

_WINDOW_ROWS: Final = {"cpu": 8_192, "cuda": 65_536}  # texts that `score_batches` sorts by length together

Sentiment: TypeAlias = Literal["negative", "positive"]

Texts: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray
"""Strings, and None or null where there is no text: a list, a column of pandas or Polars, an Arrow array."""

RecordBatches: TypeAlias = Iterable[pa.RecordBatch] | pa.RecordBatchReader | pa.RecordBatch | pa.Table
"""Record batches of one schema, one by one or as a reader, or a table."""


class Scorer:
    """A loaded model.

    A text's score never depends on the texts beside it, their order, the batch size or the number of threads. On
    the CPU it is the same bit for bit.

    Threads may share a scorer: the scores are the same, at most `threads` batches are scored at a time, and the callers
    take turns, so that a few texts need not wait for the thousands of another caller.

    Other processes may have copies: what is pickled are the model's folder, its digest and the options. Where a copy is
    made, the model must be there, with the same weights. It computes in the same precision, and has a thread for each
    processor there unless `threads` was given.

    Attributes:
        name: The model's name.
        device: What the model runs on, `cpu` or `cuda`.
        precision: What it computes in: `fp32`, `tf32`, `int8` or `fp16`.
        threads: The number of batches that are scored at a time.
        batch_tokens: The tokens of a batch, padding included.
        why_not_cuda: Why `auto` did not take CUDA; empty otherwise.
        manifest_sha256: The sha256 of the artifact's manifest in hexadecimal, which stands for the whole model.
        artifact: The verified files and the manifest.
        vocabulary: The vocabulary of the token ids.
        engine: The machinery that runs the model.
    """

    def __init__(self, artifact: Artifact, options: ModelOptions, *, in_processes: bool = False) -> None:
        self.engine = Engine(artifact, options, in_processes=in_processes)
        self._options = options
        self.name = artifact.name
        self.device = self.engine.device
        self.precision = self.engine.precision
        self.threads = self.engine.threads
        self.batch_tokens = self.engine.batch_tokens
        self.why_not_cuda = self.engine.why_not_cuda
        self.manifest_sha256 = artifact.manifest_sha256
        self.artifact = artifact
        self.vocabulary = self.engine.vocabulary

    @classmethod
    def load(
        cls,
        model: str | Path | Artifact,
        *,
        device: Device = "auto",
        precision: PrecisionChoice = "auto",
        batch_tokens: int | None = None,
        threads: int | None = None,
    ) -> Scorer:
        """Loads and verifies a model.

        Args:
            model: The name of a shipped model, such as `lstm`, the path of an artifact's folder, or an artifact that
                is loaded already. Behind a name or path, `@` and the first digits of the manifest's sha256, at least
                7, refuse other weights.
            device: `auto` takes CUDA when a session really runs on it, and the CPU otherwise.
            precision: `auto` takes int8 on a CPU where it is as accurate on validation reviews, and fp32 otherwise.
                `tf32` is for CUDA alone.
            batch_tokens: The tokens of a batch, padding included; None takes the device's default.
            threads: The number of batches that are scored at a time; None takes one for each
                processor that the process may use by its affinity and its control group's quota, and two on CUDA.

        Raises:
            ArtifactError: The model is missing, was changed since its export, or has an unknown format version.
            DeviceError: `cuda` was asked for and cannot be used.
            UsageError: A value is not known, or the model or the device does not have the precision.
        """
        options = ModelOptions(device, precision, batch_tokens, threads)
        return cls(model if isinstance(model, Artifact) else load_artifact(model), options)

    @property
    def memory_note(self) -> str:
        """What to tell the user if a GPU had too little memory for a batch, whose halves were then scored; or empty."""
        return self.engine.memory_limit.note

    def __repr__(self) -> str:
        return f"Scorer({self.name!r}, precision={self.precision!r}, device={self.device!r}, threads={self.threads})"

    def __reduce__(self) -> tuple[Callable[..., Scorer], tuple[object, ...]]:
        # Machines differ in what `auto` would take, and copies have to give the same scores.
        options = replace(self._options, precision=self.precision)
        return _load_copy, (_locate_anywhere(self.artifact), self.manifest_sha256, self.name, options)

    def score(self, texts: Texts) -> npt.NDArray[np.float32]:
        """Returns the probability that each text is positive, float32 [n].

        It is NaN where there is nothing to score: a null, an empty text, or one of white space only. Of a text with
        more than 8,192 tokens the first and last 4,096 are scored.

        Raises:
            InputError: The texts are a whole table, a value is not text, or its bytes are not UTF-8.
        """
        return self.engine.score(as_text_array(texts))

    def label(self, texts: Texts) -> list[Sentiment | None]:
        """Returns the sentiment of each text [n]: `positive` from a score of 0.5 on; None where there is no text.

        Raises:
            InputError: The texts are a whole table, a value is not text, or its bytes are not UTF-8.
        """
        sentiments, _ = result_columns({self.name: self.score(texts)})
        found: list[Sentiment | None] = sentiments.to_pylist()
        return found

    def score_batches(
        self, batches: RecordBatches, *, column: str | None = None, prefix: str = ""
    ) -> Iterator[pa.RecordBatch]:
        """Yields each record batch with the columns `sentiment` and `score` behind its own, in order.

        Spark's `mapInArrow` gives and takes such iterators; Ray's `map_batches` gives a table, and takes
        `pa.Table.from_batches` of the result. A few batches are read ahead.

        Args:
            batches: Record batches of one schema, a reader or a table. A table without rows gives one batch without
                rows, so that the schema is known.
            column: The column of texts; None to find it.
            prefix: What to put before the names of the new columns.

        Raises:
            InputError: There is no such column, a text is not UTF-8, or the batches are something else.
            UsageError: The name of a new column is taken.
        """
        window: list[pa.RecordBatch] = []
        rows = 0
        for batch in _to_batches(batches):
            window.append(batch)
            rows += batch.num_rows
            if rows >= _WINDOW_ROWS[self.device]:
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


def _to_batches(batches: RecordBatches) -> Iterator[pa.RecordBatch]:
    if isinstance(batches, pa.RecordBatch):
        batches = [batches]
    elif isinstance(batches, pa.Table):
        batches = batches.to_batches() or [pa.RecordBatch.from_pylist([], batches.schema)]
    remedy = "give Arrow's record batches, a reader of them or a table"
    if not isinstance(batches, Iterable):
        raise InputError(f"batches are a {type(batches).__name__}: {remedy}")
    for batch in batches:
        if not isinstance(batch, pa.RecordBatch):
            raise InputError(f"batches hold a {type(batch).__name__}, not record batches: {remedy}")
        yield batch


def _locate_anywhere(artifact: Artifact) -> str:
    """Returns where another process finds a model: a shipped one by its name, for each machine has its own folder."""
    path = artifact.path.resolve()
    shipped = [folder.name for folder in find_artifacts() if folder.resolve() == path]
    return shipped[0] if shipped else str(path)


def _load_copy(model: str, digest: str, name: str, options: ModelOptions) -> Scorer:
    """Makes the copy of a pickled scorer.

    Raises:
        ArtifactError: The model is not there, or has other weights.
    """
    return Scorer(replace(load_artifact(f"{model}@{digest}"), name=name), options)
