"""Splits reviews into training and validation so that no movie, or other group, stands on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def split_by_movie(
    movies: Sequence[str], labels: npt.NDArray[np.int8], *, share: float = 0.1, seed: int
) -> tuple[Rows, Rows]:
    """Returns the rows of the training and of the validation reviews, as `split_by_group` does.

    Reviews of one movie share names and plot, so a model that has seen the movie looks better than it is.

    Args:
        movies: [n] The movie of each review. An empty one stands for a movie of its own.
        labels: int8 [n] The labels, 0 or 1.
        share: The largest share of the reviews of a class that goes to validation.
        seed: The seed of the order.
    """
    return split_by_group(movies, labels.astype(np.int64), share=share, seed=seed)


def split_by_group(
    groups: Sequence[str], strata: npt.NDArray[np.int64], *, share: float = 0.1, seed: int
) -> tuple[Rows, Rows]:
    """Returns the rows of the training and of the validation reviews, int64, each in ascending order.

    Whole groups, in an order drawn from the seed, go to validation as long as no stratum gets more than its share.

    Args:
        groups: [n] The group of each review. An empty one stands for a group of its own.
        strata: int64 [n] What each review is counted with, from 0: its class, or its class and kind.
        share: The largest share of the reviews of a stratum that goes to validation.
        seed: The seed of the order.
    """
    rows_of: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows_of.setdefault(group or f"row {row}", []).append(row)
    names = sorted(rows_of)
    room = share * np.bincount(strata)  # reviews of each stratum that still fit
    chosen: list[int] = []
    for index in np.random.default_rng(seed).permutation(len(names)):
        rows = rows_of[names[index]]
        counts = np.bincount(strata[rows], minlength=len(room))
        if (counts <= room).all():
            room = room - counts
            chosen.extend(rows)
    inside = np.zeros(len(groups), bool)
    inside[chosen] = True
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def join_groups(groups: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Returns groups in which reviews with the same key are together too.

    Args:
        groups: [n] The group of each review. An empty one stands for a group of its own.
        keys: [n] What copies of a review share, such as its text.
    """
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def find(node: tuple[str, str]) -> tuple[str, str]:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = parents[parent]  # halves the way for the next time
            node = parent
        return node

    nodes = [("group", group) if group else ("key", key) for group, key in zip(groups, keys, strict=True)]
    for node, key in zip(nodes, keys, strict=True):
        parents[find(node)] = find(("key", key))
    return [" ".join(find(node)) for node in nodes]
