"""Runs a job: the windows of its input are scored and written, with the results appended, to its output."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from operator import add
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from sentscore._version import __version__
from sentscore.columns import added_names, result_columns
from sentscore.formats import Kind
from sentscore.jobs.counts import HISTOGRAM_BINS, ScoreCounts
from sentscore.jobs.explain import (
    EXPLANATION_TYPES,
    BlockExplainer,
    BlockProgress,
    describe_explanations,
    open_explainer,
)
from sentscore.jobs.job import Job
from sentscore.jobs.journal import FORMAT_VERSION, Journal, journal_place, open_journal, remove_journals
from sentscore.jobs.pipeline import Stages, score_blocks
from sentscore.jobs.writer import open_writer
from sentscore.model.cpu import describe_arithmetic
from sentscore.model.cuda import device_name
from sentscore.progress import Progress
from sentscore.scorer import Scorer
from sentscore.sinks import Shape, Target, open_sink
from sentscore.sources import STDIN, Source, open_source, open_stream, whole_files
from sentscore.text.normalize import VERSION as TEXT_VERSION

METADATA_KEY: Final = b"sentscore"
"""The key of the Parquet schema metadata that says what made the results."""


@dataclass(frozen=True)
class ModelSummary:
    """What one model did in a job.

    Attributes:
        name: Its name.
        device: What it ran on, `cpu` or `cuda`.
        precision: What it computed in: `fp32`, `tf32`, `int8` or `fp16`.
        positive: How many texts it scored as positive.
        histogram: How many scores are in each of 20 intervals of like width from 0 to 1, the last one with its end.
        score_sum: The sum of the scores.
    """

    name: str
    device: str
    precision: str
    positive: int
    histogram: tuple[int, ...] = (0,) * HISTOGRAM_BINS
    score_sum: float = 0.0

    def plus(self, other: ModelSummary) -> ModelSummary:
        """Returns what the model did in this job and in another one."""
        histogram = tuple(map(add, self.histogram, other.histogram))
        return replace(
            self,
            positive=self.positive + other.positive,
            histogram=histogram,
            score_sum=self.score_sum + other.score_sum,
        )


@dataclass(frozen=True)
class Summary:
    """What a job did.

    Attributes:
        name: The input.
        output: Where the results are.
        rows: The rows that were read and written.
        scored: The rows that have a score; the others have no text.
        models: What each model did.
        seconds: How long the job took, without loading the models and opening the input.
        stages: What that time was spent on.
        kept: The texts whose scores an earlier run had left.
    """

    name: str
    output: str
    rows: int
    scored: int
    models: tuple[ModelSummary, ...]
    seconds: float
    stages: Stages
    kept: int = 0

    @property
    def empty(self) -> int:
        """The rows without a text, whose results are null."""
        return self.rows - self.scored

    @property
    def truncated(self) -> int:
        """The texts of which only the first and the last tokens are scored."""
        return self.stages.truncated

    @property
    def mostly_unknown(self) -> int:
        """The texts more than half of whose tokens a model's vocabulary does not know, as those in another language."""
        return self.stages.mostly_unknown

    @property
    def rate(self) -> float:
        """The texts that this run scored in a second."""
        return (self.scored - self.kept) / self.seconds if self.seconds > 0 else 0.0

    def to_counts(self) -> dict[str, Any]:
        """Returns what a report and a log say of the rows and the time, by its name there."""
        return {
            "rows": self.rows,
            "scored": self.scored,
            "empty": self.empty,
            "truncated": self.truncated,
            "mostly_unknown": self.mostly_unknown,
            "kept": self.kept,
            "seconds": round(self.seconds, 3),
            "reviews_per_s": round(self.rate, 1),
        }


