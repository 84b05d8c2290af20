"""CSV and TSV files: every column is text, so that each value comes back exactly as it was."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from sentscore.errors import InputError
from sentscore.formats import DELIMITERS, Kind
from sentscore.sources.source import Window, gather
from sentscore.sources.streams import MAX_LINE, Stream

Reader = Any  # a csv.reader, whose type has no name


def delimited_rows(name: str, lines: Iterator[str], kind: Kind) -> tuple[list[str], Iterator[list[str]]]:
    r"""Reads the lines of a CSV or TSV file.

    Args:
        name: The input's name, for messages.
        lines: The lines with their ends, each `\n`, `\r\n` or `\r`.
        kind: Which of the two it is.

    Returns:
        The header, and the rows, each as long as the header.

    Raises:
        InputError: Here or while the rows are read: there is no header, a row has another length, or a quote is open.
    """
    # The limit is one for the process, so it is only ever raised. A review can be over the default, 128 KiB.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    # Not strict, the reader passes over a file cut off inside quotes and over text behind a closing quote.
    reader = csv.reader(lines, delimiter=DELIMITERS[kind], strict=True)
    header = next(_read_rows(name, reader), None)
    if not header:
        raise InputError(f"{name}: no header: the first line must name the columns")
    return header, _read_full_rows(name, reader, len(header))


def delimited_windows(stream: Stream, rows: Iterator[list[str]], schema: pa.Schema, text: int) -> Iterator[Window]:
    """Yields the windows of a CSV or TSV file; `text` is the index of its column of texts."""
    for window in gather(rows, _count_characters):
        columns = [pa.array(values, pa.string()) for values in zip(*window, strict=True)]
        batch = pa.record_batch(columns, schema=schema)
        yield Window(batch, batch.column(text).cast(pa.large_string()), position=stream.position())


def _read_rows(name: str, reader: Reader) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise InputError(f"{name}: line {reader.line_num}: {error}: check the quotes before it") from error


def _read_full_rows(name: str, reader: Reader, width: int) -> Iterator[list[str]]:
    for row in _read_rows(name, reader):
        if not row:
            # A blank line is an empty value where there is one column, and stray where there are more.
            if width == 1:
                yield [""]
            continue
        if len(row) != width:
            raise InputError(
                f"{name}: the row that ends on line {reader.line_num} has {len(row)} fields, the header {width}: "
                "quote fields that hold a separator or a line break"
            )
        yield row


def _count_characters(row: list[str]) -> int:
    return sum(map(len, row))
