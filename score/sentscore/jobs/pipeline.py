"""Scores an input's windows in a pipeline: while threads score a block of them, the next is read and encoded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.jobs.journal import Journal, Scores
from sentscore.sources.source import WINDOW_BYTES, Source, Window

BLOCK_ROWS: Final = 8_192
"""Rows that are sorted by length together."""

FIRST_ROWS: Final = 1_024
"""Rows of the first block: scored while the next is encoded, where else every thread would wait for a whole block."""

_AHEAD: Final = 2  # blocks at work: the last batches of one leave no thread idle while the next is there
_POLL_S: Final = 0.25  # between two looks at how far the scoring is


class Pending(Protocol):
    """Texts that are being scored, as `scorer.Scoring` is; `seconds` are those of all threads in the model."""

    tokens: int
    tokens_done: int
    seconds: float

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
        """What it computes in: fp32, int8 or fp16."""

    @property
    def ahead(self) -> int:
        """How many calls of `encode` should wait for their result at a time."""

    def pool(self) -> AbstractContextManager[Executor]:
        """Threads to `submit` to."""

    def encode(self, texts: pa.ChunkedArray) -> Future[Any]:
        """Encodes texts, now or in other processes, into what `submit` takes."""

    def submit(self, texts: Any, pool: Executor) -> Pending:  # noqa: ANN401 - each model has its own
        """Leaves encoded texts to the pool's threads to score."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        name: the input.
        rows: rows done.
        total: how many there are; None where that is not known.
        position: bytes of the input taken in.
        size: how many bytes it has; None where that is not known.
        kept: rows done whose scores a run before had left.
    """

    name: str
    rows: int
    total: int | None
    position: int
    size: int | None
    kept: int = 0


@dataclass
class Stages:
    """Where a job's time went, in seconds.

    Attributes:
        read: of the main thread, reading and decoding the input.
        encode: of the main thread, from texts to token ids, or waiting for the processes that do it.
        wait: of the main thread, waiting for scores.
        write: of the main thread, writing the output.
        score: of all threads together, in the models.
        tokens: that were scored, by all models together; equal texts of a block count once.
        kept: texts whose scores a run before had left.
    """

    read: float = 0.0
    encode: float = 0.0
    wait: float = 0.0
    write: float = 0.0
    score: float = 0.0
    tokens: int = 0
    kept: int = 0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the block's time to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, stage, getattr(self, stage) + time.perf_counter() - began)


@dataclass
class _Kept:
    """Scores that a run before has left: a `Pending` that is done."""

    scores: npt.NDArray[np.float32]
    tokens: int = 0
    tokens_done: int = 0
    seconds: float = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        return True

    def result(self) -> npt.NDArray[np.float32]:
        return self.scores


@dataclass(frozen=True)
class _Block:
    """Windows that are being scored together."""

    windows: list[Window]
    kept: bool  # whether the scores are those of a run before
    pending: list[Pending]  # one a model

    @property
    def rows(self) -> int:
        return sum(len(window.texts) for window in self.windows)

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        tokens = sum(pending.tokens for pending in self.pending)
        return sum(pending.tokens_done for pending in self.pending) / tokens if tokens else 1.0


def scored(
    source: Source,
    scorers: Sequence[TextScorer],
    pool: Executor,
    stages: Stages,
    *,
    journal: Journal | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[list[Window], dict[str, npt.NDArray[np.float32]]]]:
    """Yields the windows in order, some at a time, with each model's scores of their rows on end.

    Args:
        source: the input.
        scorers: the models.
        pool: threads that score.
        stages: gets the time of all but the writing added.
        journal: has scores of a run before, and gets those of this one.
        on_progress: called a few times a second, and whenever a block is done.
    """
    in_flight: deque[_Block] = deque()
    rows = kept = position = 0  # of what was yielded

    def report() -> None:
        done, taken_in = float(rows), float(position)
        for block in in_flight:
            done += block.share * block.rows
            taken_in += block.share * (block.windows[-1].position - taken_in)
        if on_progress is not None:
            on_progress(Progress(source.name, int(done), source.rows, int(taken_in), source.size, kept))

    def finish(block: _Block) -> tuple[list[Window], dict[str, npt.NDArray[np.float32]]]:
        nonlocal rows, kept, position
        with stages.timed("wait"):
            for pending in block.pending:
                while on_progress is not None and not pending.wait(_POLL_S):
                    report()
            scores = {scorer.name: each.result() for scorer, each in zip(scorers, block.pending, strict=True)}
        stages.score += sum(pending.seconds for pending in block.pending)
        stages.tokens += sum(pending.tokens for pending in block.pending)
        if block.kept:
            kept += block.rows
            stages.kept += int(np.count_nonzero(~np.isnan(scores[scorers[0].name])))
        elif journal is not None:
            with stages.timed("write"):
                journal.add(scores)
        in_flight.popleft()
        rows += block.rows
        position = block.windows[-1].position
        report()
        return block.windows, scores

    for windows, found, encoded in _encoded(source, scorers, journal, stages):
        pending: list[Pending]
        if found is not None:
            pending = [_Kept(found[scorer.name]) for scorer in scorers]
        else:
            pending = [scorer.submit(texts, pool) for scorer, texts in zip(scorers, encoded, strict=True)]
        in_flight.append(_Block(windows, found is not None, pending))
        if len(in_flight) == _AHEAD:
            yield finish(in_flight[0])
    while in_flight:
        yield finish(in_flight[0])


def _encoded(
    source: Source, scorers: Sequence[TextScorer], journal: Journal | None, stages: Stages
) -> Iterator[tuple[list[Window], Scores | None, list[Any]]]:
    """Yields blocks in order, each with its scores in the journal or with what each model's `encode` made of it.

    Reads ahead as far as the models say.
    """
    waiting: deque[tuple[list[Window], Scores | None, list[Future[Any]]]] = deque()
    ahead = max(scorer.ahead for scorer in scorers)

    def first() -> tuple[list[Window], Scores | None, list[Any]]:
        windows, found, futures = waiting.popleft()
        with stages.timed("encode"):
            return windows, found, [future.result() for future in futures]

    blocks = _blocks(source.windows)
    while True:
        with stages.timed("read"):
            windows = next(blocks, None)
        if windows is None:
            break
        with stages.timed("encode"):
            parts = [window.texts for window in windows]
            found = journal.take(parts) if journal is not None else None
            futures = [scorer.encode(pa.chunked_array(parts)) for scorer in scorers] if found is None else []
            waiting.append((windows, found, futures))
        if len(waiting) > ahead:
            yield first()
    while waiting:
        yield first()


def _blocks(windows: Iterable[Window]) -> Iterator[list[Window]]:
    """Collects windows, which may be as small as a file's row groups, into blocks; the first is a small one."""
    block: list[Window] = []
    rows = size = 0
    most = min(FIRST_ROWS, BLOCK_ROWS)
    for window in _first_in_two(windows, most):
        if block and (rows + len(window.texts) > most or size + window.rows.nbytes > WINDOW_BYTES):
            yield block
            block, rows, size = [], 0, 0
            most = BLOCK_ROWS
        block.append(window)
        rows += len(window.texts)
        size += window.rows.nbytes
    if block:
        yield block


def _first_in_two(windows: Iterable[Window], rows: int) -> Iterator[Window]:
    """The windows, the first of them cut after so many rows."""
    for number, window in enumerate(windows):
        if number or len(window.texts) <= rows:
            yield window
            continue
        yield replace(window, rows=window.rows.slice(0, rows), texts=window.texts.slice(0, rows), ends_group=False)
        yield replace(window, rows=window.rows.slice(rows), texts=window.texts.slice(rows))
