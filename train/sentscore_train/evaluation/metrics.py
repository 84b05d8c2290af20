"""Measures how good probabilities are: accuracy, ranking, calibration, and whether two models really differ.

Everywhere probabilities are those of the class positive, float [n], labels are int [n], 0 (negative) or 1 (positive),
and a text counts as positive from 0.5 on.
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
"""Bins of the expected calibration error, as in Guo et al. 2017."""

LENGTH_BINS: Final = 10
"""Deciles."""

RESAMPLES: Final = 10_000
"""Of a bootstrap: the ends of its interval then move by a hundredth of its width from one seed to another."""

_SEED: Final = 1234
_CONFIDENCE: Final = 0.95
_FURTHEST: Final = 1e-12  # a probability counts as no nearer to 0 or 1: float32 rounds a logit of 18 to 1

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval of 95 %: percentiles of the resamples (Efron and Tibshirani 1993, chapter 13).

    Attributes:
        low: its lower end.
        high: its upper end.
        resamples: that it was taken from.
    """

    low: float
    high: float
    resamples: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Texts with like probabilities.

    Attributes:
        reviews: how many.
        probability: their mean.
        positive: share of them that is labelled positive.
    """

    reviews: int
    probability: float
    positive: float


@dataclass(frozen=True)
class Calibration:
    """How honest the probabilities are at a temperature.

    Attributes:
        temperature: that the logits are divided by.
        log_loss: mean negative log likelihood of the labels, in nats.
        brier: mean squared difference of probability and label (Brier 1950).
        ece: expected calibration error, the mean over the texts of the distance that `reliability` shows.
        reliability: bins of equal mass, in ascending order of probability.
    """

    temperature: float
    log_loss: float
    brier: float
    ece: float
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True)
class LengthBin:
    """Texts of like length.

    Attributes:
        shortest: tokens of the shortest one.
        longest: tokens of the longest one.
        reviews: how many.
        accuracy: share of them that is right.
    """

    shortest: int
    longest: int
    reviews: int
    accuracy: float


@dataclass(frozen=True)
class Confusion:
    """Texts by label and by what they are called.

    Attributes:
        true_negative: negative, called negative.
        false_positive: negative, called positive.
        false_negative: positive, called negative.
        true_positive: positive, called positive.
    """

    true_negative: int
    false_positive: int
    false_negative: int
    true_positive: int


@dataclass(frozen=True)
class Metrics:
    """How good one model is.

    Attributes:
        reviews: how many were scored.
        accuracy: share that is right.
        accuracy_interval: of the accuracy.
        auc: area under the ROC curve.
        f1: harmonic mean of precision and recall.
        precision: share of the texts called positive that is labelled so; 0 where none is called so.
        recall: share of the texts labelled positive that is called so.
        calibrated: with the model's temperature.
        uncalibrated: with temperature 1.
        confusion: counts.
        by_length: deciles of the number of tokens, in ascending order.
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
        same_sentiment: share that both call the same.
        only_first_right: texts that the first model alone gets right.
        only_second_right: texts that the second model alone gets right.
        mcnemar_p: of McNemar's exact test, two-sided: the probability of counts at least as uneven as these two where
            neither model is better (McNemar 1947).
        difference: accuracy of the first less that of the second.
        difference_interval: of the difference, both models resampled on the same texts.
    """

    same_sentiment: float
    only_first_right: int
    only_second_right: int
    mcnemar_p: float
    difference: float
    difference_interval: Interval


def measure(probabilities: Floats, labels: Integers, lengths: Integers, *, temperature: float) -> Metrics:
    """Everything about one model.

    Args:
        probabilities: [n], sigmoid(logit / temperature).
        labels: [n], of both classes.
        lengths: [n], tokens.
        temperature: that is in the probabilities.
    """
    from sklearn.metrics import confusion_matrix, f1_score, precision_score, recall_score, roc_auc_score

    called = (probabilities >= POSITIVE_FROM).astype(np.int8)
    right = called == labels
    logits = logits_of(probabilities)
    return Metrics(
        reviews=len(labels),
        accuracy=float(right.mean()),
        accuracy_interval=mean_interval(right),
        auc=float(roc_auc_score(labels, probabilities)),
        f1=float(f1_score(labels, called, zero_division=0)),
        precision=float(precision_score(labels, called, zero_division=0)),
        recall=float(recall_score(labels, called)),
        calibrated=calibration(logits, labels, temperature=temperature),
        uncalibrated=calibration(logits * temperature, labels, temperature=1.0),
        confusion=Confusion(*confusion_matrix(labels, called, labels=[0, 1]).ravel().tolist()),
        by_length=accuracy_by_length(lengths, right),
    )


def logits_of(probabilities: Floats) -> npt.NDArray[np.float64]:
    """The logits [n] that a sigmoid makes the probabilities [n] of, 28 from zero at the furthest."""
    inside = np.clip(probabilities.astype(np.float64), _FURTHEST, 1.0 - _FURTHEST)
    logits: npt.NDArray[np.float64] = np.log(inside) - np.log1p(-inside)
    return logits


def calibration(logits: Floats, labels: Integers, *, temperature: float) -> Calibration:
    """How honest sigmoid(logits) is.

    Args:
        logits: [n], divided by the temperature already.
        labels: [n].
        temperature: to be told.
    """
    from sklearn.metrics import brier_score_loss

    probabilities = 1.0 / (1.0 + np.exp(-logits))
    bins = reliability(probabilities, labels)
    return Calibration(
        temperature=temperature,
        log_loss=log_loss(logits, labels),
        brier=float(brier_score_loss(labels, probabilities)),
        ece=expected_calibration_error(bins),
        reliability=bins,
    )


def reliability(probabilities: Floats, labels: Integers, *, bins: int = CALIBRATION_BINS) -> tuple[ReliabilityBin, ...]:
    """Bins of equal mass, in ascending order of probability; fewer where many probabilities [n] are equal."""
    return tuple(
        ReliabilityBin(len(rows), float(probabilities[rows].mean()), float((labels[rows] == 1).mean()))
        for rows in _equal_masses(probabilities, bins)
    )


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Sum over the bins of (share of the texts) x |share of positives - mean probability| (Naeini et al. 2015)."""
    reviews = sum(each.reviews for each in bins)
    return sum(each.reviews / reviews * abs(each.positive - each.probability) for each in bins)


