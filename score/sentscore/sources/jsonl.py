"""JSON lines: read as objects, and the lines as they stand in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from sentscore.columns import Column, check_names_free, choose_column
from sentscore.errors import Argument, InputError, first_line
from sentscore.sources.source import Window, gather
from sentscore.sources.streams import Stream

RAW_SCHEMA: Final = pa.schema([pa.field("line", pa.large_string())])
"""The schema of raw JSON lines: one column, each line as it stands in the file, without its end."""

_JSON_SPACE: Final = " \t\r\n"

Lines = list[tuple[int, str]]  # each line's number, from 1, and the line


def numbered_windows(lines: Iterator[str]) -> Iterator[Lines]:
    r"""Collects lines without their `\n` into windows, and leaves out blank ones, which hold no row."""
    numbered = ((number, line.removesuffix("\n")) for number, line in enumerate(lines, 1))
    return gather((entry for entry in numbered if entry[1].strip(_JSON_SPACE)), lambda entry: len(entry[1]))


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
        for key, value in parse_object(name, number, line).items():
            types.setdefault(key, set()).add(type(value))
    check_names_free(name, types, added)
    columns = []
    for key, found in types.items():
        values = found - {type(None)}
        kind = " and ".join(sorted({JSON_NAMES[value] for value in values}))
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
            row = parse_object(stream.name, number, line)
            check_names_free(f"{stream.name}: line {number}", row, added)
            texts.append(_get_text(stream.name, number, key, row.get(key)))
        batch = pa.record_batch([pa.array([line for _, line in window], pa.large_string())], schema=RAW_SCHEMA)
        yield Window(batch, pa.array(texts, pa.large_string()), position=stream.position())


def parse_object(name: str, number: int, line: str) -> dict[str, Any]:
    """Returns the JSON object on a line; of a key that it has twice, the last value.

    Raises:
        InputError: The line is not a JSON object.
    """
    return _parse(name, number, line, _DECODER)


def parse_exact_object(name: str, number: int, line: str) -> dict[str, Any]:
    """Returns the JSON object on a line, whose real numbers are `Real`s and whose keys are valid Unicode.

    Raises:
        InputError: The line is not a JSON object, or has a key twice.
    """
    return _parse(name, number, line, _EXACT_DECODER)


def mend_surrogates(text: str) -> str:
    """Returns a text with U+FFFD for each half of a surrogate pair, which JSON can hold and which is no text."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class Real(float):
    """A real number as a double.

    Attributes:
        text: How it is written.
    """

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Real:
        """Reads a number, `NaN`, `Infinity` or `-Infinity`, the last three of which Python writes into JSON."""
        real = super().__new__(cls, text)
        real.text = text
        return real


JSON_NAMES: Final[dict[type, str]] = {
    dict: "an object",
    list: "an array",
    int: "a number",
    float: "a number",
    Real: "a number",
    bool: "a boolean",
    str: "a string",
}
"""What messages call the values that the JSON parser makes."""

_MAX_DIGITS: Final = 4_300  # Python's own limit, for reading an integer takes time by the square of its digits


class _ContentError(ValueError):
    """A line is JSON that cannot be taken; the message goes on from the line's number."""


def _read_integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _ContentError(f"holds an integer of {len(text):,} digits, which is too long: write it as a string")
    return int(text)


def _read_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = {mend_surrogates(key): value for key, value in pairs}
    if len(row) < len(pairs):
        keys = [mend_surrogates(key) for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _ContentError(f"has the key '{twice}' twice: write .jsonl, where lines stay as they are")
    return row


_DECODER: Final = json.JSONDecoder(parse_int=_read_integer)
_EXACT_DECODER: Final = json.JSONDecoder(
    parse_int=_read_integer, parse_float=Real, parse_constant=Real, object_pairs_hook=_read_pairs
)


def _parse(name: str, number: int, line: str, decoder: json.JSONDecoder) -> dict[str, Any]:
    try:
        row = decoder.decode(line)
    except _ContentError as error:
        raise InputError(f"{name}: line {number} {error}") from error
    except RecursionError as error:
        raise InputError(f"{name}: line {number} is nested too deeply to be read: flatten it") from error
    except ValueError as error:
        raise InputError(f"{name}: line {number} is not JSON ({first_line(error)}): correct it") from error
    if not isinstance(row, dict):
        raise InputError(f"{name}: line {number} is not a JSON object: each line must be one, {{…}}")
    return row


def _get_text(name: str, number: int, key: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        kind = JSON_NAMES[type(value)]
        raise InputError(f"{name}: line {number}: '{key}' holds {kind}, not text: name another ", Argument("column"))
    return mend_surrogates(value)  # only what is scored is mended
