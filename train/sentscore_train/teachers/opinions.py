"""Gives unlabelled reviews soft labels: the mean opinion of exported models and of two linear ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from sentscore.model.artifact import Artifact
from sentscore.progress import Progress, Report, silent
from sentscore.scorer import Scorer
from sentscore_train.evaluation.calibration import fit_temperature
from sentscore_train.evaluation.metrics import to_logits, to_probabilities

Logits = npt.NDArray[np.float32]

_STEP = 500  # reviews between two reports
_FURTHEST = 1e-6  # probabilities nearer to 0 or 1 count as this far


def vector_opinion(
    train: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int8],
    unknown: npt.NDArray[np.float32],
    inverse_penalty: float,
) -> Logits:
    """Fits a logistic regression to document vectors and returns its logits of other vectors, float32 [n].

    Args:
        train: The vectors to fit to, [m, dim].
        labels: Their labels [m], 0 or 1.
        unknown: The vectors to judge, [n, dim].
        inverse_penalty: Scikit-learn's C.
    """
    model = LogisticRegression(C=inverse_penalty, max_iter=300).fit(train, labels)
    return np.asarray(model.decision_function(unknown), np.float32)


def model_opinion(artifact: Artifact, texts: Sequence[str], report: Report = silent) -> Logits:
    """Returns an exported model's logit of each text, float32 [n]; 0 for a text without a token.

    Args:
        artifact: The model.
        texts: The texts [n].
        report: The function that is told how far the scoring is.
    """
    scorer = Scorer.load(artifact, device="auto", precision="fp32")
    parts = []
    for start in range(0, len(texts), _STEP):
        parts.append(scorer.score(texts[start : start + _STEP]))
        report(Progress(f"asking the teacher {artifact.name}", min(start + _STEP, len(texts)), len(texts)))
    probability = np.nan_to_num(np.concatenate(parts).astype(np.float64), nan=0.5)
    return to_logits(probability.clip(_FURTHEST, 1.0 - _FURTHEST)).astype(np.float32)


def soft_labels(
    opinions: Mapping[str, Logits], labels: npt.NDArray[np.int8]
) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
    """Returns the probability that each unlabelled text is positive, float32 [n - v], and each teacher's accuracy.

    Each opinion is calibrated first, for a teacher that is too sure of itself would outvote the others. The
    probability is the sigmoid of the mean of the calibrated logits. The accuracies are those on the validation texts,
    with that of the mean under `all`.

    Args:
        opinions: Logits [n] by teacher, of which the first v are of the validation texts. No teacher may have learned
            from those.
        labels: The labels of the validation texts [v], 0 or 1.
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
    return to_probabilities(mean[count:]).astype(np.float32), accuracy
