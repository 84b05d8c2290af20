from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from sentscore.pages.html import escape, make_page, make_table


class Reader(HTMLParser):
    """Collects what a browser would show as text, and the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attributes: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(content: bytes) -> Reader:
    reader = Reader()
    reader.feed(content.decode())
    reader.close()
    return reader


HOSTILE = ["<script>alert(1)</script>", "</style><b>", "</title>", '" onload="x', "&lt;", "]]>", "<!--"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_text_holds_is_shown_as_text(text: str) -> None:
    plain = read(make_page("Title", make_table("Caption", ["word"], [["plain"]], numbers=[])))
    reader = read(make_page(text, make_table(text, [text], [[text]], numbers=[])))
    assert reader.tags == plain.tags
    assert reader.texts.count(text) == 5


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a\\u202eb"),
        ("\u2067x\u2069", "\\u2067x\\u2069"),
        ("\u200fx", "\\u200fx"),
        ("a\x00\x1b[1m", "a\\x00\\x1b[1m"),
        ("two\nlines", "two\\nlines"),
        ("\ufeff", "\\ufeff"),
        ("שלום caf\u00e9 \U0001f468\u200d\U0001f469", "שלום caf\u00e9 \U0001f468\u200d\U0001f469"),
    ],
)
def test_signs_that_are_not_seen_are_shown(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_a_page_needs_nothing_else() -> None:
    page = make_page("Title", "<p>x</p>").decode()
    assert not re.search(r"https?://|//[a-z]|@import|url\(", page)
    assert "default-src 'none'" in page
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
    assert 'lang="en"' in page


def test_numbers_stand_below_each_other() -> None:
    table = make_table("Caption", ["effect", "word"], [["+1.0", "a"]], numbers=[0])
    assert '<th scope="col" class="number">effect</th><th scope="col">word</th>' in table
    assert '<td class="number"><bdi>+1.0</bdi></td><td><bdi>a</bdi></td>' in table


def test_a_wide_table_is_reached_with_the_keyboard() -> None:
    table = make_table('"Caption"', ["word"], [["a"]], numbers=[])
    assert table.startswith('<div class="scroll" tabindex="0" role="group" aria-label="&quot;Caption&quot;"><table>')
