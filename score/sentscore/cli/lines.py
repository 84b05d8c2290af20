"""Prints lines that a terminal shows as they are: names from outside may hold what it would obey."""

from __future__ import annotations

import json
from typing import Any

import typer

from sentscore.signs import clean_line

__all__ = ["clean_line", "echo_json", "echo_line"]


def echo_line(text: str, *, err: bool = False) -> None:
    """Prints one line, cleaned, to stdout or stderr."""
    typer.echo(clean_line(text), err=err)


def echo_json(value: Any) -> None:  # noqa: ANN401 - whatever is JSON
    """Prints JSON to stdout, as one line of UTF-8 whatever the terminal's encoding is."""
    # Half a character becomes \udcff, which is how JSON writes it, too.
    typer.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))
