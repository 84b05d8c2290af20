"""Fits the temperature that calibrates a model's probabilities."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

Weights = npt.NDArray[np.float64]


def log_loss(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], weights: Weights | None = None
) -> float:
    """Returns the mean negative log likelihood, in nats, of labels [n], 0 or 1, under logits [n].

    Args:
        logits: The logits [n].
        labels: The labels [n].
        weights: How much each text counts [n]; None counts them alike.
    """
    signed = np.where(labels == 1, logits, -logits).astype(np.float64)
    losses = np.logaddexp(0.0, -signed)
    return float(losses.mean() if weights is None else np.average(losses, weights=weights))


def fit_temperature(
    logits: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], weights: Weights | None = None
) -> float:
    """Returns the temperature t in [0.05, 20] that minimises the log loss of `logits / t` (Guo et al. 2017).

    The loss is convex in 1 / t, so it has one minimum over log t.

    Args:
        logits: The logits [n] of validation texts.
        labels: Their labels [n], 0 or 1.
        weights: How much each text counts [n]; None counts them alike.
    """
    exact = logits.astype(np.float64)  # in float32 the loss is too rough to find the minimum to six digits
    found = minimize_scalar(
        lambda log_t: log_loss(exact / math.exp(log_t), labels, weights),
        bounds=(math.log(0.05), math.log(20.0)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return math.exp(found.x)


def balance_weights(groups: npt.NDArray[np.integer]) -> Weights | None:
    """Returns weights [n] with which every group counts the same; None where there is one group.

    Args:
        groups: The number of each text's group [n], from 0.
    """
    counts = np.bincount(groups)
    if (counts > 0).sum() < 2:
        return None
    weights: Weights = 1.0 / counts[groups]
    return weights
