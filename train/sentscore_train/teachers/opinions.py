"""Gives reviews without a label soft ones: the mean opinion of exported models and of two linear ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from sentscore.model.artifact import Artifact
from sentscore.progress import Progress, Report, silent
from sentscore.scorer import Scorer
from sentscore_train.evaluation.calibration import fit_temperature
from sentscore_train.evaluation.metrics import logits_of

Logits = npt.NDArray[np.float32]

_STEP = 500  # reviews between two reports
_FURTHEST = 1e-6  # a probability counts as no nearer to 0 or 1


def vector_opinion(
    train: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int8],
    asked: npt.NDArray[np.float32],
    inverse_penalty: float,
) -> Logits:
    """What a logistic regression on document vectors [m, dim] with labels [m] says of others [n, dim]: float32 [n].

    Args:
        train: the vectors to fit on.
        labels: 0 or 1.
        asked: the vectors to be judged.
        inverse_penalty: scikit-learn's C.
    """
    model = LogisticRegression(C=inverse_penalty, max_iter=300).fit(train, labels)
    return np.asarray(model.decision_function(asked), np.float32)


def model_opinion(artifact: Artifact, texts: Sequence[str], report: Report = silent) -> Logits:
    """What an exported model says of each text, logits float32 [n]; 0 of a text without a token.

    Args:
        artifact: the model.
        texts: the texts [n].
        report: told how far it is.
    """
    scorer = Scorer.load(artifact, device="auto", precision="fp32")
    parts = []
    for start in range(0, len(texts), _STEP):
        parts.append(scorer.score(texts[start : start + _STEP]))
        report(Progress(f"asking the teacher {artifact.name}", min(start + _STEP, len(texts)), len(texts)))
    probability = np.nan_to_num(np.concatenate(parts).astype(np.float64), nan=0.5)
    return logits_of(probability.clip(_FURTHEST, 1.0 - _FURTHEST)).astype(np.float32)


def soft_labels(
    opinions: Mapping[str, Logits], labels: npt.NDArray[np.int8]
) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
    """The probability that each text is positive, float32 [n - v], and how good each teacher is.

    Each opinion is calibrated first, for a teacher that is too sure of itself would outvote the others; the
    probability is that of the mean of the calibrated logits. How good: the share of validation that a teacher has
    right, and under `all` that of the mean.

    Args:
        opinions: logits [n] by teacher; the first v are of the validation texts. No teacher may have learned from
            those, or validation is no measure any more.
        labels: of the validation texts [v], 0 or 1.
    """
    count = len(labels)
    calibrated = {
        name: logits.astype(np.float64) / fit_temperature(logits[:count], labels) for name, logits in opinions.items()
    }
    mean: npt.NDArray[np.float64] = np.mean(list(calibrated.values()), axis=0)
    accuracy = {
        name: float(((logits[:count] > 0) == (labels == 1)).mean())
        for name, logits in {**calibrated, "all": mean}.items()
    }
    return np.asarray(1.0 / (1.0 + np.exp(-mean[count:])), np.float32), accuracy
