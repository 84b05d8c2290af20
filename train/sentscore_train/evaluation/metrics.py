"""Measures how good probabilities are: accuracy, ranking, calibration, and whether two models really differ.

Probabilities are float [n], that a text is positive. Labels are int [n], 0 (negative) or 1 (positive). A text is called
positive from a probability of 0.5 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sentscore.columns import POSITIVE_FROM
from sentscore_train.evaluation.calibration import log_loss

CALIBRATION_BINS: Final = 15
"""The number of bins of the expected calibration error, as in Guo et al. 2017."""

LENGTH_BINS: Final = 10
"""The number of bins of the accuracy by length: deciles."""

RESAMPLES: Final = 10_000
"""The resamples of a bootstrap. With so many, another seed moves an end of the interval by a hundredth of its width."""

CHANCE_RESAMPLES: Final = 200
"""The resamples of the calibration error by chance. Their mean is within a twentieth of its value."""

_SEED: Final = 1234
_CONFIDENCE: Final = 0.95
_FURTHEST: Final = 1e-12  # probabilities nearer to 0 or 1 count as this far: float32 rounds the sigmoid of 18 to 1

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval of 95 %: percentiles of the resamples (Efron and Tibshirani 1993, chapter 13).

    Attributes:
        low: The lower end.
        high: The upper end.
        resamples: The number of resamples.
    """

    low: float
    high: float
    resamples: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Texts with similar probabilities.

    Attributes:
        reviews: The number of texts.
        probability: Their mean probability.
        positive: The share of them that is labelled positive.
    """

    reviews: int
    probability: float
    positive: float


@dataclass(frozen=True)
class Calibration:
    """How well the probabilities agree with the labels.

    Attributes:
        temperature: The divisor of the logits.
        log_loss: The mean negative log likelihood of the labels, in nats.
        brier: The mean squared difference of probability and label (Brier 1950).
        ece: The expected calibration error of `reliability`.
        reliability: Bins with the same number of texts, in ascending order of probability.
    """

    temperature: float
    log_loss: float
    brier: float
    ece: float
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class LengthBin:
    """Texts of similar length.

    Attributes:
        shortest: The tokens of the shortest text.
        longest: The tokens of the longest text.
        reviews: The number of texts.
        accuracy: The share of them that is right.
    """

    shortest: int
    longest: int
    reviews: int
    accuracy: float


@dataclass(frozen=True)
class Confusion:
    """The number of texts by label and by sentiment.

    Attributes:
        true_negative: Texts that are negative and called negative.
        false_positive: Texts that are negative and called positive.
        false_negative: Texts that are positive and called negative.
        true_positive: Texts that are positive and called positive.
    """

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int


@dataclass(frozen=True)
class Metrics:
    """How good one model is.

    Attributes:
        reviews: The number of texts.
        accuracy: The share of texts that is right.
        accuracy_interval: The interval of the accuracy.
        auc: The area under the ROC curve.
        f1: The harmonic mean of precision and recall.
        precision: The share of the texts called positive that is labelled positive; 0 if none is called positive.
        recall: The share of the texts labelled positive that is called positive.
        calibrated: The calibration with the model's temperature.
        uncalibrated: The calibration with temperature 1.
        confusion: The counts behind precision and recall.
        by_length: The accuracy in deciles of the number of tokens, in ascending order.
    """

    reviews: int
    accuracy: float
    accuracy_interval: Interval
    auc: float
    f1: float
    precision: float
    recall: float
    calibrated: Calibration
    uncalibrated: Calibration
    confusion: Confusion
    by_length: tuple[LengthBin, ...]


@dataclass(frozen=True)
class Agreement:
    """How two models differ on the same texts.

    Attributes:
        same_sentiment: The share of texts that both call the same.
        only_first_right: The number of texts that only the first model gets right.
        only_second_right: The number of texts that only the second model gets right.
        mcnemar_p: The p-value of McNemar's exact test, two-sided (McNemar 1947): the probability of two counts at
            least as different as these if neither model is better.
        difference: The accuracy of the first model minus that of the second.
        difference_interval: The interval of the difference, from resamples of texts with both models' results.
    """

    same_sentiment: float
    only_first_right: int
    only_second_right: int
    mcnemar_p: float
    difference: float
    difference_interval: Interval


def measure(probabilities: Floats, labels: Integers, lengths: Integers, *, temperature: float) -> Metrics:
    """Returns every metric of one model.

    Args:
        probabilities: The probabilities [n], sigmoid(logit / temperature).
        labels: The labels [n], of both classes.
        lengths: The numbers of tokens [n].
        temperature: The temperature of the probabilities.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

    called = (probabilities >= POSITIVE_FROM).astype(np.int8)
    right = called == labels
    logits = to_logits(probabilities)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, called, average="binary", zero_division=0)
    return Metrics(
        reviews=len(labels),
        accuracy=float(right.mean()),
        accuracy_interval=mean_interval(right),
        auc=float(roc_auc_score(labels, probabilities)),
        f1=float(f1),
        precision=float(precision),
        recall=float(recall),
        calibrated=calibration(logits, labels, temperature=temperature),
        uncalibrated=calibration(logits * temperature, labels, temperature=1.0),
        confusion=Confusion(*confusion_matrix(labels, called, labels=[0, 1]).ravel().tolist()),
        by_length=accuracy_by_length(lengths, right),
    )


