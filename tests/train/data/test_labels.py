from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentscore import InputError, UsageError
from sentscore_train.data.labels import BETWEEN, UNLABELLED, Scale, read_labels


def read(values: list[object], **scale: float) -> list[int]:
    return read_labels("t.csv", "c", values, Scale(**scale)).values.tolist()


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 1], [0, 1]),
        ([0.0, 1.0], [0, 1]),
        (["1", " 0 ", "1.0"], [1, 0, 1]),
        ([0, 0], [0, 0]),
        ([True, False], [1, 0]),
        (["True", "FALSE"], [1, 0]),
        (["Positive", "negative"], [1, 0]),
        (["pos", "neg"], [1, 0]),
        ([1, 2, 3, 4, 5], [0, 0, BETWEEN, 1, 1]),
        (["5", "1", "3.5"], [1, 0, BETWEEN]),
        ([1, 2], [0, 0]),
        ([None, "", " ", math.nan, 0], [UNLABELLED] * 4 + [0]),
        ([None, None], [UNLABELLED] * 2),
    ],
)
def test_labels_of_every_kind_are_understood(values, labels) -> None:
    assert read(values) == labels


def test_a_scale_says_which_numbers_are_which() -> None:
    assert read([0, 49, 50, 51, 100], negative_to=49, positive_from=51) == [0, 0, BETWEEN, 1, 1]
    assert read([1, 2, 3], positive_from=3) == [0, 0, 1]
    assert read([1, 1], negative_to=0, positive_from=1) == [1, 1]
    assert read([1], negative_to=2) == [0]
    found = read_labels("t.csv", "c", [0], Scale(-1, 1.5))
    assert found.meaning == "numbers: up to -1 negative, from 1.5 positive"


@pytest.mark.parametrize(
    ("values", "scale", "message"),
    [
        (["good", "bad"], {}, r"t\.csv: column 'c', row 0 \(from 0\) has the label 'good': understood are 0 and 1"),
        (["positive", "negative", "mixed"], {}, r"row 2 \(from 0\) has the label 'mixed'"),
        ([0, 1, "positive"], {}, "a column has one kind of them"),
        ([True, 0], {}, r"row 1 \(from 0\) has the label 0"),
        ([0, 1, math.inf], {}, "has the label inf"),
        ([[1], [2]], {}, r"has the label \[1\]"),
        ([1, 10], {}, "labels from 1 to 10, neither 0 and 1 nor 1 to 5 stars: .* --negative-to and --positive-from"),
        ([-1, 1], {}, "labels from -1 to 1"),
        ([0, 5], {}, "labels from 0 to 5"),
        ([0.5], {}, r"labels from 0\.5 to 0\.5"),
        ([1, 1], {}, "no label but 1, which may be positive or one star"),
        (["positive"], {"negative_to": 1}, "understood are numbers, for a scale is given"),
    ],
)
def test_what_is_not_understood_is_an_input_error(values, scale, message) -> None:
    with pytest.raises(InputError, match=message):
        read(values, **scale)


def test_a_number_cannot_be_negative_and_positive() -> None:
    with pytest.raises(UsageError, match="--negative-to 4 is not below --positive-from 4: give two that are apart"):
        Scale(negative_to=4)
    with pytest.raises(UsageError, match="is not below"):
        Scale(negative_to=math.nan)


@given(st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9))))
def test_any_values_are_labels_or_an_input_error(values) -> None:
    try:
        found = read(values)
    except InputError as error:
        message = str(error)
    else:
        message = ""
        assert len(found) == len(values)
        assert set(found) <= {0, 1, UNLABELLED, BETWEEN}
    assert "\n" not in message
