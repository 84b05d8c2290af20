from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore import ArtifactError
from sentscore.text.rule_check import KNOWN_PATTERNS, check_rules, count_ways
from sentscore.text.rules import Rules, parse_rules, stored_rules
from sentscore.text.tokenizer import Splitter

SMALL = replace(
    stored_rules(),
    spacy_version="9.0",
    special_cases={"dont": ["do", "nt"], ":)": [":)"]},
    retokenized=[[["do", "nt"], ["dont"]]],
    prefix_pattern=r"^\(|^\+(?![0-9])",
    suffix_pattern=r"\)$|(?<=[0-9])km$|\.\.+$",
    infix_pattern=r"\.\.+|(?<=[a-z])-(?=[a-z])",
    url_pattern=r"^http://[a-z.]+$",
    prefix_lengths={"(": 1},
    suffix_lengths={")": 1, "x)": 1},
)


def change(**values: Any) -> str:
    return json.dumps({"format_version": 3, **asdict(SMALL), **values})


def test_rules_and_back() -> None:
    assert parse_rules(SMALL.to_json()) == SMALL
    assert Splitter(parse_rules(SMALL.to_json())).split("(well-made..dont)") == [
        "(",
        "well",
        "-",
        "made",
        "..",
        "dont",
        ")",
    ]
    assert parse_rules(stored_rules().to_json()) is stored_rules()


def test_the_stored_rules_pass_on_their_own_merits_but_for_the_urls() -> None:
    check_rules(asdict(stored_rules()))
    assert list(KNOWN_PATTERNS.values()) == ["url"]
    with pytest.raises(ValueError, match=r"the url pattern .* is not known here"):
        check_rules(asdict(replace(stored_rules(), url_pattern=stored_rules().url_pattern + "(?!x)")))
    with pytest.raises(ValueError, match=r"the infix pattern .* is not known here"):  # it is known for something else
        check_rules(asdict(replace(stored_rules(), infix_pattern=stored_rules().url_pattern)))


@pytest.mark.parametrize(
    "pattern",
    [
        *("(a+)+b", "(a|a)*b", "a*a*b", "(?:a?){30}b", "(a|ab)(c|bcd)(d*)x*", r"(a)\1*", "(?:(?:(?:$){60000}){60000})"),
        *("(?:ab|a|b)" * 20 + "c", "(?=a*a*b)c", "[a-z]*[0-9]?[a-z]*x", "a++b", "(?>a*)b"),
    ],
)
def test_a_pattern_with_too_many_ways_to_match_is_refused(pattern) -> None:
    re.compile(pattern)
    with pytest.raises(ArtifactError, match=r"here/tokenizer\.json: no tokenizer rules .* is not known here"):
        parse_rules(change(infix_pattern=pattern), file="here/tokenizer.json")


@settings(deadline=None, max_examples=60)
@given(
    st.recursive(
        st.sampled_from(["a", "b", "[ab]", ".", "a*", "b+?", "[ab]{2,5}", "a?", "^", "$"]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda both: f"(?:{both[0]}|{both[1]})"),
            inner.map(lambda one: f"(?:{one})?"),
            inner.map(lambda one: f"(?={one})"),
        ),
        max_leaves=8,
    ),
    st.sampled_from(["a", "b", "ab", "aab"]),
)
def test_a_pattern_that_passes_is_quick_to_fail(pattern, unit) -> None:
    if count_ways(import_module("re._parser").parse(pattern)) > 5_000:
        return
    word = (unit * 1_000)[:1_000]
    began = time.process_time()
    re.compile(f"(?:{pattern})z").match(word)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format_version": 4}, "format version 4, but this sentscore reads 3"),
        ({"special_cases": {"a": ["b"]}}, "special case 'a'"),  # a word becomes another text
        ({"special_cases": {"a": ["a"] + [""] * 3}}, "special case 'a'"),
        ({"special_cases": {"": []}}, "special case ''"),
        ({"retokenized": [[["a"], ["a", "b"]]]}, "tokens"),
        ({"retokenized": [[["a"] * 100, ["a"] * 100]]}, "tokens"),
        ({"prefix_lengths": {"a": 2}}, "prefix length of 'a'"),
        ({"suffix_lengths": {"": 0}}, "suffix length of ''"),
        ({"suffix_lengths": {"a": True}}, "suffix length of 'a'"),
        ({"urls_have_dots": 1}, "urls_have_dots 1"),
        ({"prefix_pattern": "("}, "prefix pattern: missing"),
        ({"suffix_pattern": "a" * 70_000}, "a suffix pattern of 70,000 characters"),
        ({"more": 1}, "fields"),
    ],
)
def test_rules_that_nothing_could_rely_on_are_refused(values, message) -> None:
    with pytest.raises(ArtifactError, match=message):
        parse_rules(change(**values), file="here/tokenizer.json")


def test_odd_values_are_refused_or_harmless() -> None:
    content = SMALL.to_json().encode()
    odd_values = [None, True, 0, -1, 1.5, 10**30, "", "x", "\ud800", [], {}, [1], {"a": None}, [["a"], ["b"]]]
    cases = [change(**{field: odd}).encode() for field in asdict(SMALL) for odd in odd_values]
    random = np.random.default_rng(1)
    for _ in range(400):
        case = bytearray(content)
        for _ in range(random.integers(1, 4)):
            case[random.integers(len(case))] = random.integers(32, 127)
        cases.append(bytes(case) if random.random() < 0.7 else bytes(case[: random.integers(len(case))]))
    taken = 0
    messages = []
    for case in cases:
        try:
            rules = parse_rules(case.decode(), file="here/tokenizer.json")
        except ArtifactError as error:
            messages.append(str(error))
        else:
            taken += 1
            assert isinstance(rules, Rules)
            for word in ("(dont)", "a" * 1_000, "x-y..", "+1km)"):
                assert "".join(Splitter(rules).split(word)) == word
    assert 0 < taken < len(cases)
    assert all(message.startswith("here/tokenizer.json: ") and len(message) < 500 for message in messages)
