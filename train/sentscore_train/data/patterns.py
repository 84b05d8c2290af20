"""Proves what a regular expression cannot match, without running it, from its parse.

Each function errs on one side: it says "maybe" of everything that it does not understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from importlib import import_module
from typing import Any, Final

Item = tuple[Any, Any]
"""An operation of a parsed pattern and its argument, as Python's own parser makes them."""

_ZERO_WIDTH: Final = {"AT", "ASSERT", "ASSERT_NOT"}
_REPEATS: Final = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}


class UnknownPatternError(Exception):
    """A flag changes what the characters of a pattern mean."""


def parse(pattern: re.Pattern[str]) -> list[Item]:
    """Returns the items of a pattern in sequence.

    Raises:
        UnknownPatternError: The pattern has a flag.
    """
    if pattern.flags != re.UNICODE:
        raise UnknownPatternError(f"pattern {pattern.pattern!r} has flags: write it without them")
    return list(import_module("re._parser").parse(pattern.pattern))


def alternatives(items: list[Item]) -> list[list[Item]]:
    """Returns the alternatives of a pattern, each with what precedes and follows all of them."""
    for place, (operation, argument) in enumerate(items):
        if operation.name == "BRANCH":
            return [[*items[:place], *branch, *items[place + 1 :]] for branch in argument[1]]
        if operation.name != "AT":
            break
    return [items]


def may_match_within(items: Iterable[Item], characters: Set[str]) -> bool:
    """Whether a match, with what it looks at before and after itself, may consist of these characters."""
    return all(_item_may_match(item, characters) for item in items)


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
        return name not in {"LITERAL", "IN"} or _item_may_match(item, {character})
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
            found = name not in {"LITERAL", "IN"} or _item_may_match(item, {character})
        if found:
            return True
    return False


def is_one_character(items: Iterable[Item], *, anywhere: bool = False) -> bool:
    """Whether an anchored pattern only matches one character and depends on nothing but the characters around it.

    Args:
        items: The pattern.
        anywhere: Whether it must not depend on the characters around it either.
    """
    widths = []
    for operation, argument in items:
        name = operation.name
        if name == "ASSERT" and not anywhere and all(part.name in {"LITERAL", "IN"} for part, _ in argument[1]):
            continue
        widths.append({"AT": 0, "LITERAL": 1, "IN": 1}.get(name, 2))
    return sorted(widths) == [0, 1]


def is_anchored(items: list[Item], place: str) -> bool:
    """Whether every match stands at the beginning ("AT_BEGINNING") or at the end ("AT_END") of the string."""
    if not items:
        return False
    operation, argument = items[0 if place == "AT_BEGINNING" else -1]
    return bool(operation.name == "AT" and argument.name == place)


def _item_may_match(item: Item, characters: Set[str]) -> bool:
    argument = item[1]
    match _name(item):
        case "LITERAL":
            return chr(argument) in characters
        case "IN":
            return any(_set_may_hold(argument, character) for character in characters)
        case "BRANCH":
            return any(may_match_within(branch, characters) for branch in argument[1])
        case "SUBPATTERN" | "ASSERT":
            return may_match_within(argument[-1], characters)
        case name if name in _REPEATS:
            return bool(argument[0] == 0) or may_match_within(argument[2], characters)
    return True


def _set_may_hold(members: Iterable[Item], character: str) -> bool:
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


def _name(item: Item) -> str:
    operation, argument = item
    changes_flags = operation.name == "SUBPATTERN" and (argument[1] or argument[2])
    return "UNKNOWN" if changes_flags else str(operation.name)