def check_inputs(
    jobs: Iterable[Job], added: Sequence[str], *, column: str | None = None, keep: Sequence[str] | None = None
) -> None:
    """Opens every input that can be opened twice, so that errors show before a model is loaded.

    Args:
        jobs: The jobs whose inputs are opened.
        added: The names of the columns that the outputs get.
        column: The column of texts; None to find it.
        keep: The columns of the input that the outputs have; None for all.

    Raises:
        InputError: An input cannot be read, or has no such column.
        UsageError: A column has one of the added names.
    """
    for job in jobs:
        for name in job.inputs:
            if not _can_reopen(name):
                continue
            # To look into a compressed Parquet file would be to decompress all of it.
            packed = job.format is not None and job.format.kind is Kind.PARQUET and job.format.compression is not None
            with open_stream(name) if job.whole or packed else _open_source(job, added, column, keep):
                pass


def run_job(
    job: Job,
    scorers: Sequence[Scorer],
    *,
    column: str | None = None,
    prefix: str = "",
    keep: Sequence[str] | None = None,
    resume: bool = False,
    explain: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Scores the input of a job into its output.

    Args:
        job: The input and where its scores go.
        scorers: The models, whose names differ.
        column: The column of texts; None to find it.
        prefix: What to put before the names of the new columns.
        keep: The columns of the input that the output has, in order; None for all.
        resume: Whether to carry on with the scores that a stopped run has left, and to leave them if this one stops.
        explain: How many words a row to explain the scores with; None for no explanations.
        on_progress: Is called as scores come in, or explanations if there are any.

    Raises:
        InputError: The input cannot be read.
        OutputError: The output cannot be written. Nothing is left of it then but, with `resume`, its scores.
        UsageError: The options do not fit the input.
    """
    names = [scorer.name for scorer in scorers]
    added = added_names(names, prefix, explained=explain is not None)
    stages = Stages()
    rows = empty = position = 0
    counts = {name: ScoreCounts() for name in names}
    with _open_source(job, added, column, keep) as source:
        began = time.perf_counter()
        schema = _append_results(source.schema, added, scorers, explain)
        shape = Shape(schema, source.text, len(added), codec=source.codec, raw_json=source.raw_json)
        with (
            _open_journal(job.target, scorers) if resume else nullcontext() as journal,
            _open_explainer(job.target, scorers, explain, resume=resume) as explainer,
            open_sink(job.target, source.kind, shape) as sink,
            open_writer(sink, in_thread=any(scorer.device == "cuda" for scorer in scorers)) as write,
            scorers[0].engine.pool() as pool,
        ):
            show = on_progress if explainer is None else None  # scores are soon there, explanations take long
            for windows, scores in score_blocks(source, scorers, pool, stages, journal=journal, on_progress=show):
                for name, probabilities in scores.items():
                    counts[name].add(probabilities)
                results = result_columns(scores)
                if explainer is not None:
                    report = partial(
                        _report, source, on_progress, rows=rows, position=position, end=windows[-1].position
                    )
                    results += explainer.explain(windows, scores, report)
                    position = windows[-1].position
                empty += results[0].null_count
                batches = []
                start = 0
                for window in windows:
                    columns = [result.slice(start, len(window.texts)) for result in results]
                    start += len(window.texts)
                    batch = pa.record_batch([*window.rows.columns, *columns], schema=schema)
                    batches.append((batch, window.ends_group))
                with stages.timed("write"):
                    write(batches)
                rows += start
    place = journal_place(job.target)
    if place is not None:  # those of a run with other options, too
        remove_journals(place)
    seconds = time.perf_counter() - began
    models = tuple(
        ModelSummary(scorer.name, scorer.device, scorer.precision, *counts[scorer.name].to_fields())
        for scorer in scorers
    )
    return Summary(source.name, job.target.name, rows, rows - empty, models, seconds, stages, stages.kept)


def provenance(scorers: Sequence[Scorer], explain: int | None = None) -> bytes:
    """Returns what the Parquet schema metadata says about where the results come from, as JSON.

    Args:
        scorers: The models.
        explain: How many words a row explain the scores; None for no explanations.
    """
    explained = {} if explain is None else {"explanations": describe_explanations(explain)}
    return json.dumps({"models": _describe_models(scorers), "version": __version__, **explained}).encode()


def describe_making(scorers: Sequence[Scorer], options: Mapping[str, object]) -> dict[str, object]:
    """Returns what an output depends on besides its input, as it stands in JSON.

    A score moves with the model and the precision alone, so the versions of sentscore and of libraries are not in it.
    """
    return {"models": _describe_models(scorers), "options": dict(options)}


def _describe_models(scorers: Sequence[Scorer]) -> list[dict[str, str]]:
    return [
        {"name": each.name, "manifest_sha256": each.manifest_sha256, "precision": each.precision} for each in scorers
    ]


def _open_source(
    job: Job, added: Sequence[str], column: str | None, keep: Sequence[str] | None
) -> AbstractContextManager[Source]:
    if job.whole:
        return nullcontext(whole_files(job.inputs))
    keep_json = job.target.format is None or job.target.format.kind is Kind.JSONL
    name, format = job.inputs[0], job.format
    return open_source(name, format=format, column=column, added=added, keep_json=keep_json, keep=keep)


def _open_journal(target: Target, scorers: Sequence[Scorer]) -> AbstractContextManager[Journal | None]:
    """Opens the journal of an output; there is none where the output is no file of its own."""
    place = journal_place(target)
    if place is None:
        return nullcontext()
    # On a GPU a score may differ in its last bits with what else is in its batch, so blocks stay whole there.
    keeps_parts = all(scorer.device != "cuda" for scorer in scorers)
    models = [scorer.name for scorer in scorers]
    return open_journal(place, _describe_origin(scorers), models, keeps_parts=keeps_parts)


def _open_explainer(
    target: Target, scorers: Sequence[Scorer], explain: int | None, *, resume: bool
) -> AbstractContextManager[BlockExplainer | None]:
    """Opens what explains the scores; there is none without a number of words."""
    if explain is None:
        return nullcontext()
    path = journal_place(target) if resume else None
    return open_explainer(path, scorers, explain, _describe_origin(scorers))


def _report(
    source: Source,
    on_progress: Callable[[Progress], None] | None,
    block: BlockProgress,
    *,
    rows: int,
    position: int,
    end: int,
) -> None:
    """Reports how far the explanations of a block are.

    Args:
        source: The input.
        on_progress: Gets the report.
        block: How far they are.
        rows: The rows before the block.
        position: The bytes of the input before the block.
        end: Those at its end.
    """
    if on_progress is not None:
        at = position + int(block.share * (end - position))
        on_progress(Progress(source.name, rows + block.done, source.rows, at, source.size, block.kept))


def _describe_origin(scorers: Sequence[Scorer]) -> bytes:
    """Returns all that scores depend on besides the texts, as a JSON object on one line."""
    devices = [scorer.device for scorer in scorers]
    depends_on = {
        "format_version": FORMAT_VERSION,
        "devices": devices,
        "gpu": device_name() if "cuda" in devices else None,
        "arithmetic": describe_arithmetic(),
        "text": TEXT_VERSION,
        "tokenizer": [scorer.vocabulary.rules.spacy_version for scorer in scorers],
        "normalization": [scorer.vocabulary.normalization for scorer in scorers],
        "libraries": [f"Python {platform.python_version()}", f"pyarrow {pa.__version__}"],
    }
    return json.dumps({**depends_on, **json.loads(provenance(scorers))}).encode()


def _append_results(
    schema: pa.Schema, added: Sequence[str], scorers: Sequence[Scorer], explain: int | None
) -> pa.Schema:
    """Returns the schema with the columns of the results and the metadata that says what made them."""
    no_scores = {scorer.name: np.empty(0, np.float32) for scorer in scorers}
    types = [column.type for column in result_columns(no_scores)]
    types += [] if explain is None else [*EXPLANATION_TYPES] * len(scorers)
    for name, kind in zip(added, types, strict=True):
        schema = schema.append(pa.field(name, kind))
    return schema.with_metadata({**(schema.metadata or {}), METADATA_KEY: provenance(scorers, explain)})


def _can_reopen(name: str) -> bool:
    """Returns whether an input can be opened again later: not so for stdin and pipes."""
    path = Path(name)
    return name != STDIN and (path.is_file() or path.is_dir() or not path.exists())
