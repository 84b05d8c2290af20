"""CSV and TSV files: every column is text, so that each value comes back exactly as it was."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain

import pyarrow as pa

from sentscore.errors import InputError
from sentscore.formats import Kind
from sentscore.sources.source import Window, gather
from sentscore.sources.streams import MAX_LINE, Stream


def dialect_of(kind: Kind) -> type[csv.Dialect]:
    """Returns the csv module's dialect: commas for CSV, tabs for TSV, double quotes in both."""
    return csv.excel_tab if kind is Kind.TSV else csv.excel


def delimited_rows(name: str, lines: Iterator[str], kind: Kind) -> tuple[list[str], Iterator[list[str]]]:
    """Reads a CSV or TSV file.

    Args:
        name: the input, for messages.
        lines: its lines with their ends.
        kind: CSV or TSV.

    Returns:
        The header, and the rows, each as long as the header.

    Raises:
        InputError: At once or while reading: no header, a row of another length, a quote left open.
    """
    # The limit is one for the process, so it is only ever raised; a review can be over the default, 128 KiB.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    # strict, for without it a file cut off inside quotes and text behind a closing quote pass unnoticed.
    reader = csv.reader(_physical_lines(lines), dialect_of(kind), strict=True)
    rows = _checked(name, reader)
    header = next(rows, None)
    if not header:
        raise InputError(f"{name}: no header: the first line must name the columns")
    return header, _even(name, reader, rows, len(header))


def delimited_windows(stream: Stream, rows: Iterator[list[str]], schema: pa.Schema, text: int) -> Iterator[Window]:
    """Yields the windows of a CSV or TSV file; column `text` is scored."""
    for window in gather(rows, _length):
        columns = [pa.array(values, pa.string()) for values in zip(*window, strict=True)]
        batch = pa.record_batch(columns, schema=schema)
        yield Window(batch, batch.column(text), position=stream.position())


def _checked(name: str, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = getattr(reader, "line_num", 0)
            raise InputError(f"{name}: line {line}: {error}: check the quotes before it") from error
        yield row


def _even(name: str, reader: object, rows: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    for row in rows:
        if not row:
            # A blank line is an empty value where there is one column, and stray where there are more.
            if width == 1:
                yield [""]
            continue
        if len(row) != width:
            line = getattr(reader, "line_num", 0)
            raise InputError(
                f"{name}: the row that ends on line {line} has {len(row)} fields, the header {width}: "
                "quote fields that hold a separator or a line break"
            )
        yield row


def _physical_lines(lines: Iterator[str]) -> Iterator[str]:
    # The csv module wants a lone carriage return to end a line too.
    return chain.from_iterable(io.StringIO(line, newline="") if "\r" in line[:-2] else (line,) for line in lines)


def _length(row: list[str]) -> int:
    return sum(map(len, row))
