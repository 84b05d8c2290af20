from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore import encoder as encoder_module
from sentscore.encoder import EncodedTexts, Encoder, head_and_tail
from sentscore.text import as_text_array, normalize, split_chunks
from sentscore.tokenizer import MAX_CHUNK_CHARACTERS, tokenize_chunks
from sentscore.vocabulary import Vocabulary

TOKENS = ("<unk>", "<pad>", "a", "great", "film", ".", "do", "n't", "!", "(", ")", "it", "'s")
TEXTS = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("aA .!?'()-/<>br\x96\u00a0\u2003\n")), max_size=60
)


@cache
def reference_tokenizer() -> spacy.language.Language:
    return spacy.blank("en")


def reference_tokens(text: str) -> list[str]:
    """spaCy on each chunk by itself."""
    chunks, _ = split_chunks(normalize(as_text_array([text]), lowercase=True))
    return [token.text for chunk in chunks.to_pylist() for token in reference_tokenizer().tokenizer(chunk)]


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(Vocabulary(TOKENS, lowercase=True))


def test_ids_of_a_text(encoder) -> None:
    encoded = encoder.encode(["A GREAT film.", None, "  ", "Don't miss (it)!"])
    assert [encoded[index].tolist() for index in range(4)] == [[2, 3, 4, 5], [], [], [6, 7, 0, 9, 11, 10, 8]]
    assert encoded.ids.dtype == np.int32
    assert encoded.offsets.tolist() == [0, 4, 4, 4, 11]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_ids_are_those_of_spacy_on_each_chunk(texts) -> None:
    id_of = {token: index for index, token in enumerate(TOKENS)}
    encoded = Encoder(Vocabulary(TOKENS, lowercase=True)).encode(texts)
    expected = [[id_of.get(token, 0) for token in reference_tokens(text)] for text in texts]
    assert [encoded[index].tolist() for index in range(len(texts))] == expected


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), max_size=20), max_size=8))
def test_joined_chunks_have_the_tokens_of_single_ones(chunks) -> None:
    expected = [[token.text for token in reference_tokenizer().tokenizer(chunk)] for chunk in chunks]
    assert tokenize_chunks(chunks) == expected


def test_what_was_encoded_before_changes_nothing(encoder, monkeypatch) -> None:
    texts = ["a great film .", "it's (great)!", "a film"]
    first = encoder.encode(texts)
    again = encoder.encode(texts[::-1])
    assert [again[index].tolist() for index in (2, 1, 0)] == [first[index].tolist() for index in (0, 1, 2)]
    monkeypatch.setattr(encoder_module, "_TABLE_BYTES", 0)  # forget everything after each window
    forgetful = Encoder(encoder.vocabulary)
    for _ in range(2):
        assert forgetful.encode(texts).ids.tolist() == first.ids.tolist()
    assert len(forgetful._row_of) == 0


def test_windows_change_nothing(encoder, monkeypatch) -> None:
    texts = ["a great film .", None, "it's (great)!", "", "a film"] * 3
    whole = encoder.encode(texts)
    monkeypatch.setattr(encoder_module, "_WINDOW_BYTES", 9)
    cut = encoder.encode(texts)
    assert cut.ids.tolist() == whole.ids.tolist()
    assert cut.offsets.tolist() == whole.offsets.tolist()


def test_no_texts_have_no_ids(encoder) -> None:
    encoded = encoder.encode([])
    assert len(encoded) == 0
    assert encoded.ids.size == 0


def test_a_long_text_keeps_its_head_and_tail() -> None:
    encoder = Encoder(Vocabulary(TOKENS, lowercase=True), max_tokens=4)
    encoded = encoder.encode(["a great film . it !", "a film", "a great film ."])
    assert [encoded[index].tolist() for index in range(3)] == [[2, 3, 11, 8], [2, 4], [2, 3, 4, 5]]


def test_head_and_tail_of_an_odd_limit_keeps_two_halves() -> None:
    encoded = head_and_tail(EncodedTexts(np.arange(7, dtype=np.int32), np.array([0, 7])), 5)
    assert encoded[0].tolist() == [0, 1, 5, 6]


def test_take_gives_rows_in_the_order_asked_for() -> None:
    encoded = EncodedTexts(np.arange(6, dtype=np.int32), np.array([0, 2, 2, 6]))
    taken = encoded.take(np.array([2, 1, 0, 2]))
    assert [taken[index].tolist() for index in range(4)] == [[2, 3, 4, 5], [], [0, 1], [2, 3, 4, 5]]


def test_a_huge_chunk_is_cut_into_pieces() -> None:
    punctuation = "(" * (5 * MAX_CHUNK_CHARACTERS)
    assert tokenize_chunks(["a", punctuation, "b"]) == [["a"], ["("] * len(punctuation), ["b"]]
    assert tokenize_chunks(["x" * (MAX_CHUNK_CHARACTERS + 1)]) == [["x" * MAX_CHUNK_CHARACTERS, "x"]]
