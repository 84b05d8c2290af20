"""What can be said of a regular expression without running it, from its parse: each answer is a proof or "maybe".

Only mandatory parts are looked at, and whatever is not understood counts as able to match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from importlib import import_module
from itertools import pairwise
from typing import Any, Final

Item = tuple[Any, Any]  # an operation of `re` and its argument

_ZERO_WIDTH: Final = {"AT", "ASSERT", "ASSERT_NOT"}
_REPEATS: Final = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}


class UnknownPatternError(Exception):
    """This `re` cannot be asked, or a flag changes what characters mean."""


def parse(pattern: re.Pattern[str]) -> list[Item]:
    """The items of a pattern in sequence.

    Raises:
        UnknownPatternError: the pattern cannot be understood.
    """
    if pattern.flags != re.UNICODE:
        raise UnknownPatternError(pattern.flags)
    try:
        return list(import_module("re._parser").parse(pattern.pattern))
    except (ImportError, AttributeError) as error:
        raise UnknownPatternError(str(error)) from error


def alternatives(items: list[Item]) -> list[list[Item]]:
    """The alternatives of a pattern, each with what precedes and follows all of them."""
    for place, (operation, argument) in enumerate(items):
        if operation.name == "BRANCH":
            return [[*items[:place], *branch, *items[place + 1 :]] for branch in argument[1]]
        if operation.name != "AT":
            break
    return [items]


def may_match_within(items: Iterable[Item], characters: Set[str]) -> bool:
    """Whether a match, with what it looks at before and after itself, may consist of these characters."""
    return all(_may(item, characters) for item in items)


def _may(item: Item, characters: Set[str]) -> bool:
    argument = item[1]
    match _name(item):
        case "LITERAL":
            return chr(argument) in characters
        case "IN":
            return any(_in(argument, character) for character in characters)
        case "BRANCH":
            return any(may_match_within(branch, characters) for branch in argument[1])
        case "SUBPATTERN" | "ASSERT":
            return may_match_within(argument[-1], characters)
        case name if name in _REPEATS:
            return bool(argument[0] == 0) or may_match_within(argument[2], characters)
    return True


def may_touch(items: Iterable[Item], character: str, *, last: bool) -> bool:
    """Whether the first (or the last) character of a match may be this one, or the match may be empty."""
    for item in reversed(list(items)) if last else items:
        name, argument = _name(item), item[1]
        if name in _ZERO_WIDTH:
            continue
        if name == "BRANCH":
            return any(may_touch(branch, character, last=last) for branch in argument[1])
        if name == "SUBPATTERN":
            return may_touch(argument[-1], character, last=last)
        if name in _REPEATS and argument[0] > 0:
            return may_touch(argument[2], character, last=last)
        return name not in {"LITERAL", "IN"} or _may(item, {character})
    return True


def may_contain(items: Iterable[Item], character: str) -> bool:
    """Whether a match may have this character anywhere in it."""
    for item in items:
        name, argument = _name(item), item[1]
        if name in _ZERO_WIDTH:
            continue
        if name == "BRANCH":
            found = any(may_contain(branch, character) for branch in argument[1])
        elif name == "SUBPATTERN":
            found = may_contain(argument[-1], character)
        elif name in _REPEATS:
            found = may_contain(argument[2], character)
        else:
            found = name not in {"LITERAL", "IN"} or _may(item, {character})
        if found:
            return True
    return False


def is_one_character(items: Iterable[Item], *, anywhere: bool = False) -> bool:
    """Whether every match of an anchored pattern is one character long and hangs on nothing but what stands around it.

    Args:
        items: the pattern.
        anywhere: it must not hang on what stands around it either.
    """
    widths = []
    for operation, argument in items:
        name = operation.name
        if name == "ASSERT" and not anywhere and all(part.name in {"LITERAL", "IN"} for part, _ in argument[1]):
            continue
        widths.append({"AT": 0, "LITERAL": 1, "IN": 1}.get(name, 2))
    return sorted(widths) == [0, 1]


def sees_words_alike(items: list[Item], letters: Set[str], marks: Set[str]) -> bool:
    """Whether a pattern looks for the same in all texts of the same marks, whatever the words between them.

    True where, in a text of marks and of words of two letters or more, no match has a letter of a word in it, and where
    matches lie depends on the marks alone.

    Args:
        items: the pattern.
        letters: what words are made of.
        marks: everything else in the texts. There may be letters among them, which then stand alone.
    """
    return all(
        not may_match_within(choice, letters | marks)
        or _has_lone_letters(choice, letters)
        or _looks_at_ends_of_words(choice, letters)
        for choice in alternatives(items)
    )


def _has_lone_letters(items: list[Item], letters: Set[str]) -> bool:
    """Whether a pattern is a plain text whose letters each have a mark or an end of the string on both sides."""
    if not items or not all(item[0].name == "LITERAL" or _is_end(item) for item in items):
        return False
    is_letter = [operation.name == "LITERAL" and chr(argument) in letters for operation, argument in items]
    return not (is_letter[0] or is_letter[-1] or any(left and right for left, right in pairwise(is_letter)))


def _is_end(item: Item) -> bool:
    operation, argument = item
    return bool(operation.name == "AT" and argument.name in {"AT_BEGINNING", "AT_END"})


def _looks_at_ends_of_words(items: list[Item], letters: Set[str]) -> bool:
    """Whether matches have no letter in them, one at least of something else, and see of words two letters at most."""
    return _tells_no_letters_apart(items, letters) and not any(
        may_touch(items, letter, last=False) or may_contain(items, letter) for letter in letters
    )


def _tells_no_letters_apart(items: Iterable[Item], letters: Set[str]) -> bool:
    for item in items:
        argument = item[1]
        match _name(item):
            case "LITERAL":
                alike = chr(argument) not in letters
            case "IN":
                named = [part for part in argument if part[0].name in {"LITERAL", "RANGE"}]
                alike = len({_in(named, letter) for letter in letters}) == 1
            case "AT":
                alike = _is_end(item)
            case "ASSERT" | "ASSERT_NOT":
                seen = list(argument[1])
                alike = len(seen) <= 2 and all(part[0].name in {"LITERAL", "IN"} for part in seen)
                alike = alike and _tells_no_letters_apart(seen, letters)
            case "BRANCH":
                alike = all(_tells_no_letters_apart(branch, letters) for branch in argument[1])
            case "SUBPATTERN":
                alike = _tells_no_letters_apart(argument[-1], letters)
            case name if name in _REPEATS:
                alike = _tells_no_letters_apart(argument[2], letters)
            case _:
                alike = False
        if not alike:
            return False
    return True


def is_anchored(items: list[Item], place: str) -> bool:
    """Whether every match stands at the beginning ("AT_BEGINNING") or at the end ("AT_END") of the string."""
    if not items:
        return False
    operation, argument = items[0 if place == "AT_BEGINNING" else -1]
    return bool(operation.name == "AT" and argument.name == place)


def _name(item: Item) -> str:
    operation, argument = item
    changes_flags = operation.name == "SUBPATTERN" and (argument[1] or argument[2])
    return "UNKNOWN" if changes_flags else str(operation.name)


def _in(members: Iterable[Item], character: str) -> bool:
    for operation, argument in members:
        match operation.name:
            case "LITERAL":
                if ord(character) == argument:
                    return True
            case "RANGE":
                if argument[0] <= ord(character) <= argument[1]:
                    return True
            case _:  # a category, or all but the members
                return True
    return False
