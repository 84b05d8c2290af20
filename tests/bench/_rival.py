"""What the timing and the rivals know of each other: the reviews, the setting and a rival itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _measure import Rows, sample_by_length
from sentscore.model.artifact import Artifact
from sentscore.text.encoder import EncodedTexts

Labels = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reviews:
    """The reviews to score.

    Attributes:
        texts: [n].
        encoded: their token ids in the model's vocabulary [n]; each has some.
        labels: whether each is positive [n]; None where that is not known.
    """

    texts: list[str]
    encoded: EncodedTexts
    labels: Labels | None

    def take(self, rows: Rows) -> list[str]:
        """The texts of some rows."""
        return [self.texts[row] for row in rows.tolist()]

    def longest_first(self, rows: Rows) -> Rows:
        """The rows sorted as every batched rival takes them."""
        return rows[np.argsort(-self.encoded.lengths[rows], kind="stable")]


@dataclass(frozen=True)
class Setting:
    """What all rivals share.

    Attributes:
        reviews: to score.
        artifact: the model.
        model: its name or path, as the user gave it.
        train: Parquet with `text` and `label` to fit on; None where there is none.
        threads: processors; who can use many gets so many threads.
        folder: for files.
        seed: of weights and samples.
        trial: reviews that batch sizes are tried on; a rival far slower than the others takes fewer.
    """

    reviews: Reviews
    artifact: Artifact
    model: str
    train: Path | None
    threads: int
    folder: Path
    seed: int
    trial: int

    def trial_rows(self, count: int, group: int = 1) -> Rows:
        """About `count` rows for what is settled before the timing, always the same ones; see `sample_by_length`."""
        return sample_by_length(self.reviews.encoded.lengths, count, np.random.default_rng(self.seed), group)


@dataclass(frozen=True)
class Rival:
    """One that scores reviews.

    Attributes:
        label: what it is, for the table.
        takes: what the clock starts on: texts, token ids or a file.
        threads: that it computes with.
        start: gets everything ready for some rows and returns the call that is timed.
        positive: makes of that call's result whether each row is positive; None where the weights are random.
        group: reviews of like length that it needs together; see `sample_by_length`.
        notes: what the table has no column for.
    """

    label: str
    takes: str
    threads: int
    start: Callable[[Rows], Callable[[], Any]]
    positive: Callable[[Any], Labels] | None = None
    group: int = 1
    notes: tuple[str, ...] = ()


def fastest_seconds(go: Callable[[], Any]) -> float:
    """The faster of two runs: the first of a shape also makes what later ones find ready."""
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        go()
        taken.append(time.perf_counter() - started)
    return min(taken)


def listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(f"{number:,}" for number in numbers)
