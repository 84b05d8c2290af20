"""Scores texts with one model: text -> token ids -> ONNX Runtime -> the probability that the text is positive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.columns import check_names_free, choose_column, describe_columns, result_columns, result_names
from sentscore.model.artifact import Artifact, load_artifact
from sentscore.model.engine import Engine
from sentscore.model.options import Device, ModelOptions, PrecisionChoice
from sentscore.text.normalize import as_text_array

_WINDOW_ROWS: Final = 8_192  # texts that `score_batches` sorts by length together


class Scorer:
    """A loaded model.

    A text's score never depends on the texts beside it, their order, the batch size or the number of threads. On
    the CPU it is the same bit for bit.

    Threads may share a scorer: the scores are the same, at most `threads` batches are scored at a time, and the callers
    take turns, so that a few texts need not wait for the thousands of another caller.

    Attributes:
        name: The model's name.
        device: What the model runs on, `cpu` or `cuda`.
        precision: What it computes in: `fp32`, `int8` or `fp16`.
        threads: The number of batches that are scored at a time.
        batch_tokens: The tokens of a batch, padding included.
        why_not_cuda: Why `auto` did not take CUDA; empty otherwise.
        manifest_sha256: The sha256 of the artifact's manifest in hexadecimal, which stands for the whole model.
        artifact: The verified files and the manifest.
        vocabulary: The vocabulary of the token ids.
        engine: The machinery that runs the model.
    """

    def __init__(self, artifact: Artifact, options: ModelOptions) -> None:
        self.engine = Engine(artifact, options)
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

    def score(self, texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> npt.NDArray[np.float32]:
        """Returns the probability that each text is positive, float32 [n].

        It is NaN where there is nothing to score: a null, an empty text, or one of white space only. Of a text with
        more than 8,192 tokens the first and last 4,096 are scored.

        Raises:
            InputError: A value is not text, or its bytes are not UTF-8.
        """
        return self.engine.score(as_text_array(texts))

    def score_batches(
        self, batches: Iterable[pa.RecordBatch], *, column: str | None = None, prefix: str = ""
    ) -> Iterator[pa.RecordBatch]:
        """Yields each record batch with the columns `sentiment` and `score` behind its own, in order.

        This is the shape that Spark's `mapInArrow` and Ray's `map_batches` take. A few batches are read ahead.

        Args:
            batches: Record batches of one schema.
            column: The column of texts; None to find it.
            prefix: What to put before the names of the new columns.

        Raises:
            InputError: There is no such column, or a text is not UTF-8.
            UsageError: The name of a new column is taken.
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
