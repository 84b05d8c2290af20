from __future__ import annotations

import numpy as np
import pytest

from sentscore import Scorer
from sentscore.model.artifact import load_artifact
from sentscore.progress import Progress
from sentscore_train.evaluation.calibration import fit_temperature
from sentscore_train.teachers.opinions import model_opinion, soft_labels, vector_opinion

WORDS = ["great", "awful", "film", "the", "a", "story", "too", "long", "not", "and"]


def test_a_model_gives_the_logit_of_its_score(tiny_artifact) -> None:
    artifact = load_artifact(tiny_artifact)
    texts = ["a great story", "", "awful and too long"]
    seen: list[Progress] = []
    found = model_opinion(artifact, texts, seen.append)
    score = Scorer.load(artifact, device="cpu").score(texts).astype(float)
    assert found.dtype == np.float32
    assert found[1] == 0.0
    assert 1 / (1 + np.exp(-found[[0, 2]].astype(float))) == pytest.approx(score[[0, 2]], abs=1e-6)
    assert seen == [Progress("asking the teacher lstm", 3, 3)]


def test_the_vectors_tell_the_classes_apart() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 300).astype(np.int8)
    vectors = random.normal(size=(300, 6)).astype(np.float32)
    vectors[:, 2] += 3.0 * labels
    found = vector_opinion(vectors[:200], labels[:200], vectors[200:], 1.0)
    assert found.dtype == np.float32
    assert found.shape == (100,)
    assert ((found > 0) == (labels[200:] == 1)).mean() > 0.85


def test_a_source_is_judged_by_its_own_vectors_if_it_has_enough() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(0, 2, 400).astype(np.int8)
    sources = np.arange(400) % 2
    vectors = random.normal(size=(400, 3)).astype(np.float32)
    vectors[:, 0] += np.where(sources == 0, 3.0, -3.0) * labels  # what is good in one source is bad in the other
    learned, asked = slice(300), slice(300, 400)
    pooled = vector_opinion(vectors[learned], labels[learned], vectors[asked], 1.0)
    found = vector_opinion(
        vectors[learned], labels[learned], vectors[asked], 1.0, sources=(sources[learned], sources[asked])
    )
    truth = labels[asked] == 1
    assert ((pooled > 0) == truth).mean() < 0.7
    assert ((found > 0) == truth).mean() > 0.85
    few = np.where(np.arange(400) < 380, 0, 1)  # no vector to learn from is of the second source
    found = vector_opinion(vectors[learned], labels[learned], vectors[asked], 1.0, sources=(few[learned], few[asked]))
    assert np.array_equal(found, pooled)


def make_opinions(labels: np.ndarray, random: np.random.Generator, *scales: float) -> list[np.ndarray]:
    truth = np.where(labels == 1, 1.0, -1.0)
    return [(scale * (truth + random.normal(size=len(labels)))).astype(np.float32) for scale in scales]


def test_no_opinion_outvotes_another_by_being_too_sure() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 1400).astype(np.int8)
    sure, modest = make_opinions(labels, random, 30.0, 0.1)
    soft, found = soft_labels({"sure": sure, "modest": modest}, labels[:400], np.zeros(1400, np.int64), ["films"])
    accuracy = {name: each["films"] for name, each in found.items()}
    assert list(accuracy) == ["sure", "modest", "all"]
    assert accuracy["sure"] == ((sure[:400] > 0) == (labels[:400] == 1)).mean()
    assert accuracy["all"] > max(accuracy["sure"], accuracy["modest"])
    assert soft.dtype == np.float32
    # The best that can be known: two equally good opinions, each with log odds of twice its value in units of noise.
    best = 1 / (1 + np.exp(-2.0 * (sure[400:] / 30.0 + modest[400:] / 0.1)))
    assert np.abs(soft - best).mean() < 0.02


def test_each_source_has_its_own_temperatures_and_weights() -> None:
    random = np.random.default_rng(4)
    labels = random.integers(0, 2, 4000).astype(np.int8)
    sources = np.arange(4000) % 2
    good, timid = make_opinions(labels, random, 1.0, 1.0)
    timid[sources == 1] /= 8.0
    noise = random.normal(size=4000).astype(np.float32)
    expert = np.where(sources == 0, timid, noise)  # knows the films, and guesses elsewhere
    soft, found = soft_labels({"good": good, "expert": expert}, labels[:1000], sources, ["films", "kettles"])
    assert set(found["all"]) == {"films", "kettles"}
    assert found["expert"]["kettles"] < 0.6 < found["expert"]["films"]
    truth, of = labels[1000:], sources[1000:]
    for source, least in ((0, 0.9), (1, 0.8)):
        assert ((soft > 0.5) == (truth == 1))[of == source].mean() > least
        sure = soft[of == source]
        share = (truth[of == source] == 1)[sure > 0.9].mean()
        assert share == pytest.approx(sure[sure > 0.9].mean(), abs=0.03)


def test_a_source_with_few_labels_takes_the_numbers_of_all() -> None:
    random = np.random.default_rng(5)
    labels = random.integers(0, 2, 500).astype(np.int8)
    sources = np.zeros(500, np.int64)
    sources[390:400] = sources[490:] = 1
    (opinion,) = make_opinions(labels, random, 3.0)
    soft, _ = soft_labels({"one": opinion}, labels[:400], sources, ["films", "kettles"])
    pooled = opinion[490:].astype(float) / fit_temperature(opinion[:400], labels[:400])
    assert soft[90:] == pytest.approx(1 / (1 + np.exp(-pooled)), abs=1e-3)
