from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sentscore.text.encoder import EncodedTexts
from sentscore_train.teachers.ngrams import find_keys, n_grams

SIZE = 7
TEXTS = st.lists(st.lists(st.integers(0, SIZE - 1), max_size=6), min_size=1, max_size=5)


def encoded(of: list[list[int]]) -> EncodedTexts:
    ids = np.array([token for text in of for token in text], np.int32)
    return EncodedTexts(ids, np.cumsum([0, *map(len, of)], dtype=np.int64))


@given(TEXTS, st.integers(1, 3))
def test_each_n_gram_has_its_own_number(of, order) -> None:
    keys, owners = n_grams(encoded(of), SIZE, order)
    expected = [
        (tuple(text[start : start + length]), owner)
        for length in range(1, order + 1)
        for owner, text in enumerate(of)
        for start in range(len(text) - length + 1)
    ]
    assert owners.tolist() == [owner for _, owner in expected]
    number = {gram: key for (gram, _), key in zip(expected, keys.tolist(), strict=True)}
    assert keys.tolist() == [number[gram] for gram, _ in expected]
    assert len(set(number.values())) == len(number)
    assert all(0 <= key < (SIZE + 1) ** order for key in keys.tolist())


def test_a_key_is_found_or_not() -> None:
    place, hit = find_keys(np.array([5, 9, 1, 7]), np.array([1, 5, 8]))
    assert hit.tolist() == [True, False, True, False]
    assert place[hit].tolist() == [1, 0]
    assert find_keys(np.array([5, 9]), np.array([], np.int64))[1].tolist() == [False, False]
