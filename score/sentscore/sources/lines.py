r"""Text files: one text a line, where only `\n` and `\r\n` end a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from sentscore.sources.source import Window, gather
from sentscore.sources.streams import Stream

SCHEMA: Final = pa.schema([pa.field("text", pa.string())])
"""The schema of a text file: its one column."""


def line_windows(stream: Stream, lines: Iterator[str]) -> Iterator[Window]:
    """Yields the windows of a text file with these lines."""
    for window in gather(map(_strip_end, lines), len):
        texts = pa.array(window, pa.string())
        rows = pa.record_batch([texts], schema=SCHEMA)
        yield Window(rows, texts.cast(pa.large_string()), position=stream.position())


def _strip_end(line: str) -> str:
    if line.endswith("\r\n"):
        return line[:-2]
    return line.removesuffix("\n")
