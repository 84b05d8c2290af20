"""Scores a whole input into a whole output: windows in, the same windows with results appended out."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore._version import __version__
from sentscore.formats import Kind
from sentscore.results import POSITIVE_FROM, result_columns, result_names
from sentscore.sinks import Job, Shape, Target, open_sink
from sentscore.sources import STDIN, Source, Window, open_source, open_stream, whole_files
from sentscore.sources.window import WINDOW_BYTES

METADATA_KEY: Final = b"sentscore"
"""The key of the Parquet schema metadata that says what made the results."""

BLOCK_ROWS: Final = 8_192
"""Rows that are sorted by length together; while one block is scored, the next is read and encoded."""

_POLL_S: Final = 0.25  # between two looks at how far the scoring is


class Pending(Protocol):
    """Texts that are being scored, as `scorer.Scoring` is."""

    tokens: int
    tokens_done: int

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for so many seconds at most; returns whether `result` would wait no longer."""

    def result(self) -> npt.NDArray[np.float32]:
        """Returns the probability that each text is positive [n]; NaN where there is nothing to score."""


class TextScorer(Protocol):
    """What a job needs of a model, as `scorer.Scorer` has it."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def device(self) -> str:
        """What it runs on: cpu or cuda."""

    @property
    def precision(self) -> str:
        """What it computes in: fp32 or int8."""

    def pool(self) -> AbstractContextManager[Executor]:
        """Threads to `submit` to."""

    def submit(self, texts: pa.ChunkedArray, pool: Executor) -> Pending:
        """Leaves texts to the pool's threads to score."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        name: the input.
        rows: rows done.
        total: how many there are; None where that is not known.
        position: bytes of the input taken in.
        size: how many bytes it has; None where that is not known.
    """

    name: str
    rows: int
    total: int | None
    position: int
    size: int | None


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
    """

    name: str
    output: str
    rows: int
    scored: int
    models: tuple[ModelSummary, ...]
    seconds: float

    @property
    def empty(self) -> int:
        """Rows without a text, which got nulls."""
        return self.rows - self.scored

    @property
    def rate(self) -> float:
        """Scored texts a second."""
        return self.scored / self.seconds if self.seconds > 0 else 0.0


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
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Scores an input.

    Args:
        job: the input and where its scores go.
        scorers: the models, each of another name.
        column: the column of texts; None to find it by itself.
        prefix: put before the names of the results' columns.
        manifests: the sha256 of each model's manifest, by the model's name, stored in a Parquet output.
        on_progress: called as scores come in.

    Raises:
        InputError: The input cannot be read.
        OutputError: The output cannot be written; nothing is left of it then.
        UsageError: The options do not fit the input.
    """
    added = result_names([scorer.name for scorer in scorers], prefix)
    with _opened(job, column, added) as source:
        return _score(source, job.target, scorers, added=added, manifests=manifests, on_progress=on_progress)


def score_whole(
    inputs: Sequence[str],
    target: Target,
    scorers: Sequence[TextScorer],
    *,
    prefix: str = "",
    manifests: Mapping[str, str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Scores files that are one text each into one table with the columns `file` and the results.

    Args:
        inputs: paths, or `-` for stdin.
        target: where the table goes.
        scorers: the models, each of another name.
        prefix: put before the names of the results' columns.
        manifests: the sha256 of each model's manifest, by the model's name, stored in a Parquet output.
        on_progress: called as scores come in.

    Raises:
        InputError: An input cannot be read.
        OutputError: The output cannot be written; nothing is left of it then.
    """
    added = result_names([scorer.name for scorer in scorers], prefix)
    return _score(whole_files(inputs), target, scorers, added=added, manifests=manifests, on_progress=on_progress)


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
    on_progress: Callable[[Progress], None] | None,
) -> Summary:
    began = time.perf_counter()
    names = [scorer.name for scorer in scorers]
    # What no rows become has the types that any rows' results have.
    kinds = [column.type for column in result_columns(dict.fromkeys(names, np.empty(0, np.float32)))]
    schema = _with_results(source.schema, added, kinds, provenance(scorers, manifests or {}))
    shape = Shape(schema, source.text, len(added), codec=source.codec, raw_json=source.raw_json)
    rows = empty = 0
    positive = dict.fromkeys(names, 0)
    with open_sink(target, source.kind, shape) as sink, scorers[0].pool() as pool:
        for windows, scores in _scored(source, scorers, pool, on_progress):
            for name, of_model in scores.items():
                positive[name] += int(np.count_nonzero(of_model >= POSITIVE_FROM))
            results = result_columns(scores)
            empty += results[0].null_count
            start = 0
            for window in windows:
                added_here = [column.slice(start, len(window.texts)) for column in results]
                start += len(window.texts)
                batch = pa.record_batch([*window.rows.columns, *added_here], schema=schema)
                sink.write(batch, ends_group=window.ends_group)
            rows += start
    seconds = time.perf_counter() - began
    models = tuple(
        ModelSummary(scorer.name, scorer.device, scorer.precision, positive[scorer.name]) for scorer in scorers
    )
    return Summary(source.name, target.name, rows, rows - empty, models, seconds)


