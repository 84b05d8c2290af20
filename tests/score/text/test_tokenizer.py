from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib import import_module

import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spacy.tokenizer import Tokenizer

from sentscore.text.rules import stored_rules
from sentscore.text.tokenizer import _LONGEST_SUFFIX, MAX_WORD_CHARACTERS, Splitter, tokenize_words
from sentscore_train.data import patterns

sre_parse = import_module("re._parser")

PUNCTUATION = "'\u2019\"\u201c.,!?:;()[]<>-\u2013\u2014\u2026*_/\\=~@#$€£%&+^|`{}¡¿°"


@cache
def reference_tokenizer() -> Tokenizer:
    return spacy.blank("en").tokenizer


def reference(word: str) -> list[str]:
    return [token.text for token in reference_tokenizer()(word)]


@cache
def special_cases() -> list[str]:
    return [word for word in reference_tokenizer().rules if word.split() == [word]]


def tokenize(words: list[str]) -> list[list[str]]:
    return list(tokenize_words(words))


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
def test_a_word_has_the_tokens_that_spacy_gives_it_alone(word) -> None:
    assert tokenize([word]) == [reference(word)]


@settings(deadline=None)
@given(st.lists(st.one_of(ANY, PARTS), max_size=8))
@example(["x:(", "("])  # with a space between them spaCy sees a ":((" here, and then leaves ":(" cut
def test_neighbours_change_nothing(words) -> None:
    assert tokenize(words) == [reference(word) for word in words]


def test_every_special_case_is_kept_alone_and_among_others() -> None:
    words = [
        f"{before}{word}{after}" for word in special_cases() for before in ("", "(", "x-") for after in ("", ".", "),")
    ]
    assert len(words) > 10_000
    assert tokenize(words) == [reference(word) for word in words]


def test_short_words_of_ascii_are_all_right() -> None:
    letters = "aAsSmkUn0" + "".join(map(chr, range(0x21, 0x30))) + ":;<=>?@[]^_`|~"
    words = [first + second + third for first in letters for second in letters for third in letters]
    assert tokenize(words) == [reference(word) for word in words]


PLAIN_WORDS = ["it", "and", "or", "cannot", "jan", "well", "acted", "com", "co", "re", "not", "zq", "qq", "s", "x" * 30]
MARKS = ["'", "''", "-", "--", "...", ".", ",", ")", "):", ";)", "(", "/", "'s", "%s", "%", '"', "*", "!?", "@", "://"]


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(["", *MARKS]), st.sampled_from(["", *PLAIN_WORDS])), min_size=1, max_size=4))
@example([("", "well"), ("...", "acted"), (".", "com"), ("):", "")])
@example([("", "and"), ("/", "or"), ("%s", "not")])
def test_words_with_marks_around_them_have_spacys_tokens(parts) -> None:
    marks = [mark for mark, _ in parts]
    words = ["".join(map("".join, parts)), *("".join(mark + word for mark in marks) for word in PLAIN_WORDS)]
    words = [word for word in words if word]
    assert tokenize(words) == [reference(word) for word in words]


def test_no_word_and_an_empty_one_have_no_tokens() -> None:
    assert tokenize([]) == []
    assert tokenize(["", "a"]) == [[], ["a"]]


def test_a_huge_word_is_cut_into_pieces() -> None:
    punctuation = "(" * (5 * MAX_WORD_CHARACTERS)
    assert tokenize(["a", punctuation, "b"]) == [["a"], ["("] * len(punctuation), ["b"]]
    assert tokenize(["x" * (MAX_WORD_CHARACTERS + 1)]) == [["x" * MAX_WORD_CHARACTERS, "x"]]


def test_no_suffix_but_a_run_of_dots_is_longer_than_the_part_looked_at() -> None:
    rules = stored_rules()
    dots = patterns.parse(re.compile(r"\.\.+$"))
    longest = 0
    for choice in patterns.alternatives(patterns.parse(rules.suffix)):
        assert patterns.is_anchored(choice, "AT_END")
        if str(choice) != str(dots):
            longest = max(longest, sre_parse.SubPattern(sre_parse.State(), choice).getwidth()[1])
    assert 1 < longest <= _LONGEST_SUFFIX
    assert all(
        patterns.is_anchored(choice, "AT_BEGINNING") for choice in patterns.alternatives(patterns.parse(rules.prefix))
    )


@settings(deadline=None)
@given(st.one_of(visible(st.sampled_from("a1k.'s\u2019$€км/h…😀"), max_size=40), PARTS))
@example("a" * 20 + "." * 20)
@example("x" * 20 + "9км/ч")
def test_long_words_have_spacys_tokens(word) -> None:
    assert tokenize([word]) == [reference(word)]


def test_what_is_proved_of_the_patterns_saves_time_only() -> None:
    nothing_proved = replace(
        stored_rules(),
        prefix_lengths={},
        suffix_lengths={},
        hyphenated_has_no_suffix=False,
        urls_have_dots=False,
        letters_stay_whole=False,
    )
    splitter = Splitter(nothing_proved)
    words = ["well-acted", "word,", "(word)", "don't.", "a.b", "9km", "x:(", "it's", "1990s", "http://a.com/b."]
    assert [splitter.split(word) for word in words] == [reference(word) for word in words]
