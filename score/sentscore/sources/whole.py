"""Files that are one text each, as one table with a row a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa

from sentscore.formats import Kind, parse_compression
from sentscore.sources.source import Source, Window, gather
from sentscore.sources.streams import memory_errors, open_stream, read_text

SCHEMA: Final = pa.schema([pa.field("file", pa.string())])
"""The schema of the table: its one column, the files' names as given."""


def whole_files(paths: Sequence[str]) -> Source:
    """Returns a source with a row a file.

    Args:
        paths: The files in order; `-` is stdin, and `.gz` and `.zst` files are decompressed.

    Raises:
        InputError: Not here but while the rows are read: a file is missing, cannot be read, or is not UTF-8.
    """
    return Source(
        name=f"{len(paths)} files" if len(paths) != 1 else paths[0],
        kind=Kind.TXT,
        schema=SCHEMA,
        text=0,
        windows=_read_windows(paths),
        rows=len(paths),
    )


def _read_windows(paths: Sequence[str]) -> Iterator[Window]:
    done = 0
    for texts in gather(map(_read_file, paths), len):
        # A name that is not UTF-8 comes from the system with lone surrogates, which Arrow does not take.
        shown = [os.fsencode(path).decode("utf-8", "replace") for path in paths[done : done + len(texts)]]
        names = pa.array(shown, pa.string())
        yield Window(pa.record_batch([names], schema=SCHEMA), pa.array(texts, pa.large_string()))
        done += len(texts)


def _read_file(path: str) -> str:
    with open_stream(path) as stream, memory_errors(path):
        return read_text(stream, parse_compression(path))
