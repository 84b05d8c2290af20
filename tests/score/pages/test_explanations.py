from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from sentscore.occlusion import Explanation, Sentence, Word
from sentscore.pages.explanations import (
    SHADES,
    ExplainedText,
    choose_shade,
    lay_out,
    make_explanations_page,
    shorten_word,
)


class Words(HTMLParser):
    """Collects the words that are shaded, and the text of the box that they are in."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.shaded: list[tuple[str, str]] = []
        self.box = ""
        self._kind = ""
        self._depth = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        kind = dict(attributes).get("class") or ""
        if kind == "text" or self._depth:
            self._depth += 1
        self._kind = kind if self._depth > 1 else ""

    def handle_endtag(self, tag: str) -> None:
        self._depth = max(0, self._depth - 1)
        self._kind = ""

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.box += data
        if self._kind:
            self.shaded.append((self._kind, data))


def explain(text: str, effects: list[float | None], **fields: object) -> ExplainedText:
    """What a model might say of a text whose words are between single spaces."""
    words = []
    start = 0
    for word, effect in zip(text.split(" "), effects, strict=True):
        words.append(Word(start, start + len(word), effect))
        start += len(word) + 1
    explanation = Explanation(text, 1.5, -0.25, tuple(words), **fields)  # type: ignore[arg-type]
    return ExplainedText(text, "lstm", "int8", "cpu", 0.8176, "positive", explanation)


def read(*explained: ExplainedText) -> Words:
    reader = Words()
    reader.feed(make_explanations_page(explained).decode())
    reader.close()
    return reader


def test_words_are_shaded_by_their_effects() -> None:
    reader = read(explain("great but awful film", [2.0, 0.02, -1.0, None]))
    assert reader.shaded == [("p5", "great"), ("n2", "awful")]
    assert reader.box == "great but awful film"


def test_tables_tell_every_effect() -> None:
    page = make_explanations_page([explain("great but awful film", [2.0, 0.02, -1.0, None])]).decode()
    rows = re.findall(r"<tr><td class=\"number\"><bdi>(.*?)</bdi></td><td><bdi>(.*?)</bdi>", page)
    assert rows[:3] == [("+2.000", "great"), ("-1.000", "awful"), ("+0.020", "but")]
    assert rows[3:] == [("+2.000", "great"), ("+0.020", "but"), ("-1.000", "awful")]
    assert "Each word was left out" in page
    assert "The effects add up to +1.02. The whole text is +1.75 from a single unknown word, so +0.73" in page


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", "</style>", "</div>", '"onclick="', "&amp;", "<!--"])
def test_a_text_is_shown_as_text(word: str) -> None:
    text = f"{word} film"
    plain, reader = read(explain("great film", [1.0, -1.0])), read(explain(text, [1.0, -1.0]))
    assert reader.tags == plain.tags
    assert reader.box == text


def test_a_change_of_direction_is_seen_and_changes_nothing() -> None:
    reader = read(explain("a\u202ereverse \u2066film", [1.0, -1.0]))
    assert reader.box == "a\\u202ereverse \\u2066film"


def test_a_word_of_a_megabyte_leaves_the_page_small() -> None:
    page = make_explanations_page([explain("<" * (1 << 20) + " film", [1.0, -1.0])])
    assert len(page) < 20_000
    assert b"\xe2\x80\xa6 (1,048,576 characters)" in page


def test_only_words_are_underlined() -> None:
    """Numbers in tables have a class that begins with the same letter."""
    page = make_explanations_page([explain("great awful", [1.0, -1.0])]).decode()
    assert re.findall(r"(.*) \{ text-decoration: underline", page) == [".text [class^=n], .legend .n4"]


def test_nothing_to_score() -> None:
    page = make_explanations_page([ExplainedText(" ", "lstm", "fp32", "cpu", None, None, None)]).decode()
    assert "Text 1: nothing to score" in page
    assert "empty or only white space" in page


def test_a_long_text_has_its_sentences_in_a_table() -> None:
    sentences = (Sentence(0, 2, 0.5), Sentence(2, 4, -3.0))
    page = make_explanations_page([explain("good film. <b> plot.", [None, None, 1.0, -2.0], sentences=sentences)])
    rows = re.findall(r"<tr><td class=\"number\"><bdi>(.*?)</bdi></td><td><bdi>(.*?)</bdi>", page.decode())
    assert rows[2:4] == [("-3.000", "&lt;b&gt; plot."), ("+0.500", "good film.")]
    assert "Its sentences were left out in turn" in page.decode()
    assert "add up to -0.50" in page.decode()  # 1 - 2 of the words, and 0.5 of the other sentence


@pytest.mark.parametrize(
    ("effect", "largest", "shade"), [(None, 1.0, 0), (0.0, 0.0, 0), (1.0, 1.0, SHADES), (-0.5, 1.0, -2), (0.05, 1.0, 0)]
)
def test_shades(effect: float | None, largest: float, shade: int) -> None:
    assert choose_shade(effect, largest) == shade


def test_what_stands_between_words() -> None:
    text = "a  b<br />c\n\n<br/>d unread e"
    words = [Word(text.index(sign), text.index(sign) + 1) for sign in "abc"] + [Word(20, 21), Word(29, 30)]
    words[3:] = [Word(text.index(">d") + 1, text.index(">d") + 2), Word(len(text) - 1, len(text))]
    found = list(lay_out(Explanation(text, 0.0, 0.0, tuple(words))))
    assert [before for before, _ in found] == ["", " ", "\n", "\n\n", " \u2026 "]


def test_long_words_are_shortened() -> None:
    assert shorten_word("x" * 60) == "x" * 60
    assert shorten_word("x" * 1_061) == "x" * 60 + "\u2026 (1,061 characters)"
