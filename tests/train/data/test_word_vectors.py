from __future__ import annotations

import numpy as np

from sentscore.text.encoder import EncodedTexts
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.word_vectors import SkipGramConfig, train_skip_gram

VOCABULARY = Vocabulary(("<unk>", "<pad>", "a", "b", "x", "y", "never"), lowercase=True)


def corpus() -> EncodedTexts:
    """`a` stands beside `b`, `x` beside `y`."""
    random = np.random.default_rng(0)
    ids = random.choice([2, 4], 3000)
    pairs = np.stack([ids, ids + 1], axis=1).reshape(-1, 10)
    texts = [*pairs, np.array([0])]
    return EncodedTexts(
        np.concatenate([np.repeat(row[:1], 5) if len(row) == 1 else row for row in texts]).astype(np.int32),
        np.cumsum([0, *(5 if len(row) == 1 else 10 for row in texts)]),
    )


def test_vectors_are_the_same_for_the_same_seed_and_zero_where_a_token_never_occurs() -> None:
    config = SkipGramConfig(dim=8, epochs=2, sample=0)
    first, again = (train_skip_gram(corpus(), VOCABULARY, config) for _ in range(2))
    assert first.shape == (7, 8)
    assert first.dtype == np.float32
    assert np.array_equal(first, again)
    assert not first[[1, 6]].any()
    assert first[[0, 2, 3, 4, 5]].any(axis=1).all()
    other = train_skip_gram(corpus(), VOCABULARY, SkipGramConfig(dim=8, epochs=2, sample=0, seed=7))
    assert not np.array_equal(first, other)


def test_progress_goes_up_to_the_end() -> None:
    reports: list[tuple[int, int]] = []
    texts = EncodedTexts(np.tile(np.array([2, 3], np.int32), 1000), np.arange(0, 2001, 2))
    train_skip_gram(texts, VOCABULARY, SkipGramConfig(dim=4, epochs=3), progress=lambda *each: reports.append(each))
    assert reports == [(1000, 4000), (2000, 4000), (3000, 4000), (4000, 4000)]
