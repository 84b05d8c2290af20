"""Scores an input's windows in a pipeline: while threads score a block of them, the next one is read and encoded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.columns import count_bytes, count_dictionary_bytes
from sentscore.jobs.journal import BlockScores, Journal, Scores
from sentscore.model.engine import Engine, Scoring
from sentscore.progress import Progress
from sentscore.scorer import Scorer
from sentscore.sources.source import WINDOW_BYTES, Source, Window
from sentscore.text.encoder import MOSTLY_UNKNOWN, TRUNCATED
from sentscore.text.processes import DistinctTexts, join_distinct

BLOCK_ROWS: Final = 8_192
"""The most rows that are sorted by length together on a CPU."""

CUDA_BLOCK_ROWS: Final = 65_536
"""The most rows that are sorted by length together on a GPU. cuDNN takes time by the longest text of each batch, so
that batches have to be large and of texts of like length."""

FIRST_ROWS: Final = 1_024
"""The most rows of the first block on a CPU. It is small because every thread waits while it is read and encoded."""

_CUDA_BLOCK_BYTES: Final = 4 * WINDOW_BYTES  # 65,536 film reviews have 85 MB
_ENCODED_ROWS: Final = 8_192  # the most rows that are encoded together
_BLOCKS_AT_WORK: Final = 2  # the last batches of one leave no thread idle while the next one is there
_POLL_S: Final = 0.25  # between two looks at how far the scoring is


@dataclass
class Stages:
    """Where a job's time went, in seconds, and what it scored.

    Attributes:
        read: The time of the main thread for reading and decoding the input.
        encode: The time of the main thread for turning texts into token ids, or waiting for the processes that do it.
        wait: The time of the main thread for waiting for scores.
        write: The time of the main thread for writing the output, or waiting for the thread that does it.
        score: The time that the models took, summed over all threads.
        tokens: The tokens that were scored, by all models together; equal texts of a block count once.
        kept: The texts whose scores an earlier run had left.
        truncated: The texts of which only the first and the last tokens were scored.
        mostly_unknown: The texts more than half of whose tokens the vocabulary does not know.
    """

    read: float = 0.0
    encode: float = 0.0
    wait: float = 0.0
    write: float = 0.0
    score: float = 0.0
    tokens: int = 0
    kept: int = 0
    truncated: int = 0
    mostly_unknown: int = 0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the time that the body takes to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, stage, getattr(self, stage) + time.perf_counter() - began)


@dataclass
class _Block:
    """Windows that are scored together.

    Attributes:
        windows: The windows in order.
        scores: The scores, those that an earlier run has left among them.
        kept: The number of rows that an earlier run has scored.
        scorings: The scores that are being computed.
    """

    windows: list[Window]
    scores: BlockScores
    kept: int
    scorings: list[Scoring] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(len(window.texts) for window in self.windows)

    @property
    def share_done(self) -> float:
        tokens = sum(scoring.tokens for scoring in self.scorings)
        done = sum(scoring.tokens_done for scoring in self.scorings) / tokens if tokens else 1.0
        return (self.kept + done * (self.rows - self.kept)) / self.rows if self.rows else 1.0


@dataclass
class _Part:
    """Rows of a block that are encoded together.

    Attributes:
        block: The block.
        rows: Which of its rows, int64 [n].
        encoded: Their texts as token ids, by the sha256 of the vocabulary, a future for each `_ENCODED_ROWS` of them.
        ends_block: Whether they are the block's last ones.
    """

    block: _Block
    rows: npt.NDArray[np.int64]
    encoded: dict[str, list[Future[DistinctTexts]]]
    ends_block: bool

    @property
    def results(self) -> int:
        """How many results of `encode` it waits for; at least 1."""
        return max([1, *map(len, self.encoded.values())])

    def join(self, encoding: str) -> DistinctTexts:
        """Returns the texts as token ids of a vocabulary, once all of them are encoded."""
        return join_distinct([future.result() for future in self.encoded[encoding]])


def score_blocks(
    source: Source,
    scorers: Sequence[Scorer],
    pool: Executor,
    stages: Stages,
    *,
    journal: Journal | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[list[Window], Scores]]:
    """Yields the windows in order, a block of them at a time, with each model's scores of the block's rows.

    Args:
        source: The input.
        scorers: The models.
        pool: The threads that score.
        stages: Gets the time of everything but the writing.
        journal: Holds the scores of an earlier run, and gets those of this one.
        on_progress: Is called a few times a second, and whenever a block is done.
    """
    at_work: deque[_Block] = deque()
    rows = kept = position = 0  # of what was yielded

    def report() -> None:
        done, bytes_done = float(rows), float(position)
        for block in at_work:
            done += block.share_done * block.rows
            bytes_done += block.share_done * (block.windows[-1].position - bytes_done)
        if on_progress is not None:
            on_progress(Progress(source.name, int(done), source.rows, int(bytes_done), source.size, kept))

    def finish() -> tuple[list[Window], Scores]:
        nonlocal rows, kept, position
        block = at_work[0]
        with stages.timed("wait"):
            for scoring in block.scorings:
                while not scoring.wait(_POLL_S):
                    report()
                scoring.result()
        block.scores.finish()
        kept += block.kept
        stages.score += sum(scoring.seconds for scoring in block.scorings)
        stages.tokens += sum(scoring.tokens for scoring in block.scorings)
        stages.truncated += block.scores.count_flagged(TRUNCATED)
        stages.mostly_unknown += block.scores.count_flagged(MOSTLY_UNKNOWN)
        at_work.popleft()
        rows += block.rows
        position = block.windows[-1].position
        report()
        return block.windows, block.scores.scores

    for part in _encode_blocks(source, scorers, journal, stages):
        block = part.block
        if not at_work or block is not at_work[-1]:
            at_work.append(block)
        joined: dict[str, DistinctTexts] = {}
        for scorer in scorers:
            wanted = ~block.scores.known[scorer.name][part.rows]
            if wanted.any():
                encoding = scorer.artifact.encoding
                if encoding not in joined:
                    joined[encoding] = part.join(encoding)
                scoring = scorer.engine.submit(joined[encoding], pool, wanted=wanted)
                block.scorings.append(scoring)
                block.scores.follow(scorer.name, part.rows, scoring.scores_so_far, scoring.flags)
        part.encoded.clear()
        if part.ends_block and len(at_work) == _BLOCKS_AT_WORK:
            yield finish()
    while at_work:
        yield finish()


def _encode_blocks(
    source: Source, scorers: Sequence[Scorer], journal: Journal | None, stages: Stages
) -> Iterator[_Part]:
    """Yields the blocks in order, each in one part or two, with the texts encoded that the journal has no scores for.

    Models with the same vocabulary share the encoded texts. Reads as many parts ahead as the encoders can work on.
    """
    engines: dict[str, Engine] = {}
    for scorer in scorers:
        engines.setdefault(scorer.artifact.encoding, scorer.engine)
    blocks_ahead = max(engine.blocks_ahead for engine in engines.values())
    waiting: deque[_Part] = deque()
    names = [scorer.name for scorer in scorers]
    first = FIRST_ROWS if journal is not None and journal.keeps_parts else None

    def finish() -> _Part:
        with stages.timed("encode"):
            for futures in waiting[0].encoded.values():
                for future in futures:
                    future.result()
        return waiting.popleft()

    blocks = collect_blocks(source.windows, on_cuda=any(scorer.device == "cuda" for scorer in scorers))
    while True:
        with stages.timed("read"):
            windows = next(blocks, None)
        if windows is None:
            break
        texts = pa.chunked_array([window.texts for window in windows])
        with stages.timed("encode"):
            scores = journal.take(texts.chunks) if journal is not None else BlockScores(b"", names, len(texts))
            missing = scores.missing
            kept = ~missing & ~np.isnan(scores.scores[names[0]])
            stages.kept += int(np.count_nonzero(kept))
            block = _Block(windows, scores, int(np.count_nonzero(~missing)))
            places = np.flatnonzero(missing)
        # The first texts to score are few, for every thread waits while they are encoded.
        cuts = [places[:first], places[first:]] if first is not None and len(places) > first else [places]
        for number, rows in enumerate(cuts):
            with stages.timed("encode"):
                part_texts = texts if len(rows) == len(texts) else texts.take(pa.array(rows))
                encoded = {name: _encode(engine, part_texts) for name, engine in engines.items() if len(rows)}
            waiting.append(_Part(block, rows, encoded, ends_block=number == len(cuts) - 1))
            while waiting and sum(part.results for part in islice(waiting, 1, None)) >= blocks_ahead:
                yield finish()
        if len(places):
            first = None
    while waiting:
        yield finish()


def _encode(engine: Engine, texts: pa.ChunkedArray) -> list[Future[DistinctTexts]]:
    """Encodes at least one text, a few thousand together, so that several processes share those of a large block."""
    return [engine.encode(texts.slice(start, _ENCODED_ROWS)) for start in range(0, len(texts), _ENCODED_ROWS)]


def collect_blocks(windows: Iterable[Window], *, on_cuda: bool) -> Iterator[list[Window]]:
    """Collects windows, which may be as small as a file's row groups, into blocks; the first one on a CPU is small.

    Args:
        windows: The windows.
        on_cuda: Whether a GPU scores them, for which blocks are larger.
    """
    most_rows = CUDA_BLOCK_ROWS if on_cuda else BLOCK_ROWS
    most_bytes = _CUDA_BLOCK_BYTES if on_cuda else WINDOW_BYTES
    block: list[Window] = []
    rows = size = 0
    dictionaries: set[int] = set()
    most = most_rows if on_cuda else min(FIRST_ROWS, most_rows)  # on a GPU a small batch takes as long as a large one
    for window in _split_first(windows, most):
        # Texts of a dictionary have only there a place among the rows, and are longer than all of these.
        own = max(count_bytes(window.rows), window.texts.nbytes)
        own += count_dictionary_bytes(window.rows, dictionaries)
        if block and (rows + len(window.texts) > most or size + own > most_bytes):
            yield block
            block, rows, size = [], 0, 0
            dictionaries.clear()
            most = most_rows
        block.append(window)
        rows += len(window.texts)
        size += own
    if block:
        yield block


def _split_first(windows: Iterable[Window], rows: int) -> Iterator[Window]:
    """Yields the windows, the first of them cut in two after so many rows."""
    for number, window in enumerate(windows):
        if number or len(window.texts) <= rows:
            yield window
            continue
        yield replace(window, rows=window.rows.slice(0, rows), texts=window.texts.slice(0, rows), ends_group=False)
        yield replace(window, rows=window.rows.slice(rows), texts=window.texts.slice(rows))
