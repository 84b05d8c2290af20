from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts, draw_shares, order_batches


def order(lengths: list[int], *, seed: int = 1, epoch: int = 0) -> list[np.ndarray]:
    return order_batches(np.array(lengths), batch_size=4, bucket_batches=5, seed=seed, epoch=epoch)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=90), st.integers(0, 5))
def test_an_epoch_has_every_row_once(lengths, epoch) -> None:
    batches = order(lengths, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(rows) <= 4 for rows in batches)


def test_the_order_follows_from_seed_and_epoch() -> None:
    lengths = list(range(100))
    flat = [np.concatenate(order(lengths, seed=seed, epoch=epoch)).tolist() for seed in (1, 2) for epoch in (0, 1)]
    assert np.concatenate(order(lengths)).tolist() == flat[0]
    assert len({tuple(each) for each in flat}) == 4


def test_a_batch_has_texts_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 400, 2000)
    padded = sum(int(lengths[rows].max()) * len(rows) for rows in order(lengths.tolist()))
    assert padded < 1.25 * lengths.sum()


def test_a_batch_is_padded_to_its_longest_text() -> None:
    encoded = EncodedTexts(np.array([5, 6, 7, 8], np.int32), np.array([0, 3, 3, 4]))
    batch = LabelledTexts(encoded, np.array([1, 0, 1], np.int8)).batch(np.array([2, 0, 1]), pad_id=1)
    assert batch.token_ids.tolist() == [[8, 1, 1], [5, 6, 7], [1, 1, 1]]
    assert batch.lengths.tolist() == [1, 3, 1]
    assert batch.labels.tolist() == [1.0, 1.0, 0.0]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(0, 9))
def test_each_source_has_its_share_of_an_epoch(sizes, seed) -> None:
    source_ids = np.repeat(np.arange(len(sizes)), sizes)
    shares = [1.0 + source for source in range(len(sizes))]
    rows = draw_shares(source_ids, shares, np.random.default_rng(seed))
    counts = np.bincount(rows, minlength=len(source_ids))
    for source, share in enumerate(shares):
        own = counts[source_ids == source]
        assert own.sum() == round(len(source_ids) * share / sum(shares))
        assert own.max() - own.min() <= 1  # none is read again before all are


def test_what_is_drawn_of_a_source_follows_from_the_state_of_the_generator() -> None:
    first, again, other = (
        draw_shares(np.repeat([0, 1], 50), [1, 3], np.random.default_rng(seed)).tolist() for seed in (1, 1, 2)
    )
    assert first == again != other
    assert len(first) == 100
