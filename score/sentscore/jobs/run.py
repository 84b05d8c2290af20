"""Scores a whole input into a whole output: windows in, the same windows with results appended out."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from sentscore._version import __version__
from sentscore.columns import POSITIVE_FROM, result_columns, result_names
from sentscore.formats import Kind
from sentscore.jobs.journal import FORMAT_VERSION, Journal, open_journal, remove_journal
from sentscore.jobs.pipeline import Progress, Stages, TextScorer, scored
from sentscore.jobs.plan import Job
from sentscore.model.cpu import arithmetic
from sentscore.model.cuda import device_name
from sentscore.sinks import Shape, Target, open_sink
from sentscore.sources import STDIN, Source, open_source, open_stream, whole_files
from sentscore.text.rules import stored_rules

METADATA_KEY: Final = b"sentscore"
"""The key of the Parquet schema metadata that says what made the results."""


@dataclass(frozen=True)
class ModelSummary:
    """What one model made of a job: how many texts it scored as positive, on what device and in what precision."""

    name: str
    device: str
    precision: str
    positive: int


@dataclass(frozen=True)
class Summary:
    """What a job did.

    Attributes:
        name: the input.
        output: where the results are.
        rows: rows read and written.
        scored: those of them with a score; the others had no text.
        models: what each model made of it.
        seconds: how long it took, loading the models aside.
        stages: where they went.
        kept: texts whose scores a run that was stopped had left.
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
        """Rows without a text, which got nulls."""
        return self.rows - self.scored

    @property
    def rate(self) -> float:
        """Texts a second that this run scored."""
        return (self.scored - self.kept) / self.seconds if self.seconds > 0 else 0.0


def check_inputs(jobs: Sequence[Job], added: Sequence[str], *, column: str | None = None) -> None:
    """Opens every input that can be opened twice, so that a wrong one is told before a model is loaded.

    Raises:
        InputError: An input cannot be read, or has no such column.
        UsageError: A column has one of the added names.
    """
    for job in jobs:
        if not _can_reopen(job.input):
            continue
        if job.format and job.format.kind is Kind.PARQUET and job.format.compression:
            check_readable([job.input])  # to look into it would be to decompress all of it
            continue
        with _opened(job, column, added):
            pass


def check_readable(inputs: Sequence[str]) -> None:
    """Opens every input that can be opened twice, and looks no further.

    Raises:
        InputError: An input cannot be read.
    """
    for name in inputs:
        if _can_reopen(name):
            with open_stream(name):
                pass


