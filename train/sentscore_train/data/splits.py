"""Splits reviews into training and validation so that no movie stands on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def split_by_movie(
    movies: Sequence[str], labels: npt.NDArray[np.int8], *, share: float = 0.1, seed: int
) -> tuple[Rows, Rows]:
    """Returns the rows of the training and of the validation reviews, int64, each in ascending order.

    Reviews of one movie share names and plot, so a model that has seen the movie looks better than it is. Whole
    movies, in an order drawn from the seed, go to validation as long as no class gets more than its share.

    Args:
        movies: [n] The movie of each review. An empty one stands for a movie of its own.
        labels: int8 [n] The labels, 0 or 1.
        share: The largest share of the reviews of a class that goes to validation.
        seed: The seed of the order.
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
