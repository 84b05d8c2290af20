from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore.text import encoder as encoder_module
from sentscore.text.encoder import MOSTLY_UNKNOWN, TRUNCATED, EncodedTexts, Encoder, head_and_tail
from sentscore.text.normalize import as_text_array, normalize, split_words
from sentscore.text.processes import encode_distinct
from sentscore.text.vocabulary import Vocabulary

TOKENS = ("<unk>", "<pad>", "a", "great", "film", ".", "do", "n't", "!", "(", ")", "it", "'s")
TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("aA .!?'()-/<>br\x96\u00a0\u2003\n")), max_size=60
)


@cache
def reference_tokenizer() -> spacy.language.Language:
    return spacy.blank("en")


def reference_tokens(text: str, *, lowercase: bool = True) -> list[str]:
    """spaCy on each word by itself."""
    words = split_words(normalize(as_text_array([text]), lowercase=lowercase)).strings().to_pylist()
    return [token.text for word in words for token in reference_tokenizer().tokenizer(word)]


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(Vocabulary(TOKENS, lowercase=True))


def test_ids_of_a_text(encoder) -> None:
    encoded = encoder.encode(as_text_array(["A GREAT film.", None, "  ", "Don't miss (it)!"]))
    assert [encoded[index].tolist() for index in range(4)] == [[2, 3, 4, 5], [], [], [6, 7, 0, 9, 11, 10, 8]]
    assert encoded.ids.dtype == np.int32
    assert encoded.offsets.tolist() == [0, 4, 4, 4, 11]


def test_ids_of_each_word(encoder) -> None:
    words, encoded = encoder.encode_words("  A GREAT<br />\u00a0 Don't  ")
    assert words.to_pylist() == ["a", "great", "don't"]
    assert [encoded[index].tolist() for index in range(3)] == [[2], [3], [6, 7]]
    words, encoded = encoder.encode_words(" ")
    assert (words.to_pylist(), encoded.ids.tolist(), encoded.offsets.tolist()) == ([], [], [0])


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=6), st.booleans())
def test_ids_are_those_of_spacy_on_each_word(texts, lowercase) -> None:
    expected = [reference_tokens(text, lowercase=lowercase) for text in texts]
    tokens = tuple(dict.fromkeys((*TOKENS, *(token for of_text in expected for token in of_text))))
    encoded = Encoder(Vocabulary(tokens, lowercase=lowercase)).encode(as_text_array(texts))
    assert [[tokens[index] for index in encoded[place]] for place in range(len(texts))] == expected


def test_what_was_encoded_before_changes_nothing(encoder, monkeypatch) -> None:
    texts = ["a great film .", "it's (great)!", "a film"]
    first = encoder.encode(as_text_array(texts))
    again = encoder.encode(as_text_array(texts[::-1]))
    assert [again[index].tolist() for index in (2, 1, 0)] == [first[index].tolist() for index in (0, 1, 2)]
    monkeypatch.setattr(encoder_module, "_TABLE_BYTES", 0)  # forget everything after each window
    forgetful = Encoder(encoder.vocabulary)
    for _ in range(2):
        assert forgetful.encode(as_text_array(texts)).ids.tolist() == first.ids.tolist()
    assert len(forgetful._table) == 1  # the empty word


@settings(deadline=None)
@given(st.lists(st.lists(TEXTS, max_size=4), max_size=4), st.sampled_from([0, 300_000, 1 << 26]))
def test_ids_do_not_depend_on_history(calls, table_bytes) -> None:
    vocabulary = Vocabulary(TOKENS, lowercase=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder_module, "_TABLE_BYTES", table_bytes)
        encoder = Encoder(vocabulary)
        for texts in calls:
            fresh = Encoder(vocabulary).encode(as_text_array(texts))
            encoded = encoder.encode(as_text_array(texts))
            assert encoded.ids.tolist() == fresh.ids.tolist()
            assert encoded.offsets.tolist() == fresh.offsets.tolist()


def test_the_table_is_bounded(encoder, monkeypatch) -> None:
    monkeypatch.setattr(encoder_module, "_TABLE_BYTES", 1 << 20)
    held = []
    for call in range(8):
        encoder.encode(as_text_array([f"x{call}y{number} {'z' * 20}{call}{number}" for number in range(1_500)]))
        held.append(encoder._table.nbytes)
    assert max(held) <= 1 << 20
    assert sorted(held) != held  # it has started afresh at least once


def test_steps_change_nothing(encoder, monkeypatch) -> None:
    texts = ["a great film .", None, "it's (great)!", "", "a film"] * 3
    whole = encoder.encode(as_text_array(texts))
    monkeypatch.setattr(encoder_module, "_STEP_BYTES", 9)
    cut = encoder.encode(as_text_array(texts))
    assert cut.ids.tolist() == whole.ids.tolist()
    assert cut.offsets.tolist() == whole.offsets.tolist()


def test_no_texts_have_no_ids(encoder) -> None:
    encoded = encoder.encode(as_text_array([]))
    assert len(encoded) == 0
    assert encoded.ids.size == 0


def test_a_long_text_keeps_its_head_and_tail() -> None:
    encoder = Encoder(Vocabulary(TOKENS, lowercase=True), max_tokens=4)
    encoded = encoder.encode(as_text_array(["a great film . it !", "a film", "a great film ."]))
    assert [encoded[index].tolist() for index in range(3)] == [[2, 3, 11, 8], [2, 4], [2, 3, 4, 5]]


def test_head_and_tail_of_an_odd_limit_keeps_two_halves() -> None:
    encoded = head_and_tail(EncodedTexts(np.arange(7, dtype=np.int32), np.array([0, 7])), 5)
    assert encoded[0].tolist() == [0, 1, 5, 6]


def test_take_gives_rows_in_the_order_asked_for() -> None:
    encoded = EncodedTexts(np.arange(6, dtype=np.int32), np.array([0, 2, 2, 6]))
    taken = encoded.take(np.array([2, 1, 0, 2]))
    assert [taken[index].tolist() for index in range(4)] == [[2, 3, 4, 5], [], [0, 1], [2, 3, 4, 5]]


def test_texts_that_are_cut_or_mostly_unknown_have_a_flag() -> None:
    encoder = Encoder(Vocabulary(("<unk>", "<pad>", "good", "film"), lowercase=True), max_tokens=4)
    texts = ["good film", "good zzz", "good zzz yyy", "zzz", "", None, "good film good film", "good " * 5, "zzz " * 5]
    encoded, flags = encoder.encode_and_flag(as_text_array(texts))
    assert flags.dtype == np.uint8
    assert flags.tolist() == [0, 0, MOSTLY_UNKNOWN, MOSTLY_UNKNOWN, 0, 0, 0, TRUNCATED, TRUNCATED + MOSTLY_UNKNOWN]
    assert encoded.lengths.tolist() == [2, 2, 3, 1, 0, 0, 4, 4, 4]
    uncut = Encoder(encoder.vocabulary, max_tokens=None).encode_and_flag(as_text_array(texts))[1]
    assert uncut.tolist() == [0, 0, MOSTLY_UNKNOWN, MOSTLY_UNKNOWN, 0, 0, 0, 0, MOSTLY_UNKNOWN]


def test_flags_of_equal_texts_and_nulls_are_each_rows_own() -> None:
    encoder = Encoder(Vocabulary(("<unk>", "<pad>", "good"), lowercase=True))
    distinct = encode_distinct(encoder, pa.array(["zzz", None, "good", "zzz"]))
    assert distinct.flag_rows().tolist() == [MOSTLY_UNKNOWN, 0, 0, MOSTLY_UNKNOWN]
