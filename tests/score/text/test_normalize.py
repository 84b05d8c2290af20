from __future__ import annotations

import re
import sys
import unicodedata
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore import InputError
from sentscore.text.normalize import (
    _MAY_CHANGE_UNDER_NFC,
    _MAY_HAVE_LONG_RUNS,
    _count_marks,
    as_text_array,
    is_text,
    normalize,
    split_words,
)


def normal(text: str | None, *, lowercase: bool = True) -> str | None:
    result: str | None = normalize(as_text_array([text]), lowercase=lowercase)[0].as_py()
    return result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Good.<br /><br />Really", "good.  really"),
        ("a<BR>b<br/>c", "a b c"),
        ("a<br<br />/>b", "a<br />b"),
        ("<br /><Br \t/><br<br />b<br />", "  <br b "),
        ("it\x92s \x93fine\x94 \x96 ok\x85", "it\u2019s \u201cfine\u201d \u2013 ok\u2026"),
        ("undefined \x81 stays", "undefined \x81 stays"),
        ("cafe\u0301", "caf\u00e9"),
        ("ÀÉ", "àé"),
        ("", ""),
        (None, None),
    ],
)
def test_normalisation(text, expected) -> None:
    assert normal(text) == expected


def test_case_is_kept_on_demand() -> None:
    assert normal("A GREAT<br />Film", lowercase=False) == "A GREAT Film"


@settings(deadline=None)
@given(st.text())
def test_the_result_is_nfc_and_free_of_breaks(text) -> None:
    result = normal(text, lowercase=False)
    assert result is not None
    assert unicodedata.is_normalized("NFC", result)
    assert "<br />" not in result.lower() or "<br />" not in text.lower()


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text()), max_size=8))
def test_neighbours_change_nothing(texts) -> None:
    together = normalize(as_text_array(texts), lowercase=True).to_pylist()
    assert together == [normal(text) for text in texts]


def split(texts: pa.Array) -> list[list[str]]:
    words = split_words(texts)
    strings = words.strings().to_pylist()
    return [[word for word in strings[start:stop] if word] for start, stop in pairwise(words.offsets.tolist())]


def test_words_lie_on_end_and_offsets_say_whose_they_are() -> None:
    assert split(as_text_array(["a b", None, "", "\u2003c\td"])) == [["a", "b"], [], [], ["c", "d"]]


def test_no_texts_have_no_words() -> None:
    assert split_words(as_text_array([])).offsets.tolist() == [0]


SPACED = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from(" \t\x1c\x85\xa0\u2003\u3000aé€\U0001f600")))


@settings(deadline=None)
@given(st.lists(SPACED, max_size=8))
def test_words_are_what_stands_between_white_space(texts) -> None:
    assert split(as_text_array(texts)) == [text.split() for text in texts]


def test_every_white_space_splits_and_nothing_else() -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    words = split_words(as_text_array([f"a{character}b" for character in characters]))
    split = [character for character, count in zip(characters, np.diff(words.offsets), strict=True) if count > 1]
    assert split == [character for character in characters if character.isspace()]


def test_nothing_but_what_is_sent_there_changes_under_nfc() -> None:
    characters = as_text_array([chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000])
    kept = characters.filter(pc.invert(pc.match_substring_regex(characters, pattern=_MAY_CHANGE_UNDER_NFC)))
    assert len(kept) > 0x300
    assert pc.utf8_normalize(kept, form="NFC").equals(kept)
    assert all(unicodedata.combining(character) == 0 for character in kept.to_pylist())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" + "\u0323" * 30, "\u1ea1" + "\u0323" * 29),
        ("q" + "\u0323" * 31, "q" + "\u0323" * 30 + "\u034f\u0323"),
        # The order of the classes 220 and 230 is restored within 30 marks at a time.
        (
            "q" + "\u0301\u0323" * 20,
            "q" + "\u0323" * 15 + "\u0301" * 15 + "\u034f" + "\u0323" * 5 + "\u0301" * 5,
        ),
        ("q" + "\u0344" * 16, "q" + "\u0308\u0301" * 15 + "\u034f" + "\u0308\u0301"),  # U+0344 is two marks
        ("\u1f82" + "\u0301" * 28, "\u1f82" + "\u0301" * 27 + "\u034f\u0301"),  # U+1F82 ends with three
        ("ab " * 40 + "q" + "\u0301" * 31, "ab " * 40 + "q" + "\u0301" * 30 + "\u034f\u0301"),
        ("\u0301" * 61, "\u0301" * 30 + "\u034f" + "\u0301" * 30 + "\u034f\u0301"),
    ],
)
def test_a_run_of_marks_is_broken_after_thirty(text, expected) -> None:
    assert normal(text) == expected


