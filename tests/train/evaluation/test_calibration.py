from __future__ import annotations

import numpy as np
import pytest

from sentscore_train.evaluation.calibration import fit_temperature, log_loss


def test_log_loss_is_the_mean_negative_log_likelihood() -> None:
    logits, labels = np.array([2.0, -1.0, 0.0]), np.array([1, 1, 0])
    p = 1 / (1 + np.exp(-logits))
    assert log_loss(logits, labels) == pytest.approx(-np.log(np.where(labels == 1, p, 1 - p)).mean())


def test_log_loss_of_huge_logits_is_finite() -> None:
    assert log_loss(np.array([1e4]), np.array([0])) == pytest.approx(1e4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(temperature) -> None:
    random = np.random.default_rng(0)
    honest = random.normal(0, 2, 200_000)
    labels = (random.random(honest.size) < 1 / (1 + np.exp(-honest))).astype(np.int8)
    assert fit_temperature(honest * temperature, labels) == pytest.approx(temperature, rel=0.03)
