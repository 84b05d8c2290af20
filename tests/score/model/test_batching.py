from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sentscore.model.batching import batches_by_length, pad_batch
from sentscore.text.encoder import EncodedTexts


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 900))
def test_every_text_with_tokens_is_in_one_batch_within_the_budget(lengths, batch_tokens) -> None:
    array = np.array(lengths, np.int64)
    batches = list(batches_by_length(array, batch_tokens=batch_tokens))
    rows = [row for batch in batches for row in batch.tolist()]
    assert sorted(rows) == np.flatnonzero(array).tolist()
    assert all(len(batch) == 1 or len(batch) * array[batch].max() <= batch_tokens for batch in batches)
    assert array[rows].tolist() == sorted(array[rows].tolist(), reverse=True)


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 900), st.integers(1, 9))
def test_a_batch_has_at_most_so_many_rows(lengths, batch_tokens, most_rows) -> None:
    array = np.array(lengths, np.int64)
    batches = list(batches_by_length(array, batch_tokens=batch_tokens, most_rows=most_rows))
    assert sorted(row for batch in batches for row in batch.tolist()) == np.flatnonzero(array).tolist()
    assert all(len(batch) <= most_rows for batch in batches)
    assert all(len(batch) == 1 or len(batch) * array[batch].max() <= batch_tokens for batch in batches)


def test_texts_are_padded_behind_their_end() -> None:
    encoded = EncodedTexts(np.array([4, 5, 6], np.int32), np.array([0, 2, 3, 3]))
    token_ids, lengths = pad_batch(encoded, np.arange(3), 1)
    assert token_ids.tolist() == [[4, 5], [6, 1], [1, 1]]
    assert lengths.tolist() == [2, 1, 1]
    assert token_ids.dtype == lengths.dtype == np.int32


def test_rows_are_padded_in_the_order_asked_for() -> None:
    encoded = EncodedTexts(np.array([4, 5, 6], np.int32), np.array([0, 2, 3]))
    assert pad_batch(encoded, np.array([1, 0]), 9)[0].tolist() == [[6, 9], [4, 5]]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_a_batch_has_each_text_and_padding_behind_it(lengths, random) -> None:
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    encoded = EncodedTexts(np.arange(2, 2 + offsets[-1], dtype=np.int32), offsets)
    rows = np.array(random.choices(range(len(lengths)), k=random.randint(1, 15)), np.int64)
    token_ids, found = pad_batch(encoded, rows, 1)
    longest = max(1, *(lengths[row] for row in rows))
    expected = [[*encoded[row].tolist(), *[1] * (longest - lengths[row])] for row in rows]
    assert token_ids.tolist() == expected
    assert found.tolist() == [max(1, lengths[row]) for row in rows]
    assert token_ids.dtype == found.dtype == np.int32
    assert token_ids.flags.c_contiguous