def score_file(
    job: Job,
    scorers: Sequence[TextScorer],
    *,
    column: str | None = None,
    prefix: str = "",
    manifests: Mapping[str, str] | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Scores an input.

    Args:
        job: the input and where its scores go.
        scorers: the models, each of another name.
        column: the column of texts; None to find it by itself.
        prefix: put before the names of the results' columns.
        manifests: the sha256 of each model's manifest, by the model's name, stored in a Parquet output.
        resume: whether to carry on with the scores of a run that was stopped, and to leave them if this one is.
        on_progress: called as scores come in.

    Raises:
        InputError: The input cannot be read.
        OutputError: The output cannot be written; nothing is left of it then but, with `resume`, its scores.
        UsageError: The options do not fit the input.
    """
    added = result_names([scorer.name for scorer in scorers], prefix)
    with _opened(job, column, added) as source:
        return _score(
            source, job.target, scorers, added=added, manifests=manifests, resume=resume, on_progress=on_progress
        )


def score_whole(
    inputs: Sequence[str],
    target: Target,
    scorers: Sequence[TextScorer],
    *,
    prefix: str = "",
    manifests: Mapping[str, str] | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Scores files that are one text each into one table with the columns `file` and the results.

    Args:
        inputs: paths, or `-` for stdin.
        target: where the table goes.
        scorers: the models, each of another name.
        prefix: put before the names of the results' columns.
        manifests: the sha256 of each model's manifest, by the model's name, stored in a Parquet output.
        resume: whether to carry on with the scores of a run that was stopped, and to leave them if this one is.
        on_progress: called as scores come in.

    Raises:
        InputError: An input cannot be read.
        OutputError: The output cannot be written; nothing is left of it then but, with `resume`, its scores.
    """
    added = result_names([scorer.name for scorer in scorers], prefix)
    source = whole_files(inputs)
    return _score(source, target, scorers, added=added, manifests=manifests, resume=resume, on_progress=on_progress)


def provenance(scorers: Sequence[TextScorer], manifests: Mapping[str, str]) -> bytes:
    """Returns what the Parquet schema metadata says of where the results come from, as JSON."""
    entries = [
        {"name": each.name, "manifest_sha256": manifests.get(each.name), "precision": each.precision}
        for each in scorers
    ]
    return json.dumps({"models": entries, "version": __version__}).encode()


def _opened(job: Job, column: str | None, added: Sequence[str]) -> AbstractContextManager[Source]:
    target = job.target.format
    keep_json = target is None or target.kind is Kind.JSONL
    return open_source(job.input, format=job.format, column=column, added=added, keep_json=keep_json)


def _score(
    source: Source,
    target: Target,
    scorers: Sequence[TextScorer],
    *,
    added: Sequence[str],
    manifests: Mapping[str, str] | None,
    resume: bool,
    on_progress: Callable[[Progress], None] | None,
) -> Summary:
    began = time.perf_counter()
    names = [scorer.name for scorer in scorers]
    # What no rows become has the types that any rows' results have.
    kinds = [column.type for column in result_columns(dict.fromkeys(names, np.empty(0, np.float32)))]
    schema = _with_results(source.schema, added, kinds, provenance(scorers, manifests or {}))
    shape = Shape(schema, source.text, len(added), codec=source.codec, raw_json=source.raw_json)
    stages = Stages()
    rows = empty = 0
    positive = dict.fromkeys(names, 0)
    with (
        _journal(target, scorers, manifests) if resume else nullcontext() as journal,
        open_sink(target, source.kind, shape) as sink,
        scorers[0].pool() as pool,
    ):
        for windows, scores in scored(source, scorers, pool, stages, journal=journal, on_progress=on_progress):
            for name, of_model in scores.items():
                positive[name] += int(np.count_nonzero(of_model >= POSITIVE_FROM))
            results = result_columns(scores)
            empty += results[0].null_count
            start = 0
            for window in windows:
                added_here = [column.slice(start, len(window.texts)) for column in results]
                start += len(window.texts)
                batch = pa.record_batch([*window.rows.columns, *added_here], schema=schema)
                with stages.timed("write"):
                    sink.write(batch, ends_group=window.ends_group)
            rows += start
    if not resume and target.path is not None and not target.device:
        remove_journal(target.path)
    seconds = time.perf_counter() - began
    models = tuple(
        ModelSummary(scorer.name, scorer.device, scorer.precision, positive[scorer.name]) for scorer in scorers
    )
    return Summary(source.name, target.name, rows, rows - empty, models, seconds, stages, stages.kept)


def _journal(
    target: Target, scorers: Sequence[TextScorer], manifests: Mapping[str, str] | None
) -> AbstractContextManager[Journal | None]:
    """The journal of an output; none where no file is to be finished or nothing tells which weights are at work."""
    names = [scorer.name for scorer in scorers]
    if target.path is None or target.device or not manifests or set(names) - set(manifests):
        return nullcontext()
    devices = [scorer.device for scorer in scorers]
    depends_on = {
        "format_version": FORMAT_VERSION,
        "devices": devices,
        "gpu": device_name() if "cuda" in devices else None,
        "arithmetic": arithmetic(),
        "tokenizer": stored_rules().spacy_version,
        "libraries": [f"Python {platform.python_version()}", f"pyarrow {pa.__version__}"],
    }
    made_by = json.dumps({**depends_on, **json.loads(provenance(scorers, manifests))})
    return open_journal(target.path, made_by.encode(), names)


def _with_results(schema: pa.Schema, added: Sequence[str], kinds: Sequence[pa.DataType], made_by: bytes) -> pa.Schema:
    for name, kind in zip(added, kinds, strict=True):
        schema = schema.append(pa.field(name, kind))
    return schema.with_metadata({**(schema.metadata or {}), METADATA_KEY: made_by})


def _can_reopen(name: str) -> bool:
    """Whether opening an input leaves its content for the next time: not so for stdin and pipes."""
    path = Path(name)
    return name != STDIN and (path.is_file() or path.is_dir() or not path.exists())
