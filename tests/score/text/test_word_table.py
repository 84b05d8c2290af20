from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore.text import word_table as table_module
from sentscore.text.normalize import as_text_array, split_chunks
from sentscore.text.word_table import ChunkTable

CHUNKS = st.text(st.sampled_from("ab\x00é日\U0001f600"), max_size=18)
asked: list[str] = []


def code_points(chunks: Sequence[str]) -> tuple[list[int], list[int]]:
    """Stands for the tokenizer: a chunk's ids are its characters."""
    asked.extend(chunks)
    return [ord(character) for chunk in chunks for character in chunk], [len(chunk) for chunk in chunks]


@pytest.fixture
def table() -> ChunkTable:
    asked.clear()
    return ChunkTable(code_points)


def look_up(table: ChunkTable, texts: list[str]) -> list[list[int]]:
    ids, offsets = table.ids(split_chunks(as_text_array(texts)))
    assert ids.dtype == np.int32
    return [part.tolist() for part in np.split(ids, offsets[1:-1])] if len(offsets) > 1 else []


@settings(deadline=None)
@given(st.lists(st.lists(CHUNKS, max_size=12), max_size=4))
def test_every_chunk_has_its_own_ids(calls) -> None:
    table = ChunkTable(code_points)
    for chunks in calls:
        assert look_up(table, chunks) == [[ord(character) for character in chunk] for chunk in chunks]


def test_a_chunk_is_tokenised_once(table) -> None:
    look_up(table, ["a", "b", "a", "", "x" * 15, "x" * 16, "x" * 16, "x" * 17])
    look_up(table, ["b", "x" * 17, "x" * 16, "c"])
    assert sorted(asked) == ["a", "b", "c", "x" * 15, "x" * 16, "x" * 17]


def test_chunks_of_zero_bytes_are_told_apart(table) -> None:
    chunks = ["\x00" * length for length in range(1, 20)]
    assert [len(ids) for ids in look_up(table, chunks)] == list(range(1, 20))
    assert len(asked) == 19


def test_it_grows_and_forgets(table, monkeypatch) -> None:
    chunks = [f"{number:x}" * (1 + number % 4) for number in range(20_000)]
    for start in range(0, len(chunks), 3_000):
        part = chunks[start : start + 3_000]
        assert look_up(table, part) == [[ord(character) for character in chunk] for chunk in part]
    assert len(table) == len(set(chunks)) + 1
    asked.clear()
    assert look_up(table, chunks) == [[ord(character) for character in chunk] for chunk in chunks]
    assert asked == []
    held = table.nbytes
    table.clear()
    assert (len(table), table.nbytes < held / 4) == (1, True)


def test_colliding_chunks_are_told_apart(table, monkeypatch) -> None:
    monkeypatch.setattr(table_module.ChunkTable, "_first_slots", lambda self, low, high: np.zeros(len(low), np.int64))
    chunks = [f"{number:x}" for number in range(300)]
    for _ in range(2):
        found = look_up(table, [*chunks, "new"])
        assert found == [[ord(character) for character in chunk] for chunk in [*chunks, "new"]]
        look_up(table, ["other"])
