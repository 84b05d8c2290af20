"""Decodes HTML's character references: `&amp;` becomes `&`, and `&#233;` and `&eacute;` become `é`.

A browser also decodes references that lack their semicolon. Here they stay as they are, for in a review `&copy` may
well be a word behind an ampersand. What a reference becomes is not decoded once more.
"""

from __future__ import annotations

import html
import re
from html.entities import html5
from typing import Final

MAY_HAVE_REFERENCES: Final = "&#?[0-9A-Za-z]+;"
"""A pattern, for Arrow, that every text with a reference matches."""

# Linear in a text's length: what follows an ampersand holds no other one, so each character is looked at once.
_REFERENCE: Final = re.compile("&(?:#([0-9]+)|#[xX]([0-9A-Fa-f]+)|([A-Za-z][0-9A-Za-z]*));")

_MOST_DIGITS: Final = 7  # of a character's number, 1,114,111 at most
_REPLACEMENT: Final = "\ufffd"


def decode_html_entities(text: str) -> str:
    """Returns the text with a character in place of each reference that HTML knows and that ends with a semicolon.

    Numbers mean what they mean to a browser (https://html.spec.whatwg.org/#numeric-character-reference-end-state):
    128 to 159 are Windows-1252's, and what is no character becomes U+FFFD.
    """
    return _REFERENCE.sub(_decode, text)


def _decode(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        return html5.get(f"{name};", match.group())
    # Zeros in front mean nothing, and a long number is none of a character: to read it would take quadratic time.
    digits = (decimal or hexadecimal).lstrip("0")
    if len(digits) > _MOST_DIGITS:
        return _REPLACEMENT
    return html.unescape(f"&#{'x' if hexadecimal else ''}{digits or '0'};")
