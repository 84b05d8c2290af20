"""Inputs: any supported file or stdin, as windows of rows with the texts to be scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain

import pyarrow as pa

from sentscore.columns import check_names_free, check_utf_8, choose_column, describe_columns, find_columns
from sentscore.errors import Argument
from sentscore.formats import Compression, Format, Kind, detect_kind
from sentscore.sources.source import Source, Window, keep_columns
from sentscore.sources.streams import Stream, memory_errors, open_stream, peek, read_lines


@contextmanager
def open_source(
    path: str,
    *,
    format: Format | None,
    column: str | None = None,
    added: Sequence[str] = (),
    keep_json: bool = False,
    keep: Sequence[str] | None = None,
) -> Iterator[Source]:
    """Opens an input and finds its column of texts.

    Args:
        path: The path, or `-` for stdin.
        format: The input's format; None to detect it by the first bytes.
        column: The name of the column of texts; None to choose it.
        added: The names of the columns that the output gets besides the input's.
        keep_json: Whether to keep JSON lines as they stand in the file; otherwise they are read into a table.
        keep: The columns that the rows have, in order; None for all. JSON lines become a table then.

    Raises:
        InputError: The input cannot be read, or has no such column.
        UsageError: A column has one of the added names, or the name asked for is not UTF-8.
    """
    if column is not None:
        check_utf_8(Argument("column"), column)
    with open_stream(path) as opened, ExitStack() as stack:
        stream = opened
        with memory_errors(stream.name):
            if format is None:
                head, stream = peek(opened)
                format = Format(detect_kind(head))
            if format.kind is Kind.PARQUET:
                source = stack.enter_context(_open_parquet(stream, format.compression, column, added, keep))
            elif format.kind is Kind.JSONL:
                raw = keep_json and keep is None
                source = _open_jsonl(stream, format.compression, column, added, keep, keep_json=raw)
            elif format.kind is Kind.TXT:
                source = _open_lines(stream, format.compression, column, added, keep)
            else:
                source = _open_delimited(stream, format, column, added, keep)
            if keep is not None:
                source = keep_columns(source, keep)
        yield replace(source, windows=_read_windows(source))


def _read_windows(source: Source) -> Iterator[Window]:
    with memory_errors(source.name):
        yield from source.windows


@contextmanager
def _open_parquet(
    stream: Stream,
    compression: Compression | None,
    column: str | None,
    added: Sequence[str],
    keep: Sequence[str] | None,
) -> Iterator[Source]:
    from sentscore.sources.parquet import open_parquet, parquet_windows, read_codec

    with open_parquet(stream, compression) as file:
        schema = file.schema_arrow
        text = _find_text(stream.name, schema, column, added, keep)
        names = None
        if keep is not None:  # what is left out is not read
            names = list(dict.fromkeys([*keep, schema.field(text).name]))
            indices = find_columns(stream.name, schema, names)
            schema = pa.schema([schema.field(index) for index in indices], metadata=schema.metadata)
            text = indices.index(text)
        yield Source(
            name=stream.name,
            kind=Kind.PARQUET,
            schema=schema,
            text=text,
            windows=parquet_windows(stream.name, file, text, names),
            rows=file.metadata.num_rows,
            codec=read_codec(stream.name, file),
        )


def _open_jsonl(
    stream: Stream,
    compression: Compression | None,
    column: str | None,
    added: Sequence[str],
    keep: Sequence[str] | None,
    *,
    keep_json: bool,
) -> Source:
    from sentscore.sources import json_table, jsonl

    windows = jsonl.numbered_windows(read_lines(stream, compression))
    first = next(windows, [])
    windows = chain([first] if first else [], windows)
    key = ""
    if keep_json:
        schema, text = jsonl.RAW_SCHEMA, 0
        key = jsonl.choose_key(stream.name, first, column, added)
        rows = jsonl.raw_windows(stream, windows, key, added)
    else:
        # To find the column of texts, all have to be looked at.
        keys = None if keep is None or column is None else {*keep, column}
        table = json_table.infer_table(stream.name, first, column, keys)
        schema = table.schema
        text = choose_column(stream.name, table.columns, column)
        check_names_free(stream.name, schema.names if keep is None else keep, added)
        rows = json_table.table_windows(stream, windows, table, text)
    return Source(stream.name, Kind.JSONL, schema, text, rows, size=stream.size, raw_json=keep_json, key=key)


def _open_lines(
    stream: Stream,
    compression: Compression | None,
    column: str | None,
    added: Sequence[str],
    keep: Sequence[str] | None,
) -> Source:
    from sentscore.sources.lines import SCHEMA, line_windows

    text = _find_text(stream.name, SCHEMA, column, added, keep)
    windows = line_windows(stream, read_lines(stream, compression))
    return Source(stream.name, Kind.TXT, SCHEMA, text, windows, size=stream.size)


def _open_delimited(
    stream: Stream, format: Format, column: str | None, added: Sequence[str], keep: Sequence[str] | None
) -> Source:
    from sentscore.sources.delimited import delimited_rows, delimited_windows

    lines = read_lines(stream, format.compression, carriage_returns=True)
    header, rows = delimited_rows(stream.name, lines, format.kind)
    schema = pa.schema([pa.field(name, pa.string()) for name in header])
    text = _find_text(stream.name, schema, column, added, keep)
    windows = delimited_windows(stream, rows, schema, text)
    return Source(stream.name, format.kind, schema, text, windows, size=stream.size)


def _find_text(
    name: str, schema: pa.Schema, column: str | None, added: Sequence[str], keep: Sequence[str] | None
) -> int:
    index = choose_column(name, describe_columns(schema), column)
    check_names_free(name, schema.names if keep is None else keep, added)
    return index
