from __future__ import annotations

import numpy as np

from sentscore.text.encoder import EncodedTexts
from sentscore_train.training import new_words
from sentscore_train.training.new_words import place_new_words

KINDS, SIZE = 6, 8
NEW = 2 + KINDS * 20  # the first id without a vector


def make_texts(random: np.random.Generator, new: int, count: int = 1_500) -> EncodedTexts:
    """Texts each of which has words of one kind alone; new word k occurs in texts of kind k."""
    texts = []
    for _ in range(count):
        kind = random.integers(KINDS)
        ids = 2 + kind * 20 + random.integers(0, 20, 12)
        if kind < new and random.random() < 0.3:
            ids[random.integers(12)] = NEW + kind
        texts.append(ids)
    return EncodedTexts(np.concatenate(texts).astype(np.int32), np.arange(0, 12 * count + 1, 12, dtype=np.int64))


def test_a_new_word_comes_to_stand_among_the_words_around_it(monkeypatch) -> None:
    random = np.random.default_rng(0)
    centres = random.normal(size=(KINDS, SIZE))
    vectors = np.zeros((NEW, SIZE), np.float32)
    vectors[2:] = np.repeat(centres, 20, axis=0) + 0.3 * random.normal(size=(NEW - 2, SIZE))
    encoded = make_texts(random, 3)
    found = place_new_words(encoded, vectors, without_vector=(0, 1))
    assert found.shape == (3, SIZE)
    assert found.dtype == np.float32
    distance = np.linalg.norm(found[:, None] - centres[None], axis=2)
    assert (distance.argmin(1) == [0, 1, 2]).all()
    assert (distance.min(1) < 0.3 * np.sort(distance, axis=1)[:, 1]).all()
    monkeypatch.setattr(new_words, "_STEP", 1_000)  # a part of the texts at a time
    np.testing.assert_allclose(place_new_words(encoded, vectors, without_vector=(0, 1)), found, atol=1e-5)


def test_unknown_words_around_a_word_count_for_nothing() -> None:
    vectors = np.array([[100.0, 100.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    plain = EncodedTexts(np.tile(np.array([2, 3, 2, 4], np.int32), 30), np.arange(0, 121, 4, dtype=np.int64))
    mixed = EncodedTexts(np.tile(np.array([2, 3, 2, 4, 0], np.int32), 30), np.arange(0, 151, 5, dtype=np.int64))
    found = [place_new_words(texts, vectors, without_vector=(0, 1)) for texts in (plain, mixed)]
    assert np.abs(found[0]).max() < 2.0
    np.testing.assert_allclose(*found, rtol=0.1)


def test_without_frequent_words_a_new_one_gets_zeros() -> None:
    texts = EncodedTexts(np.array([2, 3], np.int32), np.array([0, 2], np.int64))
    assert (place_new_words(texts, np.ones((3, 2), np.float32), without_vector=(0, 1)) == 0.0).all()
