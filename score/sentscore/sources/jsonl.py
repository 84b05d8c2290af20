"""JSONL files: the lines as they are, or read into a table whose schema is that of the first window."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.json

from sentscore.columns import Column, check_names_free, choose_column
from sentscore.errors import InputError, first_line
from sentscore.sources.source import Window, gather
from sentscore.sources.streams import Stream

RAW_SCHEMA: Final = pa.schema([pa.field("line", pa.large_string())])
"""The schema of raw JSON lines: one column, each line as it stands in the file, without its end."""

Lines = list[tuple[int, str]]  # each line's number, from 1, and the line


def numbered_windows(lines: Iterator[str]) -> Iterator[Lines]:
    r"""Collects lines without their `\n` into windows, and leaves out blank ones, which hold no row."""
    numbered = ((number, line.removesuffix("\n")) for number, line in enumerate(lines, 1))
    return gather((entry for entry in numbered if entry[1].strip()), lambda entry: len(entry[1]))


def choose_key(name: str, first: Lines, wanted: str | None, added: Sequence[str]) -> str:
    """Returns the key of the texts, which the lines of the first window decide.

    Args:
        name: The input's name, for messages.
        first: The first window; empty where the file has no rows, and then any key will do.
        wanted: The key asked for; None to choose it.
        added: The keys that every line gets in the output.

    Raises:
        InputError: A line is not a JSON object, or there is no such key.
        UsageError: A line has an added key already.
    """
    if not first:
        return wanted or "text"
    types: dict[str, set[type]] = {}
    for number, line in first:
        for key, value in _parse_object(name, number, line).items():
            types.setdefault(key, set()).add(type(value))
    check_names_free(name, types, added)
    columns = []
    for key, found in types.items():
        values = found - {type(None)}
        kind = " and ".join(sorted({_JSON_NAMES[value] for value in values}))
        columns.append(Column(key, kind, is_text=values == {str}, is_null=not values))
    return columns[choose_column(name, columns, wanted)].name


def raw_windows(stream: Stream, windows: Iterator[Lines], key: str, added: Sequence[str]) -> Iterator[Window]:
    """Yields windows of raw lines, so that an output of the same format keeps every line as it is.

    Raises:
        InputError: A line is not a JSON object, or its text is neither a string nor null.
        UsageError: A line has an added key already.
    """
    for window in windows:
        texts = []
        for number, line in window:
            row = _parse_object(stream.name, number, line)
            check_names_free(f"{stream.name}: line {number}", row, added)
            texts.append(_get_text(stream.name, number, key, row.get(key)))
        batch = pa.record_batch([pa.array([line for _, line in window], pa.large_string())], schema=RAW_SCHEMA)
        yield Window(batch, pa.array(texts, pa.large_string()), position=stream.position())


def table_schema(name: str, first: Lines, wanted: str | None) -> pa.Schema:
    """Returns the schema of the first window, which later lines have to fit.

    Strings that look like a time stay strings, and a key that has only nulls becomes a column of strings. A
    file without rows has one column, with the name asked for.

    Raises:
        InputError: The lines do not make a table.
    """
    if not first:
        return pa.schema([pa.field(wanted or "text", pa.string())])
    table = _read_table(name, first, None)
    return pa.schema([field.with_type(_generalize_type(field.type)) for field in table.schema])


def table_windows(stream: Stream, windows: Iterator[Lines], schema: pa.Schema, text: int) -> Iterator[Window]:
    """Yields windows of a table read from JSON lines; `text` is the index of its column of texts.

    Raises:
        InputError: Lines are not JSON objects or do not fit the schema.
    """
    for window in windows:
        table = _read_table(stream.name, window, schema).combine_chunks()
        batch = pa.record_batch([column.chunk(0) for column in table.columns], schema=schema)
        yield Window(batch, batch.column(text).cast(pa.large_string()), position=stream.position())


_JSON_NAMES: Final[dict[type, str]] = {
    dict: "an object",
    list: "an array",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    str: "a string",
}


def _parse_object(name: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: line {number} is not JSON ({first_line(error)}): correct it") from error
    if not isinstance(row, dict):
        raise InputError(f"{name}: line {number} is not a JSON object: each line must be one, {{…}}")
    return row


def _get_text(name: str, number: int, key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        kind = _JSON_NAMES[type(value)]
        raise InputError(f"{name}: line {number}: '{key}' holds {kind}, not text: name another --column")
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can hold half a surrogate pair, which is no text. Only what is scored is mended.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _read_table(name: str, window: Lines, schema: pa.Schema | None) -> pa.Table:
    data = "\n".join(line for _, line in window).encode()
    try:
        table = pyarrow.json.read_json(
            io.BytesIO(data),
            # One block, for two blocks could have two schemas.
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="infer" if schema is None else "error"
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise _not_a_table(name, window, first_line(error)) from error
    if table.num_rows != len(window):
        raise _not_a_table(name, window, f"{table.num_rows} objects on {len(window)} lines")
    return table


def _not_a_table(name: str, window: Lines, reason: str) -> InputError:
    return InputError(
        f"{name}: lines {window[0][0]} to {window[-1][0]} do not make a table with the first lines' columns "
        f"({reason}): write .jsonl, where lines may differ"
    )


def _generalize_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) or pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_generalize_type(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_generalize_type(kind.value_type)))
    return kind
