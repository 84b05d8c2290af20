"""The values that the timing and the rivals share: the reviews, the setting, and a rival."""

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
        texts: The texts [n].
        encoded: Their token ids in the model's vocabulary [n]. Each text has at least one.
        labels: Whether each is positive [n]; None if that is not known.
    """

    texts: list[str]
    encoded: EncodedTexts
    labels: Labels | None

    def take(self, rows: Rows) -> list[str]:
        """Returns the texts of some rows."""
        return [self.texts[row] for row in rows.tolist()]

    def longest_first(self, rows: Rows) -> Rows:
        """Returns the rows in the order in which rivals that batch take them."""
        return rows[np.argsort(-self.encoded.lengths[rows], kind="stable")]


@dataclass(frozen=True)
class Setting:
    """What all rivals share.

    Attributes:
        reviews: The reviews to score.
        artifact: The model.
        model: The model's name or path, as the user gave it.
        train: The Parquet table with `text` and `label` to fit on, or None.
        threads: The number of processors, and of the threads of a rival that can use several.
        folder: A folder for files.
        seed: The seed of weights and samples.
        trial: The number of reviews that batch sizes are tried on. A very slow rival takes fewer.
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
        """Returns about `count` rows for trials before the timing, always the same; see `sample_by_length`."""
        return sample_by_length(self.reviews.encoded.lengths, count, np.random.default_rng(self.seed), group)


@dataclass(frozen=True)
class Rival:
    """A program or library that scores reviews.

    Attributes:
        label: Its name in the table.
        takes: What it gets when the clock starts: texts, token ids or a file.
        threads: The number of its threads.
        start: The function that prepares some rows and returns the call that is timed.
        positive: The function from that call's result to whether each row is positive; None if the weights are random.
        group: The number of reviews of similar length that it needs together; see `sample_by_length`.
        notes: Notes below the table.
    """

    label: str
    takes: str
    threads: int
    start: Callable[[Rows], Callable[[], Any]]
    positive: Callable[[Any], Labels] | None = None
    group: int = 1
    notes: tuple[str, ...] = ()


def fastest_seconds(go: Callable[[], Any]) -> float:
    """Returns the seconds of the faster of two runs; the first of a shape also sets things up for later ones."""
    taken = []
    for _ in range(2):
        started = time.perf_counter()
        go()
        taken.append(time.perf_counter() - started)
    return min(taken)


def format_numbers(numbers: tuple[int, ...]) -> str:
    """Returns the numbers separated by commas."""
    return ", ".join(f"{number:,}" for number in numbers)
