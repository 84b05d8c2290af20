from __future__ import annotations

from sentscore_export.sections.markdown import escape


def test_a_text_is_shown_as_it_is() -> None:
    assert escape("a | b *c* <br>\n[d](e) `f`") == r"a \| b \*c\* \<br\> \[d\](e) \`f\`"
    assert escape("toys_games _so_ _") == r"toys_games \_so\_ \_"
    assert escape("red\x1b[31m") == r"red\x1b\[31m"
