"""Refuses tokenizer rules of a model's folder that nothing here could rely on.

Whoever made the folder wrote the rules. So a rule may not make text out of nothing, and a pattern may not have more
ways to match than can be counted, as `(a+)+b` does: Python's `re` tries all of them before it gives up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Final

from sentscore.errors import shorten

KNOWN_PATTERNS: Final = {
    # The URLs of spaCy 3.8. It has too many ways to match to be counted, and takes linear time: see the tests.
    "7adb1342672774f94ffb32ef3bc6eb2f7a5a803ab8c51920bba19c34fd9cec14": "url",
}
"""Patterns that are taken as they are: the sha256 of each, in hexadecimal, and what it is for."""

_LONGEST_PATTERN: Final = 1 << 16  # characters; those of spaCy 3.8 have up to 15,520
_MOST_WAYS: Final = 5_000  # to match at one place; the patterns of spaCy 3.8, but for its URLs, have up to 1,220
_LONGEST_REPEAT: Final = 1_000  # as long as the parts into which words are cut
_MOST_TOKENS: Final = 64  # of a special case; those of spaCy 3.8 have up to 11
_LONGEST_NAME: Final = 100

_Item = tuple[Any, Any]
"""An operation of a parsed pattern and its argument, as Python's own parser makes them."""

_ONE_CHARACTER: Final = {"LITERAL", "NOT_LITERAL", "IN", "ANY"}


def check_rules(rules: Mapping[str, Any]) -> None:
    """Checks the fields of `Rules` as they were read from a file.

    Raises:
        ValueError: A field is not what it should be.
        TypeError: A field is of another type.
    """
    _check(isinstance(rules["spacy_version"], str), "spacy_version", rules["spacy_version"])
    _check(len(rules["spacy_version"]) <= _LONGEST_NAME, "spacy_version", rules["spacy_version"])
    _check(isinstance(rules["retokenized"], list), "retokenized", rules["retokenized"])
    for word, tokens in rules["special_cases"].items():
        _check(bool(word) and _is_cut_of(tokens, word), "special case", word)
    for found, tokens in rules["retokenized"]:
        _check(_is_cut_of(found) and _is_cut_of(tokens, "".join(found)), "tokens", found)
    for key, length in rules["prefix_lengths"].items():
        _check(len(key) == 1 and _is_length(length, most=1), "prefix length of", key)
    for key, length in rules["suffix_lengths"].items():
        _check(len(key) in (1, 2) and _is_length(length, most=len(key)), "suffix length of", key)
    for flag in ("hyphenated_has_no_suffix", "urls_have_dots", "letters_stay_whole"):
        _check(isinstance(rules[flag], bool), flag, rules[flag])
    for kind in ("prefix", "suffix", "infix", "url"):
        pattern = rules[f"{kind}_pattern"]
        _check(isinstance(pattern, str), f"{kind} pattern", pattern)
        _check_pattern(kind, pattern)


def count_ways(items: Iterable[_Item]) -> int:
    """Returns an upper bound of the ways in which a parsed pattern can match at one place; `_MOST_WAYS` + 1 for more.

    The parts of a sequence are independent of each other, so their ways multiply; those of alternatives add up. Of the
    repetitions, only those of one character are counted: `.{2,5}` has four ways. Whatever else could be repeated,
    such as a group, has more than can be counted.
    """
    ways = 1
    for operation, argument in items:
        ways = min(ways * _count_ways(operation.name, argument), _MOST_WAYS + 1)
    return ways


def _count_ways(name: str, argument: Any) -> int:  # noqa: ANN401 - what it is depends on the operation
    match name:
        case "AT":
            return 1
        case "BRANCH":
            return sum(map(count_ways, argument[1]))
        case "SUBPATTERN" | "ASSERT" | "ASSERT_NOT":
            return count_ways(argument[-1])
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, item = argument
            if most == 1:
                return 1 - int(least) + count_ways(item)
            if [operation.name in _ONE_CHARACTER for operation, _ in item] == [True]:
                return max(1, min(int(most), _LONGEST_REPEAT) - int(least) + 1)
    return 1 if name in _ONE_CHARACTER else _MOST_WAYS + 1


def _check_pattern(kind: str, pattern: str) -> None:
    if KNOWN_PATTERNS.get(hashlib.sha256(pattern.encode("utf-8")).hexdigest()) == kind:
        return
    if len(pattern) > _LONGEST_PATTERN:
        raise ValueError(f"a {kind} pattern of {len(pattern):,} characters")
    try:
        re.compile(pattern)
        ways = count_ways(import_module("re._parser").parse(pattern))
    except re.error as error:
        raise ValueError(f"{kind} pattern: {error}") from error
    if ways > _MOST_WAYS:
        raise ValueError(f"the {kind} pattern {shorten(pattern)} is not known here and may take long")


def _check(valid: bool, name: str, value: object) -> None:
    if not valid:
        raise ValueError(f"{name} {shorten(value)}")


def _is_cut_of(tokens: Any, word: str | None = None) -> bool:  # noqa: ANN401 - from a file
    """Returns whether tokens are a list of texts, each of at least a character, that together are the word."""
    return (
        isinstance(tokens, list)
        and 0 < len(tokens) <= _MOST_TOKENS
        and all(isinstance(token, str) and token for token in tokens)
        and word in (None, "".join(tokens))
    )


def _is_length(value: object, *, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
