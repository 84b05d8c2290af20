from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentscore_train.data import patterns
from sentscore_train.data.patterns import UnknownPatternError

PARTS = st.sampled_from(
    [
        "a",
        "b",
        "[ab]",
        "[^a]",
        "[0-9]",
        r"\d",
        ".",
        "ab|c",
        "(?:a|bc)",
        "(b)",
        "a+",
        "b*",
        "(?:ab){2}",
        "(?<=a)",
    ]
)
PATTERNS = st.lists(PARTS, min_size=1, max_size=3).map("".join).map(re.compile)
STRINGS = st.text("abc0", max_size=5)


@given(PATTERNS, STRINGS)
def test_what_is_ruled_out_does_not_happen(pattern, text) -> None:
    items = patterns.parse(pattern)
    for match in pattern.finditer(text):
        found = match.group()
        assert patterns.may_match_within(items, set(text))
        if found:
            assert patterns.may_touch(items, found[0], last=False)
            assert patterns.may_touch(items, found[-1], last=True)
        assert all(patterns.may_contain(items, character) for character in found)


@given(st.lists(PARTS, min_size=1, max_size=3).map("|".join), STRINGS)
def test_alternatives_cover_every_match(source, text) -> None:
    pattern = re.compile(source)
    choices = patterns.alternatives(patterns.parse(pattern))
    for match in pattern.finditer(text):
        assert any(patterns.may_match_within(choice, set(text)) for choice in choices)
        if match.group():
            assert any(patterns.may_touch(choice, match.group()[-1], last=True) for choice in choices)


def test_what_needs_another_character_is_ruled_out() -> None:
    items = patterns.parse(re.compile(r"(?<=[0-9])(?:km|m)$|'s$|\.\.+$"))
    assert not patterns.may_match_within(items, set("kms-"))
    assert patterns.may_match_within(items, set("kms'"))
    choices = patterns.alternatives(items)
    assert [patterns.may_touch(choice, "m", last=True) for choice in choices] == [True, False, False]
    assert [patterns.may_contain(choice, "s") for choice in choices] == [False, True, False]
    assert all(patterns.is_anchored(choice, "AT_END") for choice in choices)


@pytest.mark.parametrize(
    ("source", "around", "anywhere"),
    [
        ("a$", True, True),
        ("[ab]$", True, True),
        ("(?<=[0-9])a$", True, False),
        ("(?<!b)a$", False, False),
        ("(?<=^b)a$", False, False),
        ("aa$", False, False),
        ("a+$", False, False),
        ("^a$", False, False),
    ],
)
def test_one_character_wherever_it_stands(source, around, anywhere) -> None:
    items = patterns.parse(re.compile(source))
    assert patterns.is_one_character(items) is around
    assert patterns.is_one_character(items, anywhere=True) is anywhere


def test_flags_make_a_pattern_unknown() -> None:
    with pytest.raises(UnknownPatternError):
        patterns.parse(re.compile("a", re.IGNORECASE))
    assert patterns.may_match_within(patterns.parse(re.compile("(?i:a)")), {"A"})
