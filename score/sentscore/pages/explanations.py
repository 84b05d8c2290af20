"""The page of explanations: each text with its words shaded by their effects, and the words in tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

from sentscore.occlusion import NEW_LINE, Explanation, Word
from sentscore.pages.html import escape, make_page, make_table

SHADES: Final = 5
"""The shades of a sign's colour. The strongest word of a text has the last one."""

_STRONGEST: Final = 10  # words of the table that is open
_LONGEST_WORD: Final = 200  # characters of a word in the text
_LONGEST_CELL: Final = 60  # characters of a word in a table

LEGEND: Final = (
    '<p class="legend"><span class="p4">Blue words</span> make a score more positive, '
    '<span class="n4">orange and dotted words</span> more negative. The stronger the colour, the larger the '
    "effect beside those of the same text.</p>"
)
"""What the shades stand for, as HTML."""

STYLE: Final = """
.text { white-space: pre-wrap; padding: .8rem; border: 1px solid var(--line); border-radius: .4rem;
  max-height: 40rem; overflow-y: auto; line-height: 2; }
.text span { border-radius: .2rem; padding: .1rem; }
.legend span { border-radius: .2rem; padding: .1rem .4rem; }
.text [class^=n], .legend .n4 { text-decoration: underline dotted; text-underline-offset: .25em; }
.unread { color: var(--quiet); font-style: italic; }
""" + "".join(
    f".{sign}{shade} {{ background: rgb(var(--{name}) / {0.1 * shade:.1f}); }}\n"
    for sign, name in (("p", "positive"), ("n", "negative"))
    for shade in range(1, SHADES + 1)
)
"""The style of shaded texts."""


@dataclass(frozen=True)
class ExplainedText:
    """What one model made of a text.

    Attributes:
        text: The text.
        model: The model's name.
        precision: What the model computed in.
        device: What it ran on.
        score: The probability that the text is positive; None where there is nothing to score.
        sentiment: `negative` or `positive`; None where there is nothing to score.
        explanation: Which words moved the score; None where there is nothing to score.
    """

    text: str
    model: str
    precision: str
    device: str
    score: float | None
    sentiment: str | None
    explanation: Explanation | None


def make_explanations_page(explained: Sequence[ExplainedText]) -> bytes:
    """Returns the page, HTML in UTF-8, which shows whatever the texts hold as text."""
    sections = [_make_section(number, each) for number, each in enumerate(explained, start=1)]
    return make_page("Which words moved the score", "\n".join([LEGEND, *sections]), style=STYLE)


def choose_shade(effect: float | None, largest: float) -> int:
    """Returns the shade of a word's effect, 1 to `SHADES`, less than 0 for a negative one, 0 for none.

    Args:
        effect: The effect; None for none.
        largest: The largest effect of the text either way.
    """
    if not effect or not largest:
        return 0
    shade = round(SHADES * abs(effect) / largest)
    return shade if effect > 0 else -shade


def find_largest(explanation: Explanation) -> float:
    """Returns the largest effect of a word, either way; 0 if there is none."""
    return max((abs(word.effect) for word in explanation.words if word.effect is not None), default=0.0)


def lay_out(explanation: Explanation) -> Iterator[tuple[str, Word]]:
    """Yields each word with what to show before it: nothing, a space, or one or two line breaks.

    Where the model has not read words in between, these are three dots.
    """
    words = explanation.words
    yield "", words[0]
    for before, word in pairwise(words):
        gap = explanation.text[before.stop : word.start]
        breaks = len(NEW_LINE.findall(gap))
        if NEW_LINE.sub("", gap).strip():
            yield " \u2026 ", word
        else:
            yield "\n" * min(breaks, 2) or " ", word


def shorten_word(word: str, longest: int = _LONGEST_CELL) -> str:
    """Returns a word as it may be shown: its beginning alone, and its length, if it is a very long one."""
    return word if len(word) <= longest else f"{word[:longest]}\u2026 ({len(word):,} characters)"


def _make_section(number: int, each: ExplainedText) -> str:
    heading = f"<h2>Text {number}: {escape(each.sentiment or 'nothing to score')}"
    if each.explanation is None or each.score is None:
        return f"{heading}</h2>\n<p>The text is empty or only white space.</p>"
    explanation = each.explanation
    facts = (
        f"{each.model} in {each.precision} on {each.device}: score {each.score:.4f}, "
        f"log-odds {explanation.log_odds:+.2f}"
    )
    return "\n".join(
        [
            f'{heading}, {each.score:.4f}</h2>\n<p class="quiet">{escape(facts)}</p>',
            # A box that scrolls has to be reached with the keyboard.
            f'<div class="text" dir="auto" tabindex="0" role="region" aria-label="Text {number}">'
            f"{''.join(shade_words(explanation))}</div>",
            _make_word_table(
                explanation, explanation.strongest(_STRONGEST), "The words that moved the score most, strongest first"
            ),
            *_make_sentences(explanation),
            f'<p class="quiet">{escape(explanation.method)} {escape(explanation.additivity)}</p>',
            "<details><summary>All effects, in the order of the text</summary>",
            _make_word_table(explanation, _known(explanation), "Every word that was left out by itself"),
            "</details>",
        ]
    )


def shade_words(explanation: Explanation, most: int | None = None) -> Iterator[str]:
    """Yields the words of a text as HTML, shaded by their effects; the first `most` alone, if it is given."""
    largest = find_largest(explanation)
    for before, word in islice(lay_out(explanation), most):
        shade = choose_shade(word.effect, largest)
        text = escape(shorten_word(explanation.spell(word), _LONGEST_WORD))
        yield f'<span class="unread">{before}</span>' if before.strip() else before
        if shade:
            yield f'<span class="{"p" if shade > 0 else "n"}{abs(shade)}" title="{word.effect:+.3f}">{text}</span>'
        else:
            yield text


def _make_sentences(explanation: Explanation) -> list[str]:
    """Returns the table of a long text's strongest sentences; nothing for another text."""
    if not explanation.sentences:
        return []
    strongest = sorted(explanation.sentences, key=lambda each: -abs(each.effect))[:_STRONGEST]
    rows = []
    for each in strongest:
        first, last = explanation.words[each.start], explanation.words[each.stop - 1]
        rows.append([f"{each.effect:+.3f}", _quote(explanation.text[first.start : last.stop])])
    caption = "The sentences that moved the score most, strongest first"
    return [make_table(caption, ["effect", "sentence"], rows, numbers=[0])]


def _quote(sentence: str) -> str:
    words = " ".join(NEW_LINE.sub(" ", sentence[: 2 * _LONGEST_WORD]).split())
    return words if len(words) <= _LONGEST_WORD else f"{words[:_LONGEST_WORD]}\u2026"


def _known(explanation: Explanation) -> list[int]:
    return [index for index, word in enumerate(explanation.words) if word.effect is not None]


def _make_word_table(explanation: Explanation, indexes: Iterable[int], caption: str) -> str:
    words = [explanation.words[index] for index in indexes]
    rows = [[f"{word.effect:+.3f}", shorten_word(explanation.spell(word))] for word in words]
    return make_table(caption, ["effect", "word"], rows, numbers=[0])
