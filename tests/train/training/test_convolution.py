from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from sentscore.progress import Progress
from sentscore.text.encoder import EncodedTexts
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.models.classifier import Dropout
from sentscore_train.teachers.convolutional import ConvolutionConfig
from sentscore_train.training.config import TrainConfig
from sentscore_train.training.convolution import convolution_opinion

SIZE = 30
CONFIG = TrainConfig(
    batch_size=8,
    average=0.9,
    dropout=Dropout(),
    convolution=ConvolutionConfig(filters=8, epochs=8, learning_rate=2e-2),
)


def reviews(count: int, seed: int) -> LabelledTexts:
    """Random words; tokens 2 and 3 say good in one order and bad in the other."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count).astype(np.int8)
    rows = random.integers(4, SIZE, (count, 9)).astype(np.int32)
    rows[:, 4], rows[:, 5] = np.where(labels == 1, 2, 3), np.where(labels == 1, 3, 2)
    return LabelledTexts(EncodedTexts(rows.ravel(), np.arange(count + 1) * 9), labels)


def test_it_learns_from_the_labels_and_judges_other_texts_the_same_way_twice() -> None:
    vocabulary = Vocabulary(("<unk>", "<pad>", *(f"t{index}" for index in range(SIZE - 2))), lowercase=True)
    vectors = np.random.default_rng(0).normal(size=(SIZE, 8)).astype(np.float32)
    learned, unseen = reviews(300, 1), reviews(100, 2)
    told: list[Progress] = []

    def ask(config: TrainConfig = CONFIG) -> np.ndarray:
        return convolution_opinion(
            learned,
            unseen.encoded,
            vocabulary,
            vectors,
            config.convolution or ConvolutionConfig(),
            config,
            device=torch.device("cpu"),
            report=told.append,
        )

    found = ask()
    assert found.dtype == np.float32
    assert ((found > 0) == (unseen.labels == 1)).mean() > 0.9
    assert [each.phase for each in told if each.done == each.total][-1] == "asking the convolutional teacher"
    assert np.array_equal(ask(), found)
    assert not np.array_equal(ask(replace(CONFIG, convolution=replace(CONFIG.convolution, seed=5))), found)
