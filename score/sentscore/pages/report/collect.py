"""Reads scored files once, row by row, and keeps what a report tells of them, in memory that does not grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sentscore.columns import POSITIVE_FROM
from sentscore.pages.report.distributions import Distribution
from sentscore.pages.report.groups import GroupCounts, PeriodCounts
from sentscore.pages.report.layout import Layout
from sentscore.pages.report.rows import Rows, Scores, read_rows
from sentscore.pages.report.texts import TopTexts
from sentscore.progress import Report, silent
from sentscore.text.encoder import Encoder

AGREEMENT_BINS: Final = 10
"""The intervals of a score in the table of two models' scores."""


@dataclass
class ModelCounts:
    """What was counted of one model's scores.

    Attributes:
        scores: The distribution of the scores.
        positive: How many are positive.
    """

    scores: Distribution = field(default_factory=lambda: Distribution("share"))
    positive: int = 0

    def add(self, scores: Scores) -> None:
        """Adds scores, float32 [n]; NaN for none."""
        found = scores[~np.isnan(scores)]
        self.scores.add(found)
        self.positive += int(np.count_nonzero(found >= POSITIVE_FROM))


class Agreement:
    """Counts how two models' scores of the same texts go together.

    Args:
        texts: How many texts to keep in which they differ most.
        model: The index of the model whose explanations they keep.

    Attributes:
        sentiments: How many texts the first one (rows) and the second one (columns) call negative and positive,
            int64 [2, 2].
        grid: How many texts have the scores of both in which of ten intervals, int64 [AGREEMENT_BINS, AGREEMENT_BINS].
        difference: The sum of the differences without their signs.
        texts: Texts of which one says negative and the other positive, the largest difference first.
    """

    def __init__(self, texts: int, model: int) -> None:
        self.sentiments: npt.NDArray[np.int64] = np.zeros((2, 2), np.int64)
        self.grid: npt.NDArray[np.int64] = np.zeros((AGREEMENT_BINS, AGREEMENT_BINS), np.int64)
        self.difference = 0.0
        self.texts = TopTexts(texts, model)

    @property
    def size(self) -> int:
        """How many texts have both scores."""
        return int(self.sentiments.sum())

    @property
    def apart(self) -> int:
        """How many texts one model calls negative and the other positive."""
        return int(self.sentiments[0, 1] + self.sentiments[1, 0])

    def add(self, rows: Rows) -> None:
        """Adds rows with scores of two models at least; the first two count."""
        one, other = rows.scores[:2]
        difference = np.abs(one - other)
        both = ~np.isnan(difference)
        self.difference += float(difference[both].sum(dtype=np.float64))
        np.add.at(self.sentiments, tuple((each[both] >= POSITIVE_FROM).astype(np.int64) for each in (one, other)), 1)
        # In float64, as in Distribution.
        places = ((each[both].astype(np.float64) * AGREEMENT_BINS).astype(np.int64) for each in (one, other))
        np.add.at(self.grid, tuple(np.minimum(each, AGREEMENT_BINS - 1) for each in places), 1)
        is_apart = both & ((one >= POSITIVE_FROM) != (other >= POSITIVE_FROM))
        self.texts.add(rows, np.where(is_apart, difference, np.float32(np.nan)))


class Collected:
    """What was found in scored files.

    Args:
        layouts: The files, which have the same columns of scores.
        encoder: Knows words and not; None where no vocabulary is at hand or wanted.
        texts: How many texts of each kind to keep.
        model: The index of the model by whose scores they are chosen.

    Attributes:
        layouts: The files.
        model: The index of the model by whose scores texts are chosen.
        rows: How many rows there are.
        models: What was counted of each model's scores.
        lengths: The distribution of the texts' lengths in characters, of texts with a score.
        unknown: The distribution of the share of a text's tokens that the vocabulary does not know; None without one.
        groups: The scores by group; None if none are asked for.
        periods: The scores by time; None if none are asked for.
        positive: The texts with the largest scores.
        negative: Those with the smallest.
        uncertain: Those with scores next to 0.5.
        agreement: How the first two models' scores go together; None if there is one model.
    """

    def __init__(self, layouts: Sequence[Layout], *, encoder: Encoder | None, texts: int, model: int) -> None:
        first = layouts[0]
        models = len(first.scores)
        self.layouts = layouts
        self.model = model
        self.rows = 0
        self.models = [ModelCounts() for _ in range(models)]
        self.lengths = Distribution("length")
        self.unknown = Distribution("share") if encoder is not None else None
        self.groups = GroupCounts(models) if first.by is not None else None
        self.periods = PeriodCounts(models) if first.time is not None else None
        self.positive, self.negative, self.uncertain = (TopTexts(texts, model) for _ in range(3))
        self.agreement = Agreement(texts, model) if models > 1 else None
        self._encoder = encoder

    @property
    def scored(self) -> int:
        """How many rows have a score of the model."""
        return self.models[self.model].scores.size

    def add(self, rows: Rows) -> None:
        """Adds rows."""
        self.rows += len(rows)
        for counts, scores in zip(self.models, rows.scores, strict=True):
            counts.add(scores)
        if self.groups is not None and rows.groups is not None:
            self.groups.add(rows.groups, rows.scores)
        if self.periods is not None and rows.times is not None:
            self.periods.add(rows.times, rows.scores)
        scores = rows.scores[self.model]
        self._add_texts(rows, ~np.isnan(scores))
        self.positive.add(rows, scores)
        self.negative.add(rows, -scores)
        self.uncertain.add(rows, -np.abs(scores - np.float32(POSITIVE_FROM)))
        if self.agreement is not None:
            self.agreement.add(rows)

    def _add_texts(self, rows: Rows, scored: npt.NDArray[np.bool_]) -> None:
        if rows.texts is None:
            return
        texts = rows.texts.filter(scored)
        self.lengths.add(pc.utf8_length(texts).drop_null().to_numpy(zero_copy_only=False))
        if self._encoder is not None and self.unknown is not None:
            self.unknown.add(find_unknown_shares(self._encoder, texts.drop_null()))


def find_unknown_shares(encoder: Encoder, texts: pa.Array) -> npt.NDArray[np.float64]:
    """Returns the share of each text's tokens that the vocabulary does not know, float64 [m], of texts with tokens."""
    encoded = encoder.encode(texts)
    lengths = encoded.lengths
    unknown = np.concatenate(([0], np.cumsum(encoded.ids == encoder.vocabulary.unk_id)))
    counts = np.diff(unknown[encoded.offsets])
    return np.asarray(counts[lengths > 0] / lengths[lengths > 0], np.float64)


def collect(
    layouts: Sequence[Layout],
    *,
    encoder: Encoder | None,
    texts: int,
    model: int = 0,
    on_progress: Report = silent,
) -> Collected:
    """Reads scored files.

    Args:
        layouts: The files, which have the same columns of scores.
        encoder: Knows words and not; None to leave that out.
        texts: How many texts of each kind to keep.
        model: The index of the model by whose scores they are chosen.
        on_progress: Is called after each window of rows.

    Raises:
        InputError: A file is damaged, or a value is not what its column should hold.
    """
    collected = Collected(layouts, encoder=encoder, texts=texts, model=model)
    for layout in layouts:
        for rows in read_rows(layout, on_progress):
            collected.add(rows)
    return collected