def accuracy_by_length(
    lengths: Integers, right: npt.NDArray[np.bool_], *, bins: int = LENGTH_BINS
) -> tuple[LengthBin, ...]:
    """Accuracy in bins of equal mass of the lengths [n]; texts of one length are all in one bin."""
    return tuple(
        LengthBin(int(lengths[rows].min()), int(lengths[rows].max()), len(rows), float(right[rows].mean()))
        for rows in _equal_masses(lengths, bins)
    )


def mean_interval(right: npt.NDArray[np.bool_], *, resamples: int = RESAMPLES, seed: int = _SEED) -> Interval:
    """The bootstrap interval of the share that is true of `right` [n]."""
    # How many of n values drawn with replacement are true has a binomial distribution, so no row need be drawn.
    counts = np.random.default_rng(seed).binomial(len(right), right.mean(), resamples)
    return _interval(counts / len(right))


def agreement(first: Floats, second: Floats, labels: Integers, *, seed: int = _SEED) -> Agreement:
    """How two models differ.

    Args:
        first: probabilities [n] of the one.
        second: probabilities [n] of the other, on the same texts.
        labels: [n].
        seed: of the bootstrap.
    """
    called_first, called_second = first >= POSITIVE_FROM, second >= POSITIVE_FROM
    differ = called_first != called_second
    only_first = int((differ & (called_first == (labels == 1))).sum())
    only_second = int(differ.sum()) - only_first
    reviews, discordant = len(labels), only_first + only_second
    shares = np.array([only_first, only_second, reviews - discordant]) / reviews
    # As in `mean_interval`, with three kinds of rows: right in one model alone, in the other alone, neither.
    counts = np.random.default_rng(seed).multinomial(reviews, shares, RESAMPLES)
    return Agreement(
        same_sentiment=1.0 - discordant / reviews,
        only_first_right=only_first,
        only_second_right=only_second,
        mcnemar_p=mcnemar_p(only_first, only_second),
        difference=(only_first - only_second) / reviews,
        difference_interval=_interval((counts[:, 0] - counts[:, 1]) / reviews),
    )


def mcnemar_p(only_first: int, only_second: int) -> float:
    """The p of McNemar's exact test, two-sided, of how many texts each of two models alone gets right; 1 of none."""
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def roc(probabilities: Floats, labels: Integers) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The ROC curve of probabilities [n]: false and true positive rates, both [m], ascending."""
    from sklearn.metrics import roc_curve

    false_positive_rate, true_positive_rate, _ = roc_curve(labels, probabilities)
    return false_positive_rate, true_positive_rate


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    outside = (1.0 - _CONFIDENCE) / 2.0
    low, high = np.quantile(values, (outside, 1.0 - outside))
    return Interval(float(low), float(high), len(values))


def _equal_masses(values: npt.NDArray[Any], bins: int) -> list[npt.NDArray[np.int64]]:
    """The rows of each bin in ascending order of the values [n]; equal values are never in two bins.

    If they were, it would hang on the order of the rows what is in which bin.
    """
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    ideal = np.arange(1, bins) * len(values) // bins
    cuts = np.unique(np.searchsorted(ascending, ascending[ideal]))
    return [rows for rows in np.split(order, cuts) if len(rows)]
