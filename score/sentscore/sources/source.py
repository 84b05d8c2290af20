"""What a source gives its reader: windows of rows, bounded in number and bytes whatever the file's size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import pyarrow as pa

from sentscore.formats import Kind

WINDOW_ROWS: Final = 8_192
"""Rows of a window: enough to sort reviews by length into full batches."""

WINDOW_BYTES: Final = 32 << 20
"""Bytes of a window, so that a file of long texts does not need more memory than one of short texts."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Window:
    """Some consecutive rows of an input.

    Attributes:
        rows: the columns that go to the output [n].
        texts: what is to be scored [n], `string` or `large_string`, checked to be UTF-8.
        ends_group: whether a Parquet row group ends after these rows.
        position: bytes of the input taken in so far, 0 where that is not known.
    """

    rows: pa.RecordBatch
    texts: pa.Array
    ends_group: bool = False
    position: int = 0


@dataclass(frozen=True)
class Source:
    """An input that is open.

    Attributes:
        name: the input as messages name it.
        kind: the kind of table it is.
        schema: the schema of every window's rows.
        text: which column of the schema holds the texts; for raw JSON lines, the column of lines.
        windows: the rows in order; can be gone through once.
        rows: how many rows there are, None where only reading to the end can tell.
        size: how many bytes the file has, None for a stream.
        codec: the compression inside a Parquet file, as its writer takes it.
        raw_json: whether the only column holds the lines of a JSONL file as they stand in it.
    """

    name: str
    kind: Kind
    schema: pa.Schema
    text: int
    windows: Iterator[Window]
    rows: int | None = None
    size: int | None = None
    codec: str | None = None
    raw_json: bool = False


def gather(items: Iterable[Item], size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Collects items into lists of at most `WINDOW_ROWS` and, a larger single item aside, `WINDOW_BYTES`."""
    window: list[Item] = []
    held = 0
    for item in items:
        grown = held + size(item)
        if window and (len(window) == WINDOW_ROWS or grown > WINDOW_BYTES):
            yield window
            window, grown = [], size(item)
        window.append(item)
        held = grown
    if window:
        yield window
