from __future__ import annotations

import numpy as np
import pytest

from sentscore import UsageError
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.teachers.nbsvm import NbSvm, NbSvmConfig

SIZE = 30


def texts(of: list[list[int]]) -> EncodedTexts:
    ids = np.array([token for text in of for token in text], np.int32)
    return EncodedTexts(ids, np.cumsum([0, *map(len, of)], dtype=np.int64))


def negated(count: int, seed: int) -> LabelledTexts:
    """Token 5 is good and 6 is bad, but after 4 it is the other way round; the rest says nothing."""
    random = np.random.default_rng(seed)
    rows, labels = [], []
    for _ in range(count):
        opinion, turned = random.integers(0, 2), random.integers(0, 2)
        said = [4] * turned + [6 - opinion]
        before, behind = random.integers(7, SIZE, 5).tolist(), random.integers(7, SIZE, 4).tolist()
        rows.append([*before, *said, *behind])
        labels.append(opinion ^ turned)
    return LabelledTexts(texts(rows), np.array(labels, np.int8))


def test_n_grams_tell_what_single_words_cannot() -> None:
    train, unseen = negated(600, 1), negated(200, 2)
    right = [
        ((NbSvm(train, SIZE, NbSvmConfig(order=order)).logits(unseen.encoded) > 0) == (unseen.labels == 1)).mean()
        for order in (1, 3)
    ]
    assert right[0] < 0.7
    assert right[1] > 0.95


def test_a_logit_depends_on_its_text_alone() -> None:
    model = NbSvm(negated(300, 1), SIZE)
    unseen = negated(40, 2).encoded
    alone = [model.logits(unseen.take(np.array([row])))[0] for row in range(40)]
    assert model.logits(unseen).dtype == np.float32
    assert np.array_equal(model.logits(unseen), np.array(alone, np.float32))


def test_n_grams_do_not_cross_texts_and_count_once() -> None:
    model = NbSvm(negated(100, 1), SIZE)
    keys, owners = model._n_grams(texts([[3, 9, 3], [], [9]]))
    wide = SIZE + 1
    expected = {
        (0, 4), (0, 10), (0, 4 * wide + 10), (0, 10 * wide + 4), (0, (4 * wide + 10) * wide + 4), (2, 10),
    }  # fmt: skip
    assert sorted(zip(owners.tolist(), keys.tolist(), strict=True)) == sorted(expected)


def test_what_no_training_text_had_says_nothing() -> None:
    model = NbSvm(negated(300, 1), SIZE)
    empty, unknown = model.logits(texts([[], [0, 1, 2]]))
    assert empty == unknown == np.float32(model._model.intercept_[0])


def test_too_many_texts_are_a_usage_error() -> None:
    model = NbSvm(negated(50, 1), SIZE, NbSvmConfig(order=3))
    model.vocab_size = 1_000_000
    with pytest.raises(UsageError, match="40 texts are too many"):
        model.logits(negated(40, 2).encoded)


def test_a_word_may_mean_something_else_in_each_kind_of_text() -> None:
    random = np.random.default_rng(6)
    labels = random.integers(0, 2, 600).astype(np.int8)
    kinds = np.arange(600) % 2
    # Token 5 is good in the first kind and bad in the second, token 6 the other way round.
    told = np.where(labels == kinds, 6, 5)
    rows = [[*random.integers(7, SIZE, 4).tolist(), word] for word in told.tolist()]
    learned = LabelledTexts(texts(rows[:400]), labels[:400])
    unseen, truth = texts(rows[400:]), labels[400:] == 1
    plain = NbSvm(learned, SIZE).logits(unseen)
    marked = NbSvm(learned, SIZE, kinds=[kinds[:400]])
    assert ((plain > 0) == truth).mean() < 0.6
    assert ((marked.logits(unseen, [kinds[400:]]) > 0) == truth).mean() > 0.95
    # A kind that was not there, or none, is judged by the weights of all texts.
    other = marked.logits(unseen, [np.full(200, 7)])
    assert np.array_equal(other, marked.logits(unseen, [np.full(200, -1)]))
    assert ((other > 0) == truth).mean() < 0.6


def test_a_kind_of_one_label_has_no_weights_of_its_own() -> None:
    train, unseen = negated(300, 1), negated(50, 2)
    kinds = np.where(train.labels == 1, -1, 0)
    marked = NbSvm(train, SIZE, kinds=[kinds])
    plain = NbSvm(train, SIZE)
    assert np.array_equal(marked.logits(unseen.encoded, [np.zeros(50, np.int64)]), plain.logits(unseen.encoded))


def test_texts_are_judged_in_parts(monkeypatch) -> None:
    train, unseen = negated(300, 1), negated(50, 2).encoded
    kinds = np.arange(300) % 3
    model = NbSvm(train, SIZE, kinds=[kinds])
    whole = model.logits(unseen, [kinds[:50]])
    monkeypatch.setattr("sentscore_train.teachers.nbsvm._PART", 7)
    assert np.array_equal(model.logits(unseen, [kinds[:50]]), whole)
    assert len(model.logits(unseen.take(np.zeros(0, np.int64)), [kinds[:0]])) == 0
