"""Inputs: any supported file or stdin, as windows of rows with the texts to be scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import pyarrow as pa

from sentscore.columns import check_names_free, choose_column, describe_columns
from sentscore.formats import Compression, Format, Kind, detect_kind
from sentscore.sources.source import Source
from sentscore.sources.streams import Stream, open_stream, peeked, text_lines


@contextmanager
def open_source(
    path: str,
    *,
    format: Format | None,
    column: str | None = None,
    added: Sequence[str] = (),
    keep_json: bool = False,
) -> Iterator[Source]:
    """Opens an input and finds its column of texts.

    Args:
        path: a path, or `-` for stdin.
        format: its format; None to tell it from the first bytes.
        column: the column of texts; None to find it by itself.
        added: the names of the columns that the output is going to have besides.
        keep_json: whether JSON lines are to come as they stand in the file, not as a table.

    Raises:
        InputError: It cannot be read, or has no such column.
        UsageError: A column has one of the added names.
    """
    with open_stream(path) as opened:
        stream, known = (opened, format) if format else _told(opened)
        if known.kind is Kind.PARQUET:
            with _parquet_source(stream, known.compression, column, added) as source:
                yield source
        elif known.kind is Kind.JSONL:
            yield _jsonl_source(stream, known.compression, column, added, keep_json=keep_json)
        else:
            yield _lines_source(stream, known, column, added)


def _told(stream: Stream) -> tuple[Stream, Format]:
    head, rest = peeked(stream)
    return rest, Format(detect_kind(head))


@contextmanager
def _parquet_source(
    stream: Stream, compression: Compression | None, column: str | None, added: Sequence[str]
) -> Iterator[Source]:
    from sentscore.sources.parquet import codec_of, open_parquet, parquet_windows

    with open_parquet(stream, compression) as file:
        schema = file.schema_arrow
        text = _text_column(stream.name, schema, column, added)
        yield Source(
            name=stream.name,
            kind=Kind.PARQUET,
            schema=schema,
            text=text,
            windows=parquet_windows(stream.name, file, text),
            rows=file.metadata.num_rows,
            codec=codec_of(file),
        )


def _jsonl_source(
    stream: Stream,
    compression: Compression | None,
    column: str | None,
    added: Sequence[str],
    *,
    keep_json: bool,
) -> Source:
    from sentscore.sources import jsonl

    windows = jsonl.numbered_windows(text_lines(stream, compression))
    first = next(windows, [])
    windows = chain([first] if first else [], windows)
    if keep_json:
        schema, text = jsonl.RAW_SCHEMA, 0
        key = jsonl.choose_key(stream.name, first, column, added)
        rows = jsonl.raw_windows(stream, windows, key, added)
    else:
        schema = jsonl.table_schema(stream.name, first, column)
        text = _text_column(stream.name, schema, column, added)
        rows = jsonl.table_windows(stream, windows, schema, text)
    return Source(stream.name, Kind.JSONL, schema, text, rows, size=stream.size, raw_json=keep_json)


def _lines_source(stream: Stream, format: Format, column: str | None, added: Sequence[str]) -> Source:
    lines = text_lines(stream, format.compression)
    if format.kind is Kind.TXT:
        from sentscore.sources.lines import SCHEMA, line_windows

        text = _text_column(stream.name, SCHEMA, column, added)
        windows = line_windows(stream, lines)
        return Source(stream.name, format.kind, SCHEMA, text, windows, size=stream.size)
    from sentscore.sources.delimited import delimited_rows, delimited_windows

    header, rows = delimited_rows(stream.name, lines, format.kind)
    schema = pa.schema([pa.field(name, pa.string()) for name in header])
    text = _text_column(stream.name, schema, column, added)
    windows = delimited_windows(stream, rows, schema, text)
    return Source(stream.name, format.kind, schema, text, windows, size=stream.size)


def _text_column(name: str, schema: pa.Schema, column: str | None, added: Sequence[str]) -> int:
    index = choose_column(name, describe_columns(schema), column)
    check_names_free(name, schema.names, added)
    return index
