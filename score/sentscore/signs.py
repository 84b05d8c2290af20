"""Shows every sign of a text from outside, also those that a terminal or a page would obey."""

from __future__ import annotations

import unicodedata
from typing import Final

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