def to_logits(probabilities: Floats) -> npt.NDArray[np.float64]:
    """Returns the logits [n] of probabilities [n], at most 28 from zero."""
    inside = np.clip(probabilities.astype(np.float64), _FURTHEST, 1.0 - _FURTHEST)
    logits: npt.NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return logits


def to_probabilities(logits: Floats) -> npt.NDArray[np.float64]:
    """Returns the probabilities of logits, sigmoid(logits), in double precision whatever theirs is."""
    from scipy.special import expit  # here, for it takes long to import

    found: npt.NDArray[np.float64] = expit(logits.astype(np.float64))
    return found


def calibration(logits: Floats, labels: Integers, *, temperature: float) -> Calibration:
    """Measures the probabilities sigmoid(logits).

    Args:
        logits: The logits [n], already divided by the temperature.
        labels: The labels [n].
        temperature: The temperature that the result names.
    """
    from sklearn.metrics import brier_score_loss

    probabilities = to_probabilities(logits)
    bins = reliability(probabilities, labels)
    return Calibration(
        temperature=temperature,
        log_loss=log_loss(logits, labels),
        brier=float(brier_score_loss(labels, probabilities)),
        ece=expected_calibration_error(bins),
        reliability=bins,
    )


def reliability(probabilities: Floats, labels: Integers, *, bins: int = CALIBRATION_BINS) -> tuple[ReliabilityBin, ...]:
    """Returns bins with the same number of texts; fewer bins if many probabilities are equal."""
    return tuple(
        ReliabilityBin(len(rows), float(probabilities[rows].mean()), float((labels[rows] == 1).mean()))
        for rows in _split_evenly(probabilities, bins)
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Returns the mean over the texts of |share of positives - mean probability| of their bin (Naeini et al. 2015)."""
    reviews = sum(each.reviews for each in bins)
    return sum(each.reviews / reviews * abs(each.positive - each.probability) for each in bins)


def expected_error_by_chance(
    probabilities: Floats, *, bins: int = CALIBRATION_BINS, resamples: int = CHANCE_RESAMPLES, seed: int = _SEED
) -> float:
    """Returns the mean expected calibration error over labels [n] that are drawn from the probabilities [n].

    The fewer texts a bin has, the further is its share of positives from its probability, even if the probability is
    exactly right. An error that is not above this value shows no fault of the model.
    """
    rows = _split_evenly(probabilities, bins)
    ascending = probabilities[np.concatenate(rows)]
    sizes = np.array([len(each) for each in rows])
    starts = np.cumsum(sizes) - sizes
    expected = np.add.reduceat(ascending, starts)
    random = np.random.default_rng(seed)
    found = [
        np.abs(np.add.reduceat(random.random(len(ascending)) < ascending, starts, dtype=np.float64) - expected).sum()
        for _ in range(resamples)
    ]
    return float(np.mean(found) / len(ascending))


def accuracy_by_length(
    lengths: Integers, right: npt.NDArray[np.bool_], *, bins: int = LENGTH_BINS
) -> tuple[LengthBin, ...]:
    """Returns bins with the same number of texts; texts of the same length are in the same bin."""
    return tuple(
        LengthBin(int(lengths[rows].min()), int(lengths[rows].max()), len(rows), float(right[rows].mean()))
        for rows in _split_evenly(lengths, bins)
    )


def mean_interval(right: npt.NDArray[np.bool_], *, resamples: int = RESAMPLES, seed: int = _SEED) -> Interval:
    """Returns the bootstrap interval of the share of `right` [n] that is true."""
    # The number of true values among n drawn with replacement is binomial, so no rows need to be drawn.
    counts = np.random.default_rng(seed).binomial(len(right), right.mean(), resamples)
    return _percentiles(counts / len(right))


def compare_models(first: Floats, second: Floats, labels: Integers) -> Agreement:
    """Compares the probabilities [n] of two models on the same texts with labels [n]."""
    called_first, called_second = first >= POSITIVE_FROM, second >= POSITIVE_FROM
    differ = called_first != called_second
    only_first = int((differ & (called_first == (labels == 1))).sum())
    only_second = int(differ.sum()) - only_first
    reviews, discordant = len(labels), only_first + only_second
    shares = np.array([only_first, only_second, reviews - discordant]) / reviews
    # As in `mean_interval`, with three kinds of rows: only the first model is right, only the second, all others.
    counts = np.random.default_rng(_SEED).multinomial(reviews, shares, RESAMPLES)
    return Agreement(
        same_sentiment=1.0 - discordant / reviews,
        only_first_right=only_first,
        only_second_right=only_second,
        mcnemar_p=mcnemar_p(only_first, only_second),
        difference=(only_first - only_second) / reviews,
        difference_interval=_percentiles((counts[:, 0] - counts[:, 1]) / reviews),
    )


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Returns the p-value of McNemar's exact test, two-sided, for the texts that only one of two models gets right."""
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def _percentiles(values: npt.NDArray[np.float64]) -> Interval:
    outside = (1.0 - _CONFIDENCE) / 2.0
    low, high = np.quantile(values, (outside, 1.0 - outside))
    return Interval(float(low), float(high), len(values))


def _split_evenly(values: npt.NDArray[Any], bins: int) -> list[npt.NDArray[np.int64]]:
    """Returns the rows of each bin, in ascending order of the values [n].

    Equal values are never in two bins. Otherwise a bin's content would depend on the order of the rows.
    """
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    ideal = np.arange(1, bins) * len(values) // bins
    cuts = np.unique(np.searchsorted(ascending, ascending[ideal]))
    return [rows for rows in np.split(order, cuts) if len(rows)]
