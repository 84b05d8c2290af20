from __future__ import annotations

from functools import cache

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.tokenizer import Tokenizer

from sentscore.text.rules import Rules
from sentscore.text.tokenizer import MAX_CHUNK_CHARACTERS, Splitter, tokenize_chunks

PUNCTUATION = "'\u2019\"\u201c.,!?:;()[]<>-\u2013\u2014\u2026*_/\\=~@#$€£%&+^|`{}¡¿°"


@cache
def reference_tokenizer() -> Tokenizer:
    return spacy.blank("en").tokenizer


def reference(chunk: str) -> list[str]:
    return [token.text for token in reference_tokenizer()(chunk)]


@cache
def special_cases() -> list[str]:
    return [chunk for chunk in reference_tokenizer().rules if chunk.split() == [chunk]]


def tokens_of(chunks: list[str]) -> list[list[str]]:
    return list(tokenize_chunks(chunks))


def visible(alphabet: st.SearchStrategy[str], *, max_size: int = 14) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=max_size).filter(lambda text: text.split() == [text])


ANY = visible(st.characters(codec="utf-8"))
DENSE = visible(st.sampled_from("aAsStTmMkKgbdDnrexoXuUC019éßжЖ日°" + PUNCTUATION))
PARTS = st.lists(
    st.one_of(
        st.sampled_from(
            ["well", "Acted", "USA", "U.S.", "don't", "'s", "\u2019S", "km", "3", "10th", "http://", "a.b.com"]
        ),
        st.sampled_from(PUNCTUATION),
        st.deferred(lambda: st.sampled_from(special_cases())),
        st.sampled_from("sSmx8oO"),
    ),
    min_size=1,
    max_size=6,
).map("".join)


@settings(deadline=None, max_examples=400)
@given(st.one_of(ANY, DENSE, PARTS))
@example("x:(")
@example("(:))")
@example("10km.")
@example("e.g.,")
@example("we're'nt.")
@example("\x00.")
@example("US$5")
def test_a_chunk_has_the_tokens_that_spacy_gives_it_alone(chunk) -> None:
    assert tokens_of([chunk]) == [reference(chunk)]


@settings(deadline=None)
@given(st.lists(st.one_of(ANY, PARTS), max_size=8))
@example(["x:(", "("])  # with a space between them spaCy sees a ":((" here, and then leaves ":(" cut
def test_neighbours_change_nothing(chunks) -> None:
    assert tokens_of(chunks) == [reference(chunk) for chunk in chunks]


def test_every_special_case_is_kept_alone_and_among_others() -> None:
    chunks = [
        f"{before}{chunk}{after}"
        for chunk in special_cases()
        for before in ("", "(", "x-")
        for after in ("", ".", "),")
    ]
    assert len(chunks) > 10_000
    assert tokens_of(chunks) == [reference(chunk) for chunk in chunks]


def test_short_chunks_of_ascii_are_all_right() -> None:
    letters = "aAsSmkUn0" + "".join(map(chr, range(0x21, 0x30))) + ":;<=>?@[]^_`|~"
    chunks = [first + second + third for first in letters for second in letters for third in letters]
    assert tokens_of(chunks) == [reference(chunk) for chunk in chunks]


WORDS = ["it", "and", "or", "cannot", "jan", "well", "acted", "com", "co", "re", "not", "zq", "qq", "s", "x" * 30]
MARKS = ["'", "''", "-", "--", "...", ".", ",", ")", "):", ";)", "(", "/", "'s", "%s", "%", '"', "*", "!?", "@", "://"]


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(["", *MARKS]), st.sampled_from(["", *WORDS])), min_size=1, max_size=4))
@example([("", "well"), ("...", "acted"), (".", "com"), ("):", "")])
@example([("", "and"), ("/", "or"), ("%s", "not")])
def test_words_and_marks_are_cut_alike_whichever_words_came_first(parts) -> None:
    marks = [mark for mark, _ in parts]
    chunks = ["".join(map("".join, parts)), *("".join(mark + word for mark in marks) for word in WORDS)]
    chunks = [chunk for chunk in chunks if chunk]
    assert tokens_of(chunks) == [reference(chunk) for chunk in chunks]


def test_no_chunk_and_an_empty_one_have_no_tokens() -> None:
    assert tokens_of([]) == []
    assert tokens_of(["", "a"]) == [[], ["a"]]


def test_a_huge_chunk_is_cut_into_pieces() -> None:
    punctuation = "(" * (5 * MAX_CHUNK_CHARACTERS)
    assert tokens_of(["a", punctuation, "b"]) == [["a"], ["("] * len(punctuation), ["b"]]
    assert tokens_of(["x" * (MAX_CHUNK_CHARACTERS + 1)]) == [["x" * MAX_CHUNK_CHARACTERS, "x"]]


@pytest.mark.parametrize(
    "chunks", [["well-acted", "word,", "(word)", "don't.", "a.b", "9km", "x:(", "it's", "1990s", "http://a.com/b."]]
)
def test_patterns_that_cannot_be_parsed_cost_time_only(chunks, monkeypatch) -> None:
    monkeypatch.setattr("sentscore.text.rules._parsed", lambda method: [])
    splitter = Splitter(Rules.of_tokenizer(spacy.blank("en").tokenizer), reference)
    assert [splitter.split(chunk) for chunk in chunks] == [reference(chunk) for chunk in chunks]


def test_all_special_cases_may_be_looked_for() -> None:
    language = spacy.blank("en")
    language.tokenizer.faster_heuristics = False
    language.tokenizer.rules = language.tokenizer.rules  # adds them anew
    splitter = Splitter(Rules.of_tokenizer(language.tokenizer), reference)
    chunks = [f"x-{chunk}-{after}" for chunk in special_cases() for after in ("", "y.")]
    cut = [[token.text for token in language.tokenizer(chunk)] for chunk in chunks]
    assert cut != [reference(chunk) for chunk in chunks]
    assert [splitter.split(chunk) for chunk in chunks] == cut


def test_a_tokenizer_of_another_kind_does_its_own_work() -> None:
    tokenizer = Tokenizer(spacy.blank("en").vocab, rules={"don't": [{"ORTH": "do"}, {"ORTH": "n't"}]})
    rules = Rules.of_tokenizer(tokenizer)
    assert not rules.known
    splitter = Splitter(rules, lambda chunk: [token.text for token in tokenizer(chunk)])
    assert splitter.split("don't,") == ["don't,"]
