from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss

from sentscore_train.evaluation.metrics import (
    Confusion,
    Interval,
    LengthBin,
    ReliabilityBin,
    accuracy_by_length,
    compare_models,
    expected_calibration_error,
    expected_error_by_chance,
    mean_interval,
    measure,
    reliability,
    to_logits,
    to_probabilities,
)

# Three negatives at 0.1, 0.4 and 0.8, three positives at 0.3, 0.6 and 0.9: of the nine pairs six are in order.
PROBABILITIES = np.array([0.1, 0.4, 0.8, 0.3, 0.6, 0.9])
LABELS = np.array([0, 0, 0, 1, 1, 1], np.int8)
LENGTHS = np.array([10, 20, 30, 40, 50, 60])


def test_what_one_model_gets_right_is_counted_by_hand() -> None:
    found = measure(PROBABILITIES, LABELS, LENGTHS, temperature=1.0)
    assert found.reviews == 6
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.auc == pytest.approx(6 / 9)
    assert found.confusion == Confusion(true_negative=2, false_positive=1, false_negative=1, true_positive=2)
    assert (found.precision, found.recall, found.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert found.calibrated.brier == pytest.approx((0.01 + 0.16 + 0.64 + 0.49 + 0.16 + 0.01) / 6)
    likelihood = 0.9 * 0.6 * 0.2 * 0.3 * 0.6 * 0.9
    assert found.calibrated.log_loss == pytest.approx(-math.log(likelihood) / 6)
    # Six texts in fifteen bins: each is a bin of its own.
    assert found.calibrated.ece == pytest.approx((0.1 + 0.4 + 0.8 + 0.7 + 0.4 + 0.1) / 6)
    assert found.by_length[2] == LengthBin(shortest=30, longest=30, reviews=1, accuracy=0.0)


def test_without_the_temperature_the_logits_are_those_of_the_network() -> None:
    logits = np.array([-4.0, -1.0, 2.0, -0.5, 1.5, 6.0])
    found = measure(1 / (1 + np.exp(-logits / 2.0)), LABELS, LENGTHS, temperature=2.0)
    plain = 1 / (1 + np.exp(-logits))
    assert found.uncalibrated.temperature == 1.0
    assert found.calibrated.temperature == 2.0
    assert found.uncalibrated.log_loss == pytest.approx(sklearn_log_loss(LABELS, plain))
    assert found.uncalibrated.brier == pytest.approx(np.mean((plain - LABELS) ** 2))
    assert found.calibrated.log_loss == pytest.approx(sklearn_log_loss(LABELS, 1 / (1 + np.exp(-logits / 2.0))))
    assert [each.probability for each in found.uncalibrated.reliability] == pytest.approx(sorted(plain))


def test_logits_undo_the_sigmoid_and_are_finite_where_float32_is_not() -> None:
    assert to_logits(np.array([0.5, 0.75])) == pytest.approx([0.0, math.log(3)])
    assert to_logits(np.array([0.0, 1.0], np.float32)) == pytest.approx([-27.631, 27.631], abs=1e-3)


def test_the_calibration_error_is_the_mean_distance_of_the_bins() -> None:
    probabilities = np.array([0.9, 0.1, 0.3, 0.7])
    labels = np.array([1, 0, 1, 0])
    bins = reliability(probabilities, labels, bins=2)
    assert [each.reviews for each in bins] == [2, 2]
    assert [each.probability for each in bins] == pytest.approx([0.2, 0.8])
    assert [each.positive for each in bins] == [0.5, 0.5]
    assert expected_calibration_error(bins) == pytest.approx(0.3)
    uneven = (ReliabilityBin(3, 0.2, 0.3), ReliabilityBin(1, 0.9, 0.5))
    assert expected_calibration_error(uneven) == pytest.approx(0.75 * 0.1 + 0.25 * 0.4)


def test_one_probability_for_all_is_one_bin_and_honest_where_half_are_positive() -> None:
    bins = reliability(np.full(30, 0.5), np.repeat([0, 1], 15))
    assert bins == (ReliabilityBin(reviews=30, probability=0.5, positive=0.5),)
    assert expected_calibration_error(bins) == 0.0


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.6, 0.9]), st.integers(0, 1)), min_size=1), st.randoms())
def test_the_order_of_the_rows_does_not_matter(rows, random) -> None:
    shuffled = random.sample(rows, len(rows))
    bins, again = (
        reliability(np.array([p for p, _ in each]), np.array([label for _, label in each]), bins=4)
        for each in (rows, shuffled)
    )
    assert sum(each.reviews for each in bins) == len(rows)
    assert [(each.reviews, each.positive) for each in bins] == [(each.reviews, each.positive) for each in again]


