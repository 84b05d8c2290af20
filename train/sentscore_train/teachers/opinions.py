"""Gives unlabelled reviews soft labels, which join the opinions of several teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from sentscore.model.artifact import Artifact
from sentscore.progress import Progress, Report, silent
from sentscore.scorer import Scorer
from sentscore_train.evaluation.calibration import fit_temperature
from sentscore_train.evaluation.metrics import to_logits, to_probabilities

Logits = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.integer]

_LEAST = 25  # labelled texts of each class that a source needs for numbers of its own
_PULL = 20.0  # how strongly a teacher's weight is drawn to the others', in nats; of no great effect from 10 to 40
_STEP = 500  # reviews between two reports
_FURTHEST = 1e-6  # probabilities nearer to 0 or 1 count as this far


def vector_opinion(
    train: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int8],
    unknown: npt.NDArray[np.float32],
    inverse_penalty: float,
    *,
    sources: tuple[Numbers, Numbers] | None = None,
) -> Logits:
    """Fits a logistic regression to document vectors and returns its logits of other vectors, float32 [n].

    Args:
        train: The vectors to fit to, [m, dim].
        labels: Their labels [m], 0 or 1.
        unknown: The vectors to judge, [n, dim].
        inverse_penalty: Scikit-learn's C.
        sources: The source of each vector to fit to [m], and of each to judge [n]. A source with enough vectors of both
            labels is judged by a regression of its own, any other by that of all vectors. None if there is one source.
    """

    def fit(rows: npt.NDArray[np.bool_]) -> LogisticRegression:
        return LogisticRegression(C=inverse_penalty, max_iter=300).fit(train[rows], labels[rows])

    model = fit(np.ones(len(train), bool))
    found = np.asarray(model.decision_function(unknown), np.float32) if len(unknown) else np.zeros(0, np.float32)
    fitted, judged = sources or (np.zeros(len(train), np.int64), np.zeros(len(unknown), np.int64))
    if len(np.unique(fitted)) > 1:
        for source in np.unique(judged):
            own, asked = fitted == source, judged == source
            if min(np.bincount(labels[own], minlength=2)) >= _LEAST:
                found[asked] = fit(own).decision_function(unknown[asked])
    return found


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
    opinions: Mapping[str, Logits], labels: npt.NDArray[np.int8], sources: Numbers, names: Sequence[str]
) -> tuple[npt.NDArray[np.float32], dict[str, dict[str, float]]]:
    """Returns the probability that each unlabelled text is positive, float32 [n - v], and each teacher's accuracies.

    Each opinion is calibrated in each source first, for a teacher may be surer of one kind of text than it should be,
    and would outvote the others. The probability is the sigmoid of a weighted sum of the calibrated logits. A source's
    weights have the least log loss on its validation texts, but are held near equal ones, the more the fewer of these
    texts there are. A source with few of them takes the numbers of all sources.

    Args:
        opinions: Logits [n] by teacher, of which the first v are of the validation texts. No teacher may have learned
            from those.
        labels: The labels of the validation texts [v], 0 or 1.
        sources: The source of each text [n].
        names: The name of each source.

    Returns:
        The probabilities, and for each teacher the accuracy on the validation texts of each source that has some. The
        accuracies of the weighted sum are under `all`; its weights and temperatures were fitted to the same texts.
    """
    count = len(labels)
    logits = np.stack([each.astype(np.float64) for each in opinions.values()], axis=1)  # [n, teachers]
    joined = np.zeros(len(logits))
    calibrated = np.zeros_like(logits)
    for source in np.unique(sources):
        rows = sources == source
        fitted = rows[:count]
        if min(np.bincount(labels[fitted], minlength=2)) < _LEAST:
            fitted = np.ones(count, bool)
        known, truth = logits[:count][fitted], labels[fitted]
        temperatures = np.array([fit_temperature(each, truth) for each in known.T])
        calibrated[rows] = logits[rows] / temperatures
        joined[rows] = calibrated[rows] @ _fit_weights(known / temperatures, truth)
    accuracies = {
        name: {
            names[source]: float(((each[:count] > 0) == (labels == 1))[sources[:count] == source].mean())
            for source in np.unique(sources[:count])
        }
        for name, each in zip([*opinions, "all"], [*calibrated.T, joined], strict=True)
    }
    return to_probabilities(joined[count:]).astype(np.float32), accuracies


def _fit_weights(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """Returns weights [k], none below 0, with which calibrated logits [v, k] have about the least log loss."""
    count, teachers = logits.shape
    sign = np.where(labels == 1, 1.0, -1.0)

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margin = (logits @ weights) * sign
        off = weights - weights.mean()
        pull = _PULL * teachers / count
        slope = -(logits * (sign * expit(-margin))[:, None]).mean(axis=0)
        return float(np.logaddexp(0.0, -margin).mean() + pull * (off**2).sum()), slope + 2.0 * pull * off

    start = np.full(teachers, 1.0 / teachers)
    found = minimize(loss, start, jac=True, bounds=[(0.0, None)] * teachers, method="L-BFGS-B").x
    return np.asarray(found, np.float64)
