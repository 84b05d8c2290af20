"""What a source gives its reader: windows of rows, bounded in number and bytes whatever the file's size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import pyarrow as pa

from sentscore.columns import find_columns
from sentscore.formats import Kind

WINDOW_ROWS: Final = 8_192
"""The most rows of a window: enough to sort reviews by length into full batches."""

WINDOW_BYTES: Final = 32 << 20
"""The most bytes of a window: a file of long texts needs no more memory than one of short texts."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Window:
    """Some consecutive rows of an input.

    Attributes:
        rows: The columns that go to the output [n].
        texts: The texts to be scored [n], a `large_string` array of valid UTF-8.
        ends_group: Whether a Parquet row group ends after these rows.
        position: How many bytes of the input have been read; 0 where that is not known.
    """

    rows: pa.RecordBatch
    texts: pa.Array
    ends_group: bool = False
    position: int = 0


@dataclass(frozen=True)
class Source:
    """An input that is open.

    Attributes:
        name: The input's name in messages.
        kind: The kind of table.
        schema: The schema of every window's rows.
        text: The index of the column of texts; for raw JSON lines, of the column of lines. -1 where it is not kept.
        windows: The rows in order, which can be read once.
        rows: How many rows there are; None where that is not known before all of them are read.
        size: How many bytes the file has; None for a stream.
        codec: The compression inside a Parquet file, by Arrow's name for it.
        raw_json: Whether the only column holds JSON lines as they stand in the file.
        key: The key of the texts in raw JSON lines; empty for other inputs.
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
    key: str = ""


def keep_columns(source: Source, names: Sequence[str]) -> Source:
    """Returns a source whose rows have these columns alone, in this order. Its texts stay what they are.

    Raises:
        InputError: There is no such column, or several have the name.
    """
    indices = find_columns(source.name, source.schema, names)
    schema = pa.schema([source.schema.field(index) for index in indices], metadata=source.schema.metadata)
    windows = (replace(window, rows=_select(window.rows, indices, schema)) for window in source.windows)
    text = indices.index(source.text) if source.text in indices else -1
    return replace(source, schema=schema, text=text, windows=windows)


def _select(rows: pa.RecordBatch, indices: Sequence[int], schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([rows.column(index) for index in indices], schema=schema)


def gather(items: Iterable[Item], size: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Collects items into lists of at most `WINDOW_ROWS` items and `WINDOW_BYTES` bytes; one item may be larger."""
    window: list[Item] = []
    held = 0
    for item in items:
        item_size = size(item)
        if window and (len(window) == WINDOW_ROWS or held + item_size > WINDOW_BYTES):
            yield window
            window, held = [], 0
        window.append(item)
        held += item_size
    if window:
        yield window
