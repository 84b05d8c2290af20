"""Lists the n-grams of encoded texts, each as a number that is its key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sentscore.text.encoder import EncodedTexts

Keys = npt.NDArray[np.int64]


def n_grams(encoded: EncodedTexts, vocab_size: int, order: int) -> tuple[Keys, Keys]:
    """Returns the key of every n-gram of 1 to `order` tokens, and the text that each is in, both int64 [n].

    Different n-grams have different keys, whatever their lengths. A key is below (vocab_size + 1) ** order. The
    n-grams are in order of their lengths, then of their places.

    Args:
        encoded: The texts.
        vocab_size: The size of the vocabulary.
        order: The length of the longest n-grams, in tokens.
    """
    owner = np.repeat(np.arange(len(encoded)), encoded.lengths)
    key = encoded.ids.astype(np.int64) + 1  # no token is 0, so n-grams of different lengths have different keys
    keys, owners = [key], [owner]
    for length in range(2, order + 1):
        key = key[:-1] * (vocab_size + 1) + encoded.ids[length - 1 :] + 1
        inside = owner[: len(key)] == owner[length - 1 :]  # the n-gram does not cross into the next text
        keys.append(key[inside])
        owners.append(owner[: len(key)][inside])
    return np.concatenate(keys), np.concatenate(owners)


def find_keys(keys: Keys, known: Keys) -> tuple[Keys, npt.NDArray[np.bool_]]:
    """Returns the place of each key in `known`, which is ascending, and whether it is there at all."""
    place = np.searchsorted(known, keys)
    hit = place < len(known)
    hit[hit] = known[place[hit]] == keys[hit]
    return place, hit
