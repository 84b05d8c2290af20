"""Texts of a report as HTML, each in a box with its words shaded, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sentscore.occlusion import NEW_LINE
from sentscore.pages.explanations import shade_words, shorten_word
from sentscore.pages.html import escape
from sentscore.pages.report.collect import Collected
from sentscore.pages.report.model import MOST_WORDS, ShadedText, find_first_words

_LONGEST_WORD: Final = 200  # characters


def make_text_boxes(title: str, texts: Sequence[ShadedText], now: Collected) -> Iterator[str]:
    """Yields a heading and the texts below it; nothing if there are none.

    Args:
        title: The heading, as text.
        texts: The texts.
        now: What was found in their files.
    """
    if not texts:
        return
    yield f"<h3>{escape(title)}</h3>"
    for number, each in enumerate(texts, start=1):
        label = escape(f"{title}, text {number}")
        yield (
            f'<p class="quiet about">{escape(_describe(each, now))}</p>\n'
            # A box that scrolls has to be reached with the keyboard.
            f'<div class="text" dir="auto" tabindex="0" role="region" aria-label="{label}">'
            f"{''.join(_show_words(each))}</div>"
        )


def _describe(each: ShadedText, now: Collected) -> str:
    """Returns a text's scores and place."""
    scored = each.scored
    columns = now.layouts[0].scores
    named = len(columns) > 1
    scores = [
        f"{column.model} {score:.4f}" if named else f"score {score:.4f}"
        for column, score in zip(columns, scored.scores, strict=True)
        if score is not None
    ]
    place = f"row {scored.row:,} (from 0)"
    if len(now.layouts) > 1:
        place += f" of {Path(scored.path).name}"
    group = [f"{now.layouts[0].by} {shorten_word(scored.group)}"] if scored.group is not None else []
    return ", ".join([*scores, place, *group])


def _show_words(each: ShadedText) -> Iterator[str]:
    if each.explanation is not None:
        yield from shade_words(each.explanation, MOST_WORDS)
        more = each.more
    else:
        words, more = find_first_words(each.scored.text)
        text = each.scored.text
        stop = 0
        for word in words:
            breaks = len(NEW_LINE.findall(text[stop : word.start])) if stop else 0
            yield ("\n" * min(breaks, 2) or " ") if stop else ""
            yield escape(shorten_word(text[word.start : word.stop], _LONGEST_WORD))
            stop = word.stop
    if more:
        yield f' <span class="unread">\u2026 {more:,} more words</span>'
