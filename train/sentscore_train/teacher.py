"""Gives reviews without a label soft ones: the mean opinion of exported models and of a linear one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sentscore.artifact import Artifact
from sentscore.encoder import EncodedTexts
from sentscore.scorer import Scorer
from sentscore_train.batches import LabelledTexts
from sentscore_train.calibration import fit_temperature
from sentscore_train.nbsvm import NbSvm
from sentscore_train.progress import Progress, Report, silent

_STEP = 500  # reviews between two reports
_FURTHEST = 1e-6  # a probability counts as no nearer to 0 or 1


def soft_labels(
    artifacts: Sequence[Artifact],
    *,
    train: LabelledTexts,
    validation: LabelledTexts,
    texts: Sequence[str],
    encoded: EncodedTexts,
    vocab_size: int,
    report: Report = silent,
) -> npt.NDArray[np.float32]:
    """The probability that each text is positive, float32 [n]: the mean of all calibrated logits, as a probability.

    Args:
        artifacts: exported models; trained on none of the validation reviews, or validation is no measure any more.
        train: what the linear classifier is fitted on.
        validation: what it is calibrated on.
        texts: the reviews [n].
        encoded: the same as token ids of the vocabulary of `train`.
        vocab_size: of that vocabulary.
        report: told how far each model is.
    """
    report(Progress("fitting the linear teacher", 0, 1))
    linear = NbSvm(train, vocab_size)
    temperature = fit_temperature(linear.logits(validation.encoded), validation.labels.astype(np.int8))
    opinions = [linear.logits(encoded).astype(np.float64) / temperature]
    for artifact in artifacts:
        scorer = Scorer(artifact, device="auto", precision="fp32")
        parts = []
        for start in range(0, len(texts), _STEP):
            parts.append(scorer.score(texts[start : start + _STEP]))
            report(Progress(f"asking the teacher {artifact.name}", min(start + _STEP, len(texts)), len(texts)))
        # A text without a token has no opinion of a recurrent model.
        probability = np.nan_to_num(np.concatenate(parts).astype(np.float64), nan=0.5)
        probability = probability.clip(_FURTHEST, 1.0 - _FURTHEST)
        opinions.append(np.log(probability / (1.0 - probability)))
    mean: npt.NDArray[np.float64] = np.mean(opinions, axis=0)
    return np.asarray(1.0 / (1.0 + np.exp(-mean)), np.float32)