@dataclass(frozen=True)
class _Block:
    """Windows that are being scored together."""

    windows: list[Window]
    pending: list[Pending]  # one a model

    @property
    def rows(self) -> int:
        return sum(len(window.texts) for window in self.windows)

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        tokens = sum(pending.tokens for pending in self.pending)
        return sum(pending.tokens_done for pending in self.pending) / tokens if tokens else 1.0


def _scored(
    source: Source,
    scorers: Sequence[TextScorer],
    pool: Executor,
    on_progress: Callable[[Progress], None] | None,
) -> Iterator[tuple[list[Window], dict[str, npt.NDArray[np.float32]]]]:
    """Yields windows in order with each model's scores of them; reads on while the ones before are scored."""
    in_flight: deque[_Block] = deque()
    rows = position = 0  # of what was yielded

    def report() -> None:
        done, taken_in = float(rows), float(position)
        for block in in_flight:
            done += block.share * block.rows
            taken_in += block.share * (block.windows[-1].position - taken_in)
        if on_progress is not None:
            on_progress(Progress(source.name, int(done), source.rows, int(taken_in), source.size))

    def finish(block: _Block) -> tuple[list[Window], dict[str, npt.NDArray[np.float32]]]:
        nonlocal rows, position
        for pending in block.pending:
            while on_progress is not None and not pending.wait(_POLL_S):
                report()
        scores = {scorer.name: each.result() for scorer, each in zip(scorers, block.pending, strict=True)}
        in_flight.popleft()
        rows += block.rows
        position = block.windows[-1].position
        report()
        return block.windows, scores

    for windows in _blocks(source.windows):
        texts = pa.chunked_array([window.texts for window in windows])
        in_flight.append(_Block(windows, [scorer.submit(texts, pool) for scorer in scorers]))
        if len(in_flight) > 1:
            yield finish(in_flight[0])
    while in_flight:
        yield finish(in_flight[0])


def _blocks(windows: Iterable[Window]) -> Iterator[list[Window]]:
    """Collects windows, which may be as small as a file's row groups, into blocks."""
    block: list[Window] = []
    rows = size = 0
    for window in windows:
        if block and (rows + len(window.texts) > BLOCK_ROWS or size + window.rows.nbytes > WINDOW_BYTES):
            yield block
            block, rows, size = [], 0, 0
        block.append(window)
        rows += len(window.texts)
        size += window.rows.nbytes
    if block:
        yield block


def _with_results(schema: pa.Schema, added: Sequence[str], kinds: Sequence[pa.DataType], made_by: bytes) -> pa.Schema:
    for name, kind in zip(added, kinds, strict=True):
        schema = schema.append(pa.field(name, kind))
    return schema.with_metadata({**(schema.metadata or {}), METADATA_KEY: made_by})


def _can_reopen(name: str) -> bool:
    """Whether opening an input leaves its content for the next time: not so for stdin and pipes."""
    path = Path(name)
    return name != STDIN and (path.is_file() or path.is_dir() or not path.exists())
