"""The cases that are known to fail, by kind and flavour, each with its reason: the one place where they are marked.

A marked case still runs. Its complaints are counted beside the others, and a mark that no case needs is reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

KNOWN: Final[dict[tuple[str, str, str], str]] = {}
"""Why cases fail, by their kind, the beginning of their flavour and the class of the complaint."""


def known_marks(kind: str, flavour: str, groups: Iterable[str]) -> list[tuple[str, str, str]]:
    """Returns the marks that say why a case fails; none if a complaint is not known."""
    marks = []
    for group in groups:
        found = [mark for mark in KNOWN if mark[0] == kind and flavour.startswith(mark[1]) and mark[2] == group]
        if not found:
            return []
        marks += found
    return marks
