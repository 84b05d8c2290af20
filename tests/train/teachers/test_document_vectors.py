from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sentscore.text.encoder import EncodedTexts
from sentscore_train.teachers.document_vectors import DocVectorConfig, document_vectors

SIZE = 60
CONFIG = DocVectorConfig(dim=8, least=2, epochs=20, sample=0.0)


@pytest.fixture(scope="module")
def texts() -> tuple[EncodedTexts, np.ndarray]:
    """Texts of two topics, each with its own 20 words beside 20 that both have; the first half is of the first."""
    random = np.random.default_rng(1)
    topic = np.repeat([0, 1], 100)
    rows = [np.concatenate((random.integers(20 * of, 20 * of + 20, 20), random.integers(40, SIZE, 10))) for of in topic]
    ids = np.concatenate([random.permutation(row) for row in rows]).astype(np.int32)
    return EncodedTexts(ids, np.arange(0, 30 * 201, 30, dtype=np.int64)), topic


def test_texts_of_one_topic_are_near_each_other(texts) -> None:
    encoded, topic = texts
    vectors = document_vectors(encoded, SIZE, CONFIG)
    assert vectors.shape == (200, 8)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(200), abs=1e-5)
    likeness = vectors @ vectors.T
    same = topic[:, None] == topic
    assert likeness[same].mean() > likeness[~same].mean() + 0.3
    np.fill_diagonal(likeness, -1.0)
    assert (topic[likeness.argmax(axis=1)] == topic).mean() > 0.9


def test_the_same_seed_gives_the_same_vectors(texts) -> None:
    encoded, _ = texts
    first, again, other = (
        document_vectors(encoded, SIZE, replace(CONFIG, epochs=2, seed=seed)) for seed in (1234, 1234, 5)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_place_in_the_corpus_says_nothing() -> None:
    """Texts that differ in nothing but their place: whatever tells the halves apart would be read as a label."""
    random = np.random.default_rng(2)
    ids = random.integers(0, SIZE, 30 * 400).astype(np.int32)
    vectors = document_vectors(EncodedTexts(ids, np.arange(0, 30 * 401, 30, dtype=np.int64)), SIZE, CONFIG)
    apart = np.abs(vectors[:200].mean(axis=0) - vectors[200:].mean(axis=0))
    by_chance = vectors.std(axis=0) * np.sqrt(2 / 200)
    assert (apart / by_chance).max() < 4.0


def test_every_pass_is_reported(texts) -> None:
    told: list[tuple[int, int]] = []
    document_vectors(texts[0], SIZE, replace(CONFIG, epochs=2), progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]


def test_texts_without_a_frequent_n_gram_keep_their_place(texts) -> None:
    encoded, topic = texts
    ids = np.concatenate((encoded.ids[: 30 * 150], np.array([59], np.int32), encoded.ids[30 * 150 :]))
    offsets = np.concatenate((encoded.offsets[:151], [30 * 150, 30 * 150 + 1], encoded.offsets[151:] + 1))
    vectors = document_vectors(EncodedTexts(ids, offsets.astype(np.int64)), SIZE, CONFIG)
    assert vectors.shape == (202, 8)
    known = np.delete(vectors, [150, 151], axis=0)
    likeness = known @ known.T
    np.fill_diagonal(likeness, -1.0)
    assert (topic[likeness.argmax(axis=1)] == topic).mean() > 0.9
    none = document_vectors(encoded, SIZE, replace(CONFIG, least=10_000, epochs=1))
    assert np.isfinite(none).all()
