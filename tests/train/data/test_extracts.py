from __future__ import annotations

import numpy as np
import pytest

from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.extracts import ExtractConfig, add_extracts, find_sentence_ends
from sentscore_train.data.vocabulary import build_vocabulary

REVIEWS = [
    "One two. Three four five! Six?! Seven",
    "",
    "No end at all",
    "First sentence. Second one...",
    "! starts with an end. And goes on.",
]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return build_vocabulary(REVIEWS * 2, size=100)


def extracts(vocabulary: Vocabulary, config: ExtractConfig, seed: int = 0) -> list[str]:
    encoded = Encoder(vocabulary).encode(as_text_array(REVIEWS))
    found, rows = add_extracts(encoded, find_sentence_ends(vocabulary), config, np.random.default_rng(seed))
    assert rows.tolist() == list(range(len(REVIEWS)))
    assert found.ids.dtype == np.int32
    return [" ".join(vocabulary.tokens[index] for index in found[row]) for row in range(len(found))]


def test_tokens_of_stops_alone_end_a_sentence(vocabulary) -> None:
    ends = {vocabulary.tokens[index] for index in np.flatnonzero(find_sentence_ends(vocabulary))}
    assert {".", "!", "?", "..."} <= ends
    assert not {"one", "", vocabulary.tokens[vocabulary.unk_id], vocabulary.tokens[vocabulary.pad_id]} & ends


def test_the_last_sentence(vocabulary) -> None:
    found = extracts(vocabulary, ExtractConfig(whole=0.0, share=1.0, sentences=1, at_end=1.0))
    assert found == ["seven", "", "no end at all", "second one ...", "and goes on ."]


def test_any_sentence_is_drawn_and_nothing_but_whole_ones(vocabulary) -> None:
    config = ExtractConfig(whole=0.0, share=1.0, sentences=1, at_end=0.0)
    drawn = [extracts(vocabulary, config, seed) for seed in range(60)]
    first = {found[0] for found in drawn}
    assert first == {"one two .", "three four five !", "six ? !", "seven"}
    assert {found[4] for found in drawn} == {"!", "starts with an end .", "and goes on ."}
    assert {found[1] for found in drawn} == {""}


def test_several_sentences_stand_beside_each_other(vocabulary) -> None:
    config = ExtractConfig(whole=0.0, share=1.0, sentences=2, at_end=0.0)
    found = {extracts(vocabulary, config, seed)[0] for seed in range(80)}
    assert {"one two . three four five !", "three four five ! six ? !", "six ? ! seven", "seven"} <= found
    assert "one two . three four five ! six ? !" not in found


def test_the_shares_are_kept_to_the_text_and_whole_texts_come_first(vocabulary) -> None:
    encoded = Encoder(vocabulary).encode(as_text_array(["One two. Three.", "First sentence. Second one..."] * 2_000))
    ends = find_sentence_ends(vocabulary)
    config = ExtractConfig(whole=0.6, share=0.3, sentences=1)
    found, rows = add_extracts(encoded, ends, config, np.random.default_rng(5))
    assert rows.shape == (3_600,)
    whole, cut = rows[:2_400], rows[2_400:]
    assert len(set(whole)) == 2_400
    assert len(set(cut)) == 1_200
    assert (found.take(np.arange(2_400)).ids == encoded.take(whole).ids).all()
    texts = {" ".join(vocabulary.tokens[index] for index in found[place]) for place in range(2_400, 3_600)}
    assert texts == {"one two .", "three .", "first sentence .", "second one ..."}
    for place, row in enumerate(cut, 2_400):
        assert set(found[place]) <= set(encoded[row])


def test_no_extracts_no_change_and_one_state_one_result(vocabulary) -> None:
    encoded = Encoder(vocabulary).encode(as_text_array(REVIEWS))
    ends = find_sentence_ends(vocabulary)
    found, rows = add_extracts(encoded, ends, ExtractConfig(whole=1.0, share=0.0), np.random.default_rng(1))
    assert (found.ids == encoded.ids).all()
    assert (found.offsets == encoded.offsets).all()
    assert rows.tolist() == list(range(len(REVIEWS)))
    empty = encoded.take(np.array([1]))
    config = ExtractConfig(whole=1.0, share=1.0)
    assert len(add_extracts(empty, ends, config, np.random.default_rng(1))[0]) == 2
    config = ExtractConfig(whole=0.0, share=1.0)
    assert extracts(vocabulary, config, 7) == extracts(vocabulary, config, 7)


def test_a_share_above_one_gives_several_extracts_of_a_text() -> None:
    encoded = EncodedTexts(np.arange(40, dtype=np.int32) % 7 + 2, np.arange(11) * 4)
    ends = np.zeros(10, bool)
    for share, expected in ((2.0, {2: 10}), (1.5, {1: 5, 2: 5}), (0.3, {0: 7, 1: 3}), (0.0, {0: 10})):
        config = ExtractConfig(whole=1.0, share=share)
        _, rows = add_extracts(encoded, ends, config, np.random.default_rng(1))
        times = np.bincount(rows, minlength=10) - 1  # each is also read whole
        assert dict(zip(*map(np.ndarray.tolist, np.unique(times, return_counts=True)), strict=True)) == expected
