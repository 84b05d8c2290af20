"""Fits the temperature that makes probabilities honest."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def log_loss(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Mean negative log likelihood, in nats, of labels 0 or 1 [n] under logits [n]."""
    signed = np.where(labels == 1, logits, -logits).astype(np.float64)
    return float(np.logaddexp(0.0, -signed).mean())


def fit_temperature(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """The temperature t in [0.05, 20] that minimises the log loss of `logits / t` (Guo et al. 2017).

    The loss is convex in 1 / t, so a golden-section search over log t finds its one minimum.

    Args:
        logits: [n], of validation texts.
        labels: [n], 0 or 1.
    """
    low, high = math.log(0.05), math.log(20.0)
    ratio = (math.sqrt(5.0) - 1.0) / 2.0

    def loss(log_t: float) -> float:
        return log_loss(logits / math.exp(log_t), labels)

    left, right = high - ratio * (high - low), low + ratio * (high - low)
    loss_left, loss_right = loss(left), loss(right)
    while high - low > 1e-5:
        if loss_left < loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - ratio * (high - low)
            loss_left = loss(left)
        else:
            low, left, loss_left = left, right, loss_right
            right = low + ratio * (high - low)
            loss_right = loss(right)
    return math.exp((low + high) / 2.0)
