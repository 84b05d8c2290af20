"""Explains the scores of a job's rows: the words that moved each score most, and their effects.

A journal of its own keeps the explanations of a job that is stopped, as numbers: which word, and what effect. The words
themselves are in the texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.jobs.journal import BlockScores, Journal, Scores, open_journal
from sentscore.occlusion import VERSION, Explainer
from sentscore.scorer import Scorer
from sentscore.sources.source import Window

EXPLANATION_TYPES: Final = (pa.list_(pa.string()), pa.list_(pa.float32()))
"""The types of the two columns that a model's explanations get."""

_NO_WORD: Final = -1  # the index where a text has fewer words than are asked for

_Floats = npt.NDArray[np.float32]


def describe_explanations(count: int) -> dict[str, object]:
    """Returns what the explanations depend on besides texts and models, as JSON has it."""
    return {"method": "occlusion", "version": VERSION, "words": count}


@dataclass(frozen=True)
class BlockProgress:
    """How far the explanations of a block are.

    Attributes:
        done: The block's rows that are explained, or need not be.
        rows: The block's rows.
        kept: The rows of all blocks so far that an earlier run has explained.
    """

    done: int
    rows: int
    kept: int

    @property
    def share(self) -> float:
        """The share of the block that is done."""
        return self.done / self.rows if self.rows else 1.0


class BlockExplainer:
    """Explains the scores of a job's blocks, in order.

    Args:
        scorers: The models.
        count: The most words of a row.
        pool: The threads that score.
        journal: Holds the explanations of an earlier run, and gets those of this one; None for none.
    """

    def __init__(self, scorers: Sequence[Scorer], count: int, pool: Executor, journal: Journal | None) -> None:
        self._explainers = {scorer.name: Explainer(scorer.engine) for scorer in scorers}
        self._threads = scorers[0].threads
        self._count = count
        self._pool = pool
        self._journal = journal
        self._kept = 0  # rows that an earlier run has explained

    def explain(
        self, windows: Sequence[Window], scores: Scores, report: Callable[[BlockProgress], None] = lambda progress: None
    ) -> list[pa.Array]:
        """Returns the columns that `explanation_names` names for the rows of a block, null where there is no score.

        Args:
            windows: The block.
            scores: Each model's scores of its rows.
            report: Is called after each text.
        """
        texts = [text for window in windows for text in window.texts.to_pylist()]
        names = _journal_names(list(self._explainers), self._count)
        if self._journal is not None:
            block = self._journal.take([window.texts for window in windows])
        else:
            block = BlockScores(b"", names, len(texts))
        found = {name: np.full(len(texts), np.nan, np.float32) for name in names}
        for name in names:
            block.follow(name, np.arange(len(texts)), partial(found.__getitem__, name))
        scored = ~np.all([np.isnan(values) for values in scores.values()], axis=0)
        wanted = block.missing & scored
        self._kept += int(np.count_nonzero(~block.missing & scored))
        self._explain_rows(texts, wanted, found, report)
        block.finish()
        columns: list[pa.Array] = []
        for model, explainer in self._explainers.items():
            model_names = _journal_names([model], self._count)
            values = np.stack([block.scores[name] for name in model_names], axis=1)
            columns += _make_columns(explainer, texts, np.isnan(scores[model]), values)
        return columns

    def _explain_rows(
        self,
        texts: Sequence[str | None],
        wanted: npt.NDArray[np.bool_],
        found: dict[str, _Floats],
        report: Callable[[BlockProgress], None],
    ) -> None:
        """Explains some rows, equal texts once, a few at a time: one short text would leave threads idle.

        Args:
            texts: The texts of all rows [n].
            wanted: Which rows to explain, bool [n].
            found: Gets the numbers of the explanations, float32 [n] by their names in the journal.
            report: As in `explain`.
        """
        rows: dict[str, list[int]] = {}
        for row in np.flatnonzero(wanted).tolist():
            rows.setdefault(texts[row] or "", []).append(row)
        done = len(texts) - int(np.count_nonzero(wanted))
        report(BlockProgress(done, len(texts), self._kept))

        def explain(text: str) -> int:
            for model, explainer in self._explainers.items():
                values = _to_numbers(explainer, text, self._count, self._pool)
                for name, value in zip(_journal_names([model], self._count), values, strict=True):
                    found[name][rows[text]] = value
            return len(rows[text])

        with ThreadPoolExecutor(self._threads, thread_name_prefix="explain") as executor:
            try:
                for future in as_completed([executor.submit(explain, text) for text in rows]):
                    done += future.result()
                    report(BlockProgress(done, len(texts), self._kept))
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                raise


@contextmanager
def open_explainer(
    output: Path | None, scorers: Sequence[Scorer], count: int, made_by: bytes
) -> Iterator[BlockExplainer]:
    """Opens what explains a job's blocks.

    Args:
        output: The file whose journal keeps the explanations; None to keep none.
        scorers: The models.
        count: The most words of a row.
        made_by: All that the scores depend on, as a JSON object.
    """
    names = _journal_names([scorer.name for scorer in scorers], count)
    header = json.dumps({**json.loads(made_by), "explanations": describe_explanations(count)}).encode()
    with (
        open_journal(output, header, names, kind="explanations") if output is not None else nullcontext() as journal,
        scorers[0].engine.pool() as pool,
    ):
        yield BlockExplainer(scorers, count, pool, journal)


def _journal_names(models: Sequence[str], count: int) -> list[str]:
    """Returns the names of the numbers that the journal keeps of a row: which words, and their effects."""
    return [f"{model} {what} {number}" for model in models for what in ("word", "effect") for number in range(count)]


def _to_numbers(explainer: Explainer, text: str, count: int, pool: Executor) -> list[float]:
    """Returns the indexes of the strongest words [count], then their effects [count]."""
    explanation = explainer.explain(text, pool)
    strongest = explanation.strongest(count) if explanation is not None else []
    effects = [explanation.words[index].effect or 0.0 for index in strongest] if explanation is not None else []
    padding = count - len(strongest)
    return [*strongest, *[_NO_WORD] * padding, *effects, *[0.0] * padding]


def _make_columns(
    explainer: Explainer, texts: Sequence[str | None], is_null: npt.NDArray[np.bool_], values: _Floats
) -> list[pa.Array]:
    """Returns the words and the effects of one model, lists [n].

    Args:
        explainer: The model.
        texts: The texts [n].
        is_null: Which rows have no score, bool [n].
        values: What `_to_numbers` made of each row, float32 [n, 2 * count].
    """
    spelled: dict[tuple[str, bytes], list[str]] = {}
    words: list[list[str] | None] = []
    effects: list[_Floats | None] = []
    half = values.shape[1] // 2
    for text, null, row in zip(texts, is_null.tolist(), values, strict=True):
        if null or text is None:
            words.append(None)
            effects.append(None)
            continue
        indexes = row[:half][row[:half] > _NO_WORD].astype(np.int64)
        key = (text, indexes.tobytes())
        if key not in spelled:
            tokens = explainer.split(text)
            spelled[key] = [tokens.text[each.start : each.stop] for each in map(tokens.words.__getitem__, indexes)]
        words.append(spelled[key])
        effects.append(row[half : half + len(indexes)])
    kinds = zip((words, effects), EXPLANATION_TYPES, strict=True)
    return [pa.array(column, kind) for column, kind in kinds]
