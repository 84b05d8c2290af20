"""Splits reviews into training and validation so that no movie stands on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def movie_split(
    movies: Sequence[str], labels: npt.NDArray[np.int8], *, share: float = 0.1, seed: int
) -> tuple[Rows, Rows]:
    """Rows of the training and of the validation reviews, int64, each ascending.

    Reviews of one movie share names and plot, so a model that has seen the movie looks better than it is. Whole
    movies, in an order drawn from the seed, go to validation as long as neither class gets more than its share.

    Args:
        movies: [n] movie of each review; an empty one is a movie of its own.
        labels: int8 [n], 0 or 1.
        share: of the reviews of each class that validation gets at most.
        seed: of the draw.
    """
    groups: dict[str, list[int]] = {}
    for row, movie in enumerate(movies):
        groups.setdefault(movie or f"row {row}", []).append(row)
    names = sorted(groups)
    room = share * np.bincount(labels, minlength=2)  # reviews of each class that still fit
    chosen: list[int] = []
    for index in np.random.default_rng(seed).permutation(len(names)):
        rows = groups[names[index]]
        counts = np.bincount(labels[rows], minlength=2)
        if (counts <= room).all():
            room = room - counts
            chosen.extend(rows)
    inside = np.zeros(len(movies), bool)
    inside[chosen] = True
    return np.flatnonzero(~inside), np.flatnonzero(inside)