MARKS = "\u0300\u0301\u0308\u0313\u0315\u0323\u0334\u0345\u064c\u0651\u0f71\u0f72\u1ad0\u3099"
MARKED = st.text(st.sampled_from("aq\u1f82\u0344\u0f73\u034f\ufc5e\uff9e" + MARKS), max_size=200)


@settings(deadline=None)
@given(MARKED)
def test_no_run_of_marks_is_longer_than_thirty(text) -> None:
    decomposed = pc.utf8_normalize(as_text_array([normal(text)]), form="NFKD")[0].as_py()
    longest = max(map(len, re.findall(f"[{MARKS}]*", decomposed)))
    assert longest <= 30
    if normal(text).count("\u034f") == text.count("\u034f"):
        assert normal(text) == pc.utf8_normalize(as_text_array([text]), form="NFC")[0].as_py()


def test_marks_are_counted_as_unicode_lists_them() -> None:
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    characters = [
        each for each in characters if unicodedata.decomposition(each) or unicodedata.category(each)[0] == "M"
    ]
    counts = _count_marks(characters)
    for character in characters:
        marks = "".join(
            "m" if unicodedata.combining(part) else "s" for part in unicodedata.normalize("NFKD", character)
        )
        first, last = len(marks) - len(marks.lstrip("m")), len(marks) - len(marks.rstrip("m"))
        assert counts[character] == (first, last, "s" not in marks), hex(ord(character))
        # What the pattern for long runs relies on.
        assert last <= (3 if "s" in marks else 2)
    pattern = _MAY_HAVE_LONG_RUNS.replace("{14}", "")
    marks = as_text_array([each for each in characters if counts[each][2]])
    assert pc.all(pc.match_substring_regex(marks, pattern=pattern)).as_py()


@pytest.mark.parametrize("stray", [b"\xff", b"\x80", b"\xe2(", b"a", b" "])
def test_bytes_behind_the_texts_change_nothing(stray) -> None:
    offsets = pa.py_buffer(np.array([0, 3, 4, 4], np.int64))
    texts = pa.Array.from_buffers(pa.large_string(), 3, [None, offsets, pa.py_buffer(b"ab\x0b " + stray)])
    assert split(texts) == [["ab"], [], []]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
    ],
)
def test_every_string_type_is_taken(kind) -> None:
    array = pa.array(["x", None, "y"]).cast(kind)
    assert is_text(kind)
    assert as_text_array(array).to_pylist() == ["x", None, "y"]
    assert as_text_array(pa.chunked_array([array, array])).to_pylist() == ["x", None, "y"] * 2


def test_a_sliced_array_gives_the_slice() -> None:
    assert as_text_array(pa.array(["a", "b", "c"]).slice(1, 1)).to_pylist() == ["b"]


def test_a_column_of_nulls_is_a_column_of_texts() -> None:
    assert as_text_array(pa.nulls(2)).to_pylist() == [None, None]


@pytest.mark.parametrize("texts", ["one text", [1, 2], [b"\xff"], ["\ud800"], pa.array([1.5])])
def test_what_is_not_text_is_an_input_error(texts) -> None:
    with pytest.raises(InputError):
        as_text_array(texts)


def test_what_says_how_it_becomes_an_arrow_array_is_checked_too() -> None:
    class Column:
        def __init__(self, content: bytes) -> None:
            self.content = content

        def __arrow_array__(self, type: pa.DataType | None = None) -> pa.ChunkedArray:
            return pa.chunked_array([pa.array(["x"]), pa.array([self.content], pa.binary()).view(pa.string())])

    assert as_text_array(Column(b"y")).equals(pa.array(["x", "y"], pa.large_string()))
    with pytest.raises(InputError, match="not UTF-8"):
        as_text_array(Column(b"\xff"))


def test_bytes_that_are_not_utf8_are_an_input_error() -> None:
    damaged = pa.StringArray.from_buffers(
        2, pa.py_buffer(b"\x00\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00"), pa.py_buffer(b"ok\xff")
    )
    with pytest.raises(InputError, match="not UTF-8"):
        as_text_array(damaged)
