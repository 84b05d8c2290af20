"""Fits the temperature that calibrates a model's probabilities."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar


def log_loss(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Returns the mean negative log likelihood, in nats, of labels [n], 0 or 1, under logits [n]."""
    signed = np.where(labels == 1, logits, -logits).astype(np.float64)
    return float(np.logaddexp(0.0, -signed).mean())


def fit_temperature(logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]) -> float:
    """Returns the temperature t in [0.05, 20] that minimises the log loss of `logits / t` (Guo et al. 2017).

    The loss is convex in 1 / t, so it has one minimum over log t.

    Args:
        logits: The logits [n] of validation texts.
        labels: Their labels [n], 0 or 1.
    """
    exact = logits.astype(np.float64)  # in float32 the loss is too rough to find the minimum to six digits
    found = minimize_scalar(
        lambda log_t: log_loss(exact / math.exp(log_t), labels),
        bounds=(math.log(0.05), math.log(20.0)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return math.exp(found.x)
