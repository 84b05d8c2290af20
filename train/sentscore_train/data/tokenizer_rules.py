"""Makes the rules of spaCy's English tokenizer into the file that scoring and training read.

    python -m sentscore_train.data.tokenizer_rules > score/sentscore/text/rules.json

A model's scores depend on these rules. With the rules of another spaCy, models must be trained again.
"""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Final

import spacy
from spacy.symbols import ORTH
from spacy.tokenizer import Tokenizer

from sentscore.text.rules import Rules
from sentscore_train.data import patterns

_LETTERS: Final = frozenset(string.ascii_letters)
_HYPHENATED: Final = _LETTERS | {"-"}
_PRINTABLE: Final = _LETTERS | frozenset(string.digits + string.punctuation)


def read_rules(tokenizer: Tokenizer) -> Rules:
    """Returns the rules of a spaCy tokenizer.

    Raises:
        ValueError: The tokenizer has rules of another kind than spaCy's English one.
        UnknownPatternError: A pattern cannot be understood.
    """
    if tokenizer.token_match is not None:
        raise ValueError("the tokenizer has a token_match, which the stored rules have no place for")
    prefix_pattern = _find_pattern(tokenizer.prefix_search)
    suffix_pattern = _find_pattern(tokenizer.suffix_search)
    infix_pattern = _find_pattern(tokenizer.infix_finditer)
    url_pattern = _find_pattern(tokenizer.url_match)
    special_cases = {
        word: [spec.get(ORTH) or spec["ORTH"] for spec in specs] for word, specs in tokenizer.rules.items()
    }
    for word, tokens in special_cases.items():
        if [token.text for token in tokenizer(word)] != tokens:
            raise ValueError(f"the tokenizer does not cut {word!r} into the tokens of its special case")
    prefix, suffix, infix, url = map(patterns.parse, (prefix_pattern, suffix_pattern, infix_pattern, url_pattern))
    return Rules(
        spacy_version=version("spacy"),
        special_cases=special_cases,
        retokenized=_find_retokenized(tokenizer, special_cases),
        prefix_pattern=prefix_pattern.pattern,
        suffix_pattern=suffix_pattern.pattern,
        infix_pattern=infix_pattern.pattern,
        url_pattern=url_pattern.pattern,
        prefix_lengths=_prefix_lengths(prefix, prefix_pattern),
        suffix_lengths=_suffix_lengths(suffix, suffix_pattern),
        hyphenated_has_no_suffix=not patterns.may_match_within(suffix, _HYPHENATED),
        urls_have_dots=not patterns.may_match_within(url, _PRINTABLE - {"."}),
        letters_stay_whole=not any(patterns.may_match_within(items, _LETTERS) for items in (prefix, suffix, infix)),
    )


def _find_pattern(method: Callable[..., Any] | None) -> re.Pattern[str]:
    pattern = getattr(method, "__self__", None)
    if not isinstance(pattern, re.Pattern):
        raise ValueError(f"the tokenizer searches by {method!r}, not by the method of a pattern")
    return pattern


def _find_retokenized(tokenizer: Tokenizer, special_cases: dict[str, list[str]]) -> list[list[list[str]]]:
    """Returns what spaCy looks for among the tokens of a word, and what it puts in its place.

    It looks for the special cases as they are cut without any special case; with `faster_heuristics` only for those
    that have an affix or an infix in them.
    """
    bare = Tokenizer(
        tokenizer.vocab,
        prefix_search=tokenizer.prefix_search,
        suffix_search=tokenizer.suffix_search,
        infix_finditer=tokenizer.infix_finditer,
        url_match=tokenizer.url_match,
    )

    def is_looked_for(word: str) -> bool:
        has_affix = tokenizer.find_prefix(word) or tokenizer.find_infix(word) or tokenizer.find_suffix(word)
        return word.split() == [word] and bool(has_affix or not tokenizer.faster_heuristics)

    return [
        [[token.text for token in bare(word)], tokens] for word, tokens in special_cases.items() if is_looked_for(word)
    ]


def _prefix_lengths(prefix: list[patterns.Item], pattern: re.Pattern[str]) -> dict[str, int]:
    """Returns the length of the prefix for each first character that determines it."""
    choices = patterns.alternatives(prefix)
    if not all(patterns.is_anchored(choice, "AT_BEGINNING") for choice in choices):
        return {}
    lengths = {}
    for character in sorted(_PRINTABLE):
        possible = [choice for choice in choices if patterns.may_touch(choice, character, last=False)]
        if not possible:
            lengths[character] = 0
        elif pattern.search(character) and all(patterns.is_one_character(each, anywhere=True) for each in possible):
            lengths[character] = 1
    return lengths


def _suffix_lengths(suffix: list[patterns.Item], pattern: re.Pattern[str]) -> dict[str, int]:
    """Returns the length of the suffix for each last character, or last two, that determine it."""
    choices = patterns.alternatives(suffix)
    if not all(patterns.is_anchored(choice, "AT_END") for choice in choices):
        return {}
    # The characters that a suffix of several may have.
    contents = [
        (choice, {character for character in _PRINTABLE if patterns.may_contain(choice, character)})
        for choice in choices
        if not patterns.is_one_character(choice)
    ]
    lengths = {}
    for character in sorted(_PRINTABLE):
        possible = [choice for choice in choices if patterns.may_touch(choice, character, last=True)]
        if not possible:
            lengths[character] = 0
        elif pattern.search(character) and all(patterns.is_one_character(each, anywhere=True) for each in possible):
            lengths[character] = 1
        else:
            # Where no long suffix may have the last but one character in it, only one character can be a suffix. If
            # that is a suffix of the two characters, it is a suffix of every word that ends in them.
            inside = [found for choice, found in contents if patterns.may_touch(choice, character, last=True)]
            for other in sorted(_PRINTABLE.difference(*inside)):
                if pattern.search(other + character):
                    lengths[other + character] = 1
    return lengths


if __name__ == "__main__":
    sys.stdout.write(read_rules(spacy.blank("en").tokenizer).to_json())