def test_deciles_hold_a_tenth_each() -> None:
    lengths = np.random.default_rng(0).permutation(np.arange(1, 101))
    deciles = accuracy_by_length(lengths, lengths <= 15)
    assert [(each.shortest, each.longest, each.reviews) for each in deciles] == [
        (start + 1, start + 10, 10) for start in range(0, 100, 10)
    ]
    assert [each.accuracy for each in deciles] == [1.0, 0.5, *[0.0] * 8]


def test_texts_of_one_length_are_in_one_bin() -> None:
    lengths = np.array([1, 2, 2, 2, 2, 3, 4, 5])
    bins = accuracy_by_length(lengths, np.ones(8, bool), bins=4)
    assert [(each.shortest, each.longest, each.reviews) for each in bins] == [(1, 1, 1), (2, 3, 5), (4, 5, 2)]


def test_the_interval_of_an_accuracy_is_nearly_the_normal_one_and_follows_from_the_seed() -> None:
    right = np.arange(2_500) < 2_250
    found = mean_interval(right)
    half = 1.96 * math.sqrt(0.9 * 0.1 / 2_500)
    assert (found.low, found.high) == pytest.approx((0.9 - half, 0.9 + half), abs=1e-3)
    assert found.resamples == 10_000
    assert mean_interval(right) == found
    assert mean_interval(right, seed=1, resamples=50) != mean_interval(right, seed=2, resamples=50)


def test_drawing_counts_is_drawing_rows() -> None:
    right = np.arange(40) < 30
    random = np.random.default_rng(5)
    rows = np.quantile(right[random.integers(0, 40, (20_000, 40))].mean(axis=1), (0.025, 0.975))
    found = mean_interval(right)
    assert (found.low, found.high) == pytest.approx(tuple(rows), abs=0.0251)  # a row in forty, and the seeds differ


def pair(only_first: int, only_second: int, both: int, none: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of two models, and labels, with these counts of right texts."""
    first = np.repeat([0.9, 0.2, 0.9, 0.2], (only_first, only_second, both, none))
    second = np.repeat([0.2, 0.9, 0.9, 0.2], (only_first, only_second, both, none))
    return first, second, np.ones(len(first), np.int8)


@pytest.mark.parametrize(("only_first", "only_second"), [(8, 2), (2, 8)])
def test_mcnemar_is_twice_the_tail_of_the_binomial(only_first, only_second) -> None:
    found = compare_models(*pair(only_first, only_second, 80, 10))
    assert (found.only_first_right, found.only_second_right) == (only_first, only_second)
    assert found.mcnemar_p == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert found.same_sentiment == pytest.approx(0.9)
    assert found.difference == pytest.approx((only_first - only_second) / 100)


def test_the_label_and_not_the_sentiment_decides_who_is_right() -> None:
    found = compare_models(np.array([0.9, 0.1, 0.8]), np.array([0.1, 0.9, 0.7]), np.array([0, 0, 1], np.int8))
    assert (found.only_first_right, found.only_second_right) == (1, 1)
    assert found.difference == 0.0
    assert found.mcnemar_p == 1.0


def test_a_paired_interval_is_narrower_than_two_single_ones() -> None:
    found = compare_models(*pair(30, 10, 900, 60))
    # Var of a mean of n values in {-1, 0, 1} with shares 0.03 and 0.01: (0.04 - 0.02**2) / n.
    half = 1.96 * math.sqrt((0.04 - 0.02**2) / 1_000)
    assert found.difference == pytest.approx(0.02)
    interval = found.difference_interval
    assert (interval.low, interval.high) == pytest.approx((0.02 - half, 0.02 + half), abs=1.1e-3)
    assert compare_models(*pair(30, 10, 900, 60)) == found


def test_a_model_agrees_with_itself() -> None:
    found = compare_models(PROBABILITIES, PROBABILITIES, LABELS)
    assert (found.same_sentiment, found.mcnemar_p, found.difference) == (1.0, 1.0, 0.0)
    assert found.difference_interval == Interval(0.0, 0.0, 10_000)


def test_the_calibration_error_by_chance_is_that_of_right_probabilities() -> None:
    random = np.random.default_rng(5)
    probabilities = random.random(600)
    drawn = [
        expected_calibration_error(reliability(probabilities, (random.random(600) < probabilities).astype(np.int8)))
        for _ in range(300)
    ]
    assert expected_error_by_chance(probabilities) == pytest.approx(np.mean(drawn), rel=0.05)
    assert expected_error_by_chance(np.tile(probabilities, 100)) < 0.2 * np.mean(drawn)
    assert expected_error_by_chance(np.zeros(10)) == 0.0


def test_probabilities_are_those_of_double_precision_whatever_the_logits_are() -> None:
    found = to_probabilities(np.array([-3.0, 0.0, 2.0], np.float32))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [1.0 / (1.0 + math.exp(3.0)), 0.5, 1.0 / (1.0 + math.exp(-2.0))])
    np.testing.assert_allclose(to_logits(found), [-3.0, 0.0, 2.0])
