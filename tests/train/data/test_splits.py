from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sentscore_train.data.splits import join_groups, split_by_movie


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b", "c", "d", "e", "f"]), st.integers(0, 1)), max_size=60),
    st.integers(0, 9),
)
def test_no_movie_is_on_both_sides_and_no_row_is_lost(reviews, seed) -> None:
    movies = [movie for movie, _ in reviews]
    labels = np.array([label for _, label in reviews], np.int8)
    train, validation = split_by_movie(movies, labels, share=0.3, seed=seed)
    assert sorted([*train.tolist(), *validation.tolist()]) == list(range(len(reviews)))
    assert not {movies[row] for row in train if movies[row]} & {movies[row] for row in validation if movies[row]}
    assert (np.bincount(labels[validation], minlength=2) <= 0.3 * np.bincount(labels, minlength=2)).all()


def test_the_share_and_the_balance_are_met() -> None:
    random = np.random.default_rng(0)
    movies = [f"tt{number}" for number in random.zipf(1.3, 5000) % 900]
    labels = random.integers(0, 2, 5000).astype(np.int8)
    _, validation = split_by_movie(movies, labels, share=0.1, seed=1234)
    assert 490 <= len(validation) <= 500
    assert abs(labels[validation].mean() - labels.mean()) < 0.01


def test_the_split_follows_from_the_seed() -> None:
    movies, labels = [str(number) for number in range(100)], np.zeros(100, np.int8)
    first, again, other = (split_by_movie(movies, labels, seed=seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_groups_are_joined_by_what_their_reviews_share() -> None:
    found = join_groups(["a", "", "b", "c", "", ""], ["x", "y", "x", "z", "z", "w"])
    assert found[0] == found[2]
    assert found[3] == found[4]
    assert len({found[0], found[1], found[3], found[5]}) == 4
