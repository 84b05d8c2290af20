from __future__ import annotations

import numpy as np
import pytest

from sentscore import Scorer
from sentscore.artifact import load_artifact
from sentscore.encoder import Encoder
from sentscore.vocabulary import Vocabulary
from sentscore_train.batches import LabelledTexts
from sentscore_train.calibration import fit_temperature
from sentscore_train.nbsvm import NbSvm
from sentscore_train.progress import Progress
from sentscore_train.teacher import soft_labels

WORDS = ["great", "awful", "film", "the", "a", "story", "too", "long", "not", "and"]


def test_the_labels_are_the_mean_of_all_opinions(tiny_artifact, tiny_gru_artifact) -> None:
    artifacts = [load_artifact(tiny_artifact), load_artifact(tiny_gru_artifact)]
    vocabulary = Vocabulary.from_json(artifacts[0].vocabulary)
    encoder = Encoder(vocabulary)
    random = np.random.default_rng(4)
    reviews = [" ".join(random.choice(WORDS, random.integers(3, 20))) for _ in range(90)]
    labels = np.array(["great" in review for review in reviews], np.int8) ^ (random.random(90) < 0.2).astype(np.int8)
    train = LabelledTexts(encoder.encode(reviews[:60]), labels[:60])
    validation = LabelledTexts(encoder.encode(reviews[60:]), labels[60:])
    texts = ["a great story", "", "awful and too long"]
    encoded = encoder.encode(texts)
    seen: list[Progress] = []
    found = soft_labels(
        artifacts,
        train=train,
        validation=validation,
        texts=texts,
        encoded=encoded,
        vocab_size=len(vocabulary),
        report=seen.append,
    )
    linear = NbSvm(train, len(vocabulary))
    temperature = fit_temperature(linear.logits(validation.encoded), validation.labels)
    opinions = [linear.logits(encoded) / temperature]
    for artifact in artifacts:
        score = np.nan_to_num(Scorer(artifact, device="cpu").score(texts).astype(float), nan=0.5)
        opinions.append(np.log(score / (1 - score)))
    assert found.dtype == np.float32
    assert found == pytest.approx(1 / (1 + np.exp(-np.mean(opinions, axis=0))), abs=1e-6)
    assert found[0] > found[2]
    assert [progress.phase for progress in seen] == [
        "fitting the linear teacher", "asking the teacher lstm", "asking the teacher gru",
    ]  # fmt: skip
