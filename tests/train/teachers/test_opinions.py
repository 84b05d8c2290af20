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


def test_the_labels_are_the_mean_of_all_calibrated_opinions() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 400).astype(np.int8)
    truth = np.where(labels == 1, 1.0, -1.0)
    rows = np.concatenate((truth, [2.0, -2.0, 0.0]))
    sure = (30.0 * (rows + random.normal(size=403))).astype(np.float32)  # far too sure of itself
    modest = (0.1 * (rows + random.normal(size=403))).astype(np.float32)
    soft, accuracy = soft_labels({"sure": sure, "modest": modest}, labels)
    scaled = [logits.astype(float) / fit_temperature(logits[:400], labels) for logits in (sure, modest)]
    assert soft.dtype == np.float32
    assert soft == pytest.approx(1 / (1 + np.exp(-np.mean(scaled, axis=0)[400:])), abs=1e-6)
    assert accuracy["sure"] == ((sure[:400] > 0) == (labels == 1)).mean()
    assert accuracy["all"] > max(accuracy["sure"], accuracy["modest"])  # neither outvotes the other
    assert list(accuracy) == ["sure", "modest", "all"]
