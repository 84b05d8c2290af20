from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _measure import (
    Paired,
    compare_paired,
    find_size,
    format_figure,
    format_interval,
    markdown_table,
    median_interval,
    sample_by_length,
    share_interval,
)


def random() -> np.random.Generator:
    return np.random.default_rng(1234)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=80), st.integers(1, 100), st.integers(1, 12))
def test_a_sample_has_each_row_once_in_whole_groups(lengths, count, group) -> None:
    rows = sample_by_length(np.array(lengths), count, random(), group)
    assert len(set(rows.tolist())) == len(rows)
    whole = min(group, len(lengths))
    expected = len(lengths) if count >= len(lengths) else max(1, count // whole) * whole
    assert len(rows) == expected


def test_a_small_sample_has_the_mean_length_of_all() -> None:
    lengths = random().lognormal(5.3, 0.7, 20_000).astype(np.int64)
    for seed in range(20):
        rows = sample_by_length(lengths, 50, np.random.default_rng(seed))
        assert lengths[rows].mean() == pytest.approx(lengths.mean(), rel=0.1)


def test_groups_are_neighbours_in_length() -> None:
    lengths = random().permutation(1_000)
    drawn = np.sort(lengths[sample_by_length(lengths, 40, random(), 8)]).reshape(5, 8)
    assert (np.diff(drawn, axis=1) == 1).all()
    assert (drawn[:, 0] // 200).tolist() == [0, 1, 2, 3, 4]


def test_the_same_seed_draws_the_same_rows_and_another_seed_others() -> None:
    lengths = np.arange(1_000)
    first = sample_by_length(lengths, 50, random()).tolist()
    assert first == sample_by_length(lengths, 50, random()).tolist()
    assert first != sample_by_length(lengths, 50, np.random.default_rng(1)).tolist()


def test_a_size_fills_the_time_although_starting_takes_long() -> None:
    tried = []

    def take_time(count: int) -> float:
        tried.append(count)
        return 3.0 + count / 300

    count = find_size(20.0, take_time, most=25_000)
    assert tried == [8, 32, 128, 512, 2_048]
    assert 15.0 < take_time(count) <= 20.0


@pytest.mark.parametrize(("rate", "expected"), [(0.01, 1), (50.0, 500), (1e6, 600)])
def test_a_size_is_at_least_one_and_at_most_all(rate, expected) -> None:
    assert find_size(10.0, lambda count: count / rate, most=600) == expected


@pytest.mark.parametrize(
    ("count", "low", "high", "confidence"),
    [(1, 1, 1, 0.0), (5, 1, 5, 0.9375), (6, 1, 6, 0.96875), (10, 2, 9, 0.978515625)],
)
def test_the_interval_of_a_median_is_two_of_the_values(count, low, high, confidence) -> None:
    # The last two are the tabulated ones: of 10 values the 2nd and the 9th, with 97.85 %.
    interval = median_interval([float(value) for value in range(count, 0, -1)])
    assert (interval.low, interval.high) == (low, high)
    assert interval.confidence == pytest.approx(confidence)
    assert interval.value == (count + 1) / 2


def test_the_interval_of_a_median_holds_it_as_often_as_it_says() -> None:
    draws = random().exponential(size=(4_000, 9))
    intervals = [median_interval(values.tolist()) for values in draws]
    held = np.mean([interval.low <= np.log(2) <= interval.high for interval in intervals])
    assert held == pytest.approx(intervals[0].confidence, abs=0.015)


def test_the_interval_of_a_share_is_wilsons() -> None:
    interval = share_interval(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)
    assert interval.value == 81 / 263
    assert share_interval(10, 10).high == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.01234, "0.0123"), (1.234, "1.23"), (12.34, "12.3"), (1_234.4, "1,234"), (0.0, "0")]
)
def test_figures_have_three_digits_that_count(value, shown) -> None:
    assert format_figure(value) == shown


def test_a_table_is_markdown() -> None:
    cell = format_interval(median_interval([1.0, 2.0, 3.0]))
    assert markdown_table(["rival", "reviews/s"], [["a", cell]]) == (
        "| rival | reviews/s |\n| --- | --- |\n| a | 2.00 (1.00 to 3.00) |"
    )
    with pytest.raises(ValueError, match="1 cells under a header of 2"):
        markdown_table(["a", "b"], [["c"]])


def test_pairs_are_compared_by_where_they_differ() -> None:
    first = np.array([1] * 9 + [0] + [1] * 20 + [0] * 10, bool)
    second = np.array([0] * 9 + [1] + [1] * 20 + [0] * 10, bool)
    found = compare_paired(first, second)
    assert (found.share, found.first_only, found.second_only) == (8 / 40, 9, 1)
    assert found.p == pytest.approx(2 * (1 + 10) / 2**10)  # ten fair coins show one head or none, or tails so
    assert compare_paired(second, first).p == found.p
    assert compare_paired(first, first) == Paired(0.0, 0, 0, 1.0)
