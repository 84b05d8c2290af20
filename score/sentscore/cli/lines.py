"""Prints lines that a terminal shows as they are: names from outside may hold what it would obey."""

from __future__ import annotations

import json
import unicodedata
from typing import Any, Final

import typer

_JOINERS: Final = "\u200c\u200d"
"""They show nothing, but tie letters and emoji together."""


def clean_line(text: str) -> str:
    """Returns a text in which every sign that is not seen is written as Python escapes it, with a backslash.

    These are control characters such as line breaks, what changes the direction of writing, and halves of characters,
    which stand for bytes of a name that are not UTF-8. Spaces of all kinds stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(sign if _is_seen(sign) else sign.encode("unicode_escape").decode("ascii") for sign in text)


def _is_seen(sign: str) -> bool:
    return sign.isprintable() or sign in _JOINERS or unicodedata.category(sign) == "Zs"


def echo_line(text: str, *, err: bool = False) -> None:
    """Prints one line, cleaned, to stdout or stderr."""
    typer.echo(clean_line(text), err=err)


def echo_json(value: Any) -> None:  # noqa: ANN401 - whatever is JSON
    """Prints JSON to stdout, as one line of UTF-8 whatever the terminal's encoding is."""
    # Half a character becomes \udcff, which is how JSON writes it, too.
    typer.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))
