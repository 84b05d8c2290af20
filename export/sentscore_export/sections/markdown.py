"""Writes text from outside into Markdown."""

from __future__ import annotations

import re
from typing import Final

from sentscore.cli.lines import clean_line

_SIGNS: Final = re.compile(r"[\\`*\[\]<>|#~]|\b_|_\b")
"""What Markdown would take for its own. It lets underscores inside of words be."""


def escape(text: str) -> str:
    """Returns a text on one line, in which Markdown finds nothing to obey."""
    return clean_line(" ".join(_SIGNS.sub(r"\\\g<0>", text).split()))
