"""Gives words that a model has not known a place in its vocabulary, and vectors among those of the words it knows."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from sentscore.text.encoder import EncodedTexts

Vectors = npt.NDArray[np.float32]

_WINDOW: Final = 5  # tokens to each side, as in the word vectors that the models begin with
_STEP: Final = 500_000  # tokens whose contexts are in memory together
_RARE: Final = 1e-3  # contexts' words that are more frequent count for less, as in Arora et al. 2017
_LEAST_KNOWN: Final = 20  # occurrences of a known word from which on it shows how a context becomes a vector
_PENALTY: Final = 1.0  # of the ridge regression, in words


def place_new_words(encoded: EncodedTexts, vectors: Vectors, *, without_vector: tuple[int, ...]) -> Vectors:
    """Returns vectors for the words behind those that have one, float32 [n, E], from the words that they stand among.

    A new word's vector is a linear map of the mean vector of its contexts. The map is the one that best gives known
    words their own vectors from their contexts (Khodak et al. 2018, A La Carte Embedding).

    Args:
        encoded: Texts in which the new words have the ids from V on, and each of them occurs.
        vectors: The vectors of the known words, float32 [V, E].
        without_vector: The ids of known words that do not count in a context: those of `<unk>` and `<pad>`.
    """
    known, size = vectors.shape
    total = max(known, int(encoded.ids.max(initial=-1)) + 1)
    counts = np.bincount(encoded.ids, minlength=total)
    weights = np.zeros(total)
    weights[:known] = _RARE / (_RARE + counts[:known] / max(1, len(encoded.ids)))
    weights[list(without_vector)] = 0.0
    weighted = np.zeros((total, size))
    weighted[:known] = vectors * weights[:known, None]

    sums, masses = np.zeros((total, size)), np.zeros(total)
    for part in _cut(encoded):
        contexts, mass = _sum_contexts(part, weighted, weights)
        places = np.arange(len(part.ids))
        occurs = csr_matrix((np.ones(len(places)), (part.ids, places)), shape=(total, len(places)))
        sums += occurs @ contexts
        masses += occurs @ mass
    means = sums / np.maximum(masses, 1e-12)[:, None]

    shown = counts[:known] >= _LEAST_KNOWN
    shown[list(without_vector)] = False
    x, y, importance = means[:known][shown], vectors[shown], np.log(counts[:known][shown] + 1.0)[:, None]
    penalty = _PENALTY * np.trace(x.T @ (x * importance)) / size / max(1, len(x)) * np.eye(size)
    transform = np.linalg.lstsq(x.T @ (x * importance) + penalty, x.T @ (y * importance), rcond=None)[0]
    return np.asarray(means[known:] @ transform, np.float32)


def _cut(encoded: EncodedTexts) -> list[EncodedTexts]:
    """Returns the texts in parts of about `_STEP` tokens."""
    cuts = np.searchsorted(encoded.offsets, np.arange(0, len(encoded.ids), _STEP))
    bounds = np.unique(np.append(cuts, len(encoded)))
    return [encoded.take(np.arange(start, stop)) for start, stop in pairwise(bounds)]


def _sum_contexts(
    encoded: EncodedTexts, weighted: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns the sum of the weighted vectors around each token [tokens, E], and that of their weights [tokens]."""
    place = np.arange(len(encoded.ids))
    first = np.maximum(place - _WINDOW, np.repeat(encoded.offsets[:-1], encoded.lengths))
    stop = np.minimum(place + _WINDOW + 1, np.repeat(encoded.offsets[1:], encoded.lengths))

    def around(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        running = np.concatenate((np.zeros_like(values[:1]), np.cumsum(values, axis=0)))
        found: npt.NDArray[np.float64] = running[stop] - running[first] - values
        return found

    return around(weighted[encoded.ids]), around(weights[encoded.ids])
