"""Gives unlabelled reviews soft labels, by the model to start from and a linear one on the labelled reviews."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from sentscore_train.data.batches import LabelledTexts
from sentscore_train.teachers.nbsvm import NbSvm

Logits = npt.NDArray[np.float32]

_FOLDS: Final = 5


def judge(
    labelled: LabelledTexts,
    unlabelled: LabelledTexts,
    vocab_size: int,
    *,
    start: tuple[Logits, Logits],
    seed: int,
) -> Logits:
    """Returns the logit of each unlabelled review, float32 [m].

    NB-SVM knows the words that matter for these reviews, the start knows language. How much each of them counts is
    fitted to the labelled reviews, which NB-SVM judges in parts that it has not learned from.

    Args:
        labelled: The reviews with labels int8 [n], of both classes.
        unlabelled: The reviews to judge [m]; their labels are not read.
        vocab_size: The size of the vocabulary.
        start: The start's logits of the labelled and of the unlabelled reviews, [n] and [m].
        seed: The seed of the parts.
    """
    labels = labelled.labels.astype(np.int8)
    linear = np.empty(len(labels), np.float32)
    parts = StratifiedKFold(min(_FOLDS, int(np.bincount(labels).min())), shuffle=True, random_state=seed)
    for learned, judged in parts.split(labels, labels):
        model = NbSvm(LabelledTexts(labelled.encoded.take(learned), labels[learned]), vocab_size)
        linear[judged] = model.logits(labelled.encoded.take(judged))
    both = LogisticRegression(C=10.0).fit(np.column_stack((start[0], linear)), labels)
    whole = NbSvm(LabelledTexts(labelled.encoded, labels), vocab_size).logits(unlabelled.encoded)
    return np.asarray(both.decision_function(np.column_stack((start[1], whole))), np.float32)
