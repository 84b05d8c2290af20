from __future__ import annotations

import numpy as np

from sentscore.text.encoder import EncodedTexts
from sentscore_train.adapt.opinions import judge
from sentscore_train.data.batches import LabelledTexts

SIZE = 60


def make_texts(count: int, seed: int) -> LabelledTexts:
    """Random words; words 2 and 3 tell the label in two of three texts."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count).astype(np.int8)
    ids = random.integers(4, SIZE, (count, 8)).astype(np.int32)
    told = random.random(count) < 2 / 3
    ids[told, 0] = 2 + labels[told]
    return LabelledTexts(EncodedTexts(ids.ravel(), np.arange(0, 8 * count + 1, 8, dtype=np.int64)), labels)


def right(logits: np.ndarray, texts: LabelledTexts) -> float:
    return float(((logits > 0) == (texts.labels == 1)).mean())


def test_both_know_more_than_each_of_them() -> None:
    labelled, unlabelled = make_texts(400, 1), make_texts(600, 2)
    random = np.random.default_rng(3)
    start = tuple(
        (2.0 * texts.labels - 1.0 + 1.2 * random.normal(size=len(texts))).astype(np.float32)
        for texts in (labelled, unlabelled)
    )
    nothing = (np.zeros(400, np.float32), np.zeros(600, np.float32))
    asked = LabelledTexts(unlabelled.encoded, np.full(600, -1, np.int8))
    both, linear = (judge(labelled, asked, SIZE, start=logits, seed=1) for logits in (start, nothing))
    assert right(linear, unlabelled) > 0.7
    assert right(both, unlabelled) > max(right(linear, unlabelled), right(start[1], unlabelled)) + 0.02
    assert (judge(labelled, asked, SIZE, start=start, seed=1) == both).all()
