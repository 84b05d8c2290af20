"""Finds the n-grams of encoded texts, each as one number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sentscore.text.encoder import EncodedTexts

Keys = npt.NDArray[np.int64]


def n_grams(encoded: EncodedTexts, vocab_size: int, order: int) -> tuple[Keys, Keys]:
    """Every n-gram of 1 to `order` tokens as a number below (vocab_size + 1) ** order, and the text it stands in.

    The numbers of two different n-grams differ, whatever their lengths. They come by length, then by place.

    Args:
        encoded: the texts.
        vocab_size: ids are below it.
        order: longest n-gram.
    """
    owner = np.repeat(np.arange(len(encoded)), encoded.lengths)
    key = encoded.ids.astype(np.int64) + 1  # no token is 0, so n-grams of two lengths are never the same number
    keys, owners = [key], [owner]
    for length in range(2, order + 1):
        key = key[:-1] * (vocab_size + 1) + encoded.ids[length - 1 :] + 1
        inside = owner[: len(key)] == owner[length - 1 :]  # the n-gram does not cross into the next text
        keys.append(key[inside])
        owners.append(owner[: len(key)][inside])
    return np.concatenate(keys), np.concatenate(owners)


def find(keys: Keys, known: Keys) -> tuple[Keys, npt.NDArray[np.bool_]]:
    """The place of each key in `known`, ascending, and whether it stands there; the place says nothing if not."""
    place = np.searchsorted(known, keys)
    hit = place < len(known)
    hit[hit] = known[place[hit]] == keys[hit]
    return place, hit
