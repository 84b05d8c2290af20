from __future__ import annotations

import numpy as np
import pytest

from sentscore_train.evaluation.groups import (
    MOST_GROUPS,
    compare_groups,
    group_by_length,
    group_by_value,
    measure_group,
    measure_groups,
)

PROBABILITIES = np.array([0.1, 0.4, 0.8, 0.3, 0.6, 0.9])
LABELS = np.array([0, 0, 0, 1, 1, 1], np.int8)
KINDS = ["camera", "music", "camera", "music", "camera", "music"]


def test_each_value_has_the_metrics_of_its_own_rows() -> None:
    found = measure_groups(PROBABILITIES, LABELS, group_by_value(KINDS))
    assert list(found) == ["camera", "music"]
    camera = found["camera"]  # negative at 0.1 and 0.8, positive at 0.6
    assert (camera.reviews, camera.positive, camera.accuracy) == (3, pytest.approx(1 / 3), pytest.approx(2 / 3))
    assert camera.auc == pytest.approx(1 / 2)
    assert camera.brier == pytest.approx((0.01 + 0.64 + 0.16) / 3)
    assert camera.log_loss == pytest.approx(-np.log([0.9, 0.2, 0.6]).mean())
    assert camera.ece == pytest.approx((0.1 + 0.8 + 0.4) / 3)  # each text is a bin of its own
    assert camera.ece_by_chance > 0.2
    assert camera.accuracy_interval.low <= camera.accuracy <= camera.accuracy_interval.high


def test_texts_of_one_label_have_no_auc() -> None:
    found = measure_group(np.array([0.2, 0.7]), np.array([1, 1], np.int8))
    assert (found.auc, found.accuracy, found.positive) == (None, 0.5, 1.0)


def test_two_models_are_compared_in_each_group() -> None:
    other = np.array([0.1, 0.4, 0.2, 0.3, 0.4, 0.9])  # rows 2 and 4 of the cameras change sides
    found = compare_groups(PROBABILITIES, other, LABELS, group_by_value(KINDS))
    assert (found["camera"].only_first_right, found["camera"].only_second_right) == (1, 1)
    assert (found["music"].same_sentiment, found["music"].mcnemar_p) == (1.0, 1.0)


def test_rows_are_grouped_by_value_and_a_missing_value_has_a_name() -> None:
    found = group_by_value(["b", None, "a", 3, "b"])
    assert {name: rows.tolist() for name, rows in found.items()} == {"3": [3], "a": [2], "b": [0, 4], "none": [1]}


def test_the_values_with_the_fewest_rows_are_one_group() -> None:
    values = [f"product {number:03}" for number in range(MOST_GROUPS + 10)]
    found = group_by_value([*values, *values[5:]])
    assert len(found) == MOST_GROUPS
    assert list(found)[-1] == "11 others"
    assert found["11 others"].tolist()[:5] == [0, 1, 2, 3, 4]
    assert sum(map(len, found.values())) == 2 * len(values) - 5


def test_texts_are_grouped_by_length_and_a_border_belongs_to_the_shorter_ones() -> None:
    found = group_by_length(np.array([1, 25, 26, 501, 500, 25]))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "1 to 25 tokens": [0, 1, 5],
        "26 to 100 tokens": [2],
        "251 to 500 tokens": [4],
        "more than 500 tokens": [3],
    }
