from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore.text import word_table as table_module
from sentscore.text.normalize import as_text_array, split_words
from sentscore.text.word_table import WordTable

WORDS = st.text(st.sampled_from("ab\x00é日\U0001f600"), max_size=18)
asked: list[str] = []


def code_points(words: Sequence[str]) -> tuple[list[int], list[int]]:
    """Stands for the tokenizer: a word's ids are its characters."""
    asked.extend(words)
    return [ord(character) for word in words for character in word], [len(word) for word in words]


@pytest.fixture
def table() -> WordTable:
    asked.clear()
    return WordTable(code_points)


def look_up(table: WordTable, texts: list[str]) -> list[list[int]]:
    ids, offsets = table.look_up(split_words(as_text_array(texts)))
    assert ids.dtype == np.int32
    return [part.tolist() for part in np.split(ids, offsets[1:-1])] if len(offsets) > 1 else []


@settings(deadline=None)
@given(st.lists(st.lists(WORDS, max_size=12), max_size=4))
def test_every_word_has_its_own_ids(calls) -> None:
    table = WordTable(code_points)
    for words in calls:
        assert look_up(table, words) == [[ord(character) for character in word] for word in words]


def test_a_word_is_tokenised_once(table) -> None:
    look_up(table, ["a", "b", "a", "", "x" * 15, "x" * 16, "x" * 16, "x" * 17])
    look_up(table, ["b", "x" * 17, "x" * 16, "c"])
    assert sorted(asked) == ["a", "b", "c", "x" * 15, "x" * 16, "x" * 17]


def test_words_of_zero_bytes_are_told_apart(table) -> None:
    words = ["\x00" * length for length in range(1, 20)]
    assert [len(ids) for ids in look_up(table, words)] == list(range(1, 20))
    assert len(asked) == 19


def test_it_grows_and_forgets(table, monkeypatch) -> None:
    words = [f"{number:x}" * (1 + number % 4) for number in range(20_000)]
    for start in range(0, len(words), 3_000):
        part = words[start : start + 3_000]
        assert look_up(table, part) == [[ord(character) for character in word] for word in part]
    assert len(table) == len(set(words)) + 1
    asked.clear()
    assert look_up(table, words) == [[ord(character) for character in word] for word in words]
    assert asked == []
    held = table.nbytes
    table.clear()
    assert (len(table), table.nbytes < held / 4) == (1, True)


def test_colliding_words_are_told_apart(table, monkeypatch) -> None:
    monkeypatch.setattr(table_module.WordTable, "_first_slots", lambda self, low, high: np.zeros(len(low), np.int64))
    words = [f"{number:x}" for number in range(300)]
    for _ in range(2):
        found = look_up(table, [*words, "new"])
        assert found == [[ord(character) for character in word] for word in [*words, "new"]]
        look_up(table, ["other"])
