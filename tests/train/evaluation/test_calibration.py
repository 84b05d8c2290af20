from __future__ import annotations

import numpy as np
import pytest

from sentscore_train.evaluation.calibration import balance_weights, fit_temperature, log_loss


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


def test_with_weights_a_small_group_counts_as_much_as_a_large_one() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0.0, 2.0, 4_000)
    groups = np.repeat([0, 1], [3_600, 400])
    labels = (random.random(4_000) < 1.0 / (1.0 + np.exp(-logits * np.where(groups, 0.5, 1.0)))).astype(np.int8)
    weights = balance_weights(groups)
    assert weights is not None
    doubled = np.concatenate((np.arange(3_600), np.tile(np.arange(3_600, 4_000), 9)))
    assert fit_temperature(logits, labels, weights) == pytest.approx(
        fit_temperature(logits[doubled], labels[doubled]), rel=1e-5
    )
    assert log_loss(logits, labels, weights) == pytest.approx(log_loss(logits[doubled], labels[doubled]))
    assert balance_weights(np.zeros(3, np.int64)) is None
