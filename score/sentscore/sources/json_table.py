"""JSON lines as a table: the schema that the first lines make, and every value in it exactly as it was written.

A column's type follows from all of its values in the first window:

    true, false              boolean
    1, -2                    int64, or uint64 where one is too large for it
    1, 2.5                   double
    "a"                      string, whatever it looks like
    [1]                      list
    {"a": 1}                 struct, with every key that one of the objects has
    {}                       string that holds JSON, where no object has a key: Parquet has no struct without fields
    12345678901234567890123  string with the digits, where neither integers nor doubles hold all of the numbers
    null                     string

Later lines have to fit these types. A real number becomes the nearest double, as JSON's readers have it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa

from sentscore.columns import Column
from sentscore.errors import InputError
from sentscore.sources.jsonl import JSON_NAMES, Lines, Real, mend_surrogates, parse_exact_object
from sentscore.sources.source import Window
from sentscore.sources.streams import Stream

MAX_LEVELS: Final = 40
"""The most levels of arrays and objects in a column: readers of Parquet refuse schemas of many more."""

_INT64: Final = (-(1 << 63), (1 << 63) - 1)
_UINT64: Final = (0, (1 << 64) - 1)

Convert = Callable[[Any], Any]
"""Turns a value that the JSON parser made, but for null, into one that Arrow takes, or raises `_UnfitError`."""


@dataclass(frozen=True)
class JsonTable:
    """The columns that JSON lines are read into.

    Attributes:
        schema: Their schema.
        columns: What is known of them when the column of texts is chosen: not every string is a text.
        converts: How a value gets into each of the columns.
        is_part: Whether lines may have other keys, which are left out.
    """

    schema: pa.Schema
    columns: tuple[Column, ...]
    converts: tuple[Convert, ...]
    is_part: bool = False


def infer_table(name: str, first: Lines, wanted: str | None, keys: Container[str] | None = None) -> JsonTable:
    """Returns the table that the lines of the first window make.

    A file without rows has one column of strings, with the name asked for.

    Args:
        name: The input's name, for messages.
        first: The lines.
        wanted: The name of the column of texts; None to find it.
        keys: The keys that become columns, so that others may hold what they like; None for all.

    Raises:
        InputError: The lines do not make a table.
    """
    if not first:
        return _make_table({wanted or "text": _Found(JSON_NAMES[str])})
    found: dict[str, _Found] = {}
    for number, line in first:
        for key, value in parse_exact_object(name, number, line).items():
            if keys is not None and key not in keys:
                continue
            try:
                found.setdefault(key, _Found()).add(value, 1)
            except _UnfitError as error:
                raise _unfit(name, number, key, error) from error
    return replace(_make_table(found), is_part=keys is not None)


def describe_keys(name: str, first: Lines) -> pa.Schema:
    """Returns the keys of the first window as the columns of a table, each of the type that its first value has.

    Raises:
        InputError: A line is not a JSON object.
    """
    found: dict[str, _Found] = {}
    for number, line in first:
        for key, value in parse_exact_object(name, number, line).items():
            each = found.setdefault(key, _Found())
            with suppress(_UnfitError):  # it matters only where the column is read
                each.add(value, 1)
    return _make_table(found).schema


def table_windows(stream: Stream, windows: Iterator[Lines], table: JsonTable, text: int) -> Iterator[Window]:
    """Yields windows of a table read from JSON lines; `text` is the index of its column of texts.

    Raises:
        InputError: Lines are not JSON objects or do not fit the table.
    """
    keys = set(table.schema.names)
    for window in windows:
        rows = []
        for number, line in window:
            row = parse_exact_object(stream.name, number, line)
            if not table.is_part and not row.keys() <= keys:
                key = next(key for key in row if key not in keys)
                raise _unfit(stream.name, number, key, _UnfitError("is not a key of the first lines"))
            rows.append(row)
        arrays = []
        for column, convert in zip(table.schema, table.converts, strict=True):
            values = [row.get(column.name) for row in rows]
            array = _take_plain(values, column.type, convert)
            if array is None:
                values = _convert_column(stream.name, window, values, column.name, convert)
                array = pa.array(values, column.type)
            arrays.append(array)
        batch = pa.record_batch(arrays, schema=table.schema)
        yield Window(batch, batch.column(text).cast(pa.large_string()), position=stream.position())


class _UnfitError(ValueError):
    """A value does not fit its column. The message says how; `path` is where in the value of the column."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path

    def within(self, path: str) -> _UnfitError:
        """Returns the error of the object or array that holds the value."""
        return _UnfitError(str(self), path + self.path)


def _unfit(name: str, number: int, key: str, error: _UnfitError) -> InputError:
    return InputError(f"{name}: line {number}: '{key}{error.path}' {error}: write .jsonl, where lines may differ")


@dataclass
class _Found:
    """What the values of a column, of a key in it or of the items of an array are in the first lines.

    Attributes:
        kind: Their kind by its name in messages; None where all are null.
        whole: Whether all numbers are integers.
        least: The least integer, at most 0.
        most: The greatest integer, at least 0.
        double: Whether doubles hold all numbers.
        keys: What is found in objects.
        items: What is found in arrays.
    """

    kind: str | None = None
    whole: bool = True
    least: int = 0
    most: int = 0
    double: bool = True
    keys: dict[str, _Found] = field(default_factory=dict)
    items: _Found | None = None

    def add(self, value: Any, level: int) -> None:  # noqa: ANN401 - any value of JSON
        """Takes a value that is so many levels deep, from 1."""
        if value is None:
            return
        kind = JSON_NAMES[type(value)]
        if self.kind not in {None, kind}:
            raise _UnfitError(f"holds {kind}, and {self.kind} on a line before")
        self.kind = kind
        if isinstance(value, int):
            self.least, self.most = min(self.least, value), max(self.most, value)
            self.double = self.double and _is_double(value)
        elif isinstance(value, float):
            self.whole = False
            self.double = self.double and not _is_lost(value)
        elif isinstance(value, (list, dict)):
            if level == MAX_LEVELS:
                raise _UnfitError(f"is nested deeper than {MAX_LEVELS} levels")
            if isinstance(value, list):
                self._add_items(value, level + 1)
            else:
                self._add_keys(value, level + 1)

    def _add_items(self, values: list[Any], level: int) -> None:
        self.items = self.items or _Found()
        for value in values:
            try:
                self.items.add(value, level)
            except _UnfitError as error:
                raise error.within("[]") from error

    def _add_keys(self, values: dict[str, Any], level: int) -> None:
        for key, value in values.items():
            try:
                self.keys.setdefault(key, _Found()).add(value, level)
            except _UnfitError as error:
                raise error.within(f".{key}") from error

    def column(self) -> tuple[pa.DataType, Convert]:
        """Returns the type of the column that these values make, and how a value gets into it."""
        if self.kind == JSON_NAMES[bool]:
            return pa.bool_(), _converter(bool)
        if self.kind == JSON_NAMES[int]:
            return self._number_column()
        if self.kind == JSON_NAMES[list] and self.items is not None:
            kind, convert = self.items.column()
            return pa.list_(kind), _list_converter(convert)
        if self.kind == JSON_NAMES[dict] and self.keys:
            columns = {key: each.column() for key, each in self.keys.items()}
            struct = pa.struct([pa.field(key, kind) for key, (kind, _) in columns.items()])
            return struct, _struct_converter({key: convert for key, (_, convert) in columns.items()})
        return pa.string(), _convert_object if self.kind == JSON_NAMES[dict] else _convert_string

    def _number_column(self) -> tuple[pa.DataType, Convert]:
        for kind, bounds in ((pa.int64(), _INT64), (pa.uint64(), _UINT64)):
            if self.whole and bounds[0] <= self.least and self.most <= bounds[1]:
                return kind, _integer_converter(str(kind), *bounds)
        if not self.whole and self.double:
            return pa.float64(), _convert_double
        return pa.string(), _convert_number_text


def _make_table(found: dict[str, _Found]) -> JsonTable:
    made = {key: each.column() for key, each in found.items()}
    columns = [
        Column(key, each.kind or "null", is_text=each.kind == JSON_NAMES[str], is_null=each.kind is None)
        for key, each in found.items()
    ]
    schema = pa.schema([pa.field(key, kind) for key, (kind, _) in made.items()])
    return JsonTable(schema, tuple(columns), tuple(convert for _, convert in made.values()))


def _take_plain(values: list[Any], kind: pa.DataType, convert: Convert) -> pa.Array | None:
    """Returns a column that Arrow takes as the JSON parser made it; None where a value has to be looked at first."""
    plain: type | None = str if convert is _convert_string else None
    if pa.types.is_boolean(kind):
        plain = bool
    elif pa.types.is_integer(kind):
        plain = int
    if not set(map(type, values)) <= {plain, type(None)}:
        return None
    with suppress(pa.ArrowInvalid, OverflowError, UnicodeEncodeError):  # too large, or half of a surrogate pair
        return pa.array(values, kind)
    return None


def _convert_column(name: str, window: Lines, values: list[Any], key: str, convert: Convert) -> list[Any]:
    converted = []
    for (number, _), value in zip(window, values, strict=True):
        try:
            converted.append(None if value is None else convert(value))
        except _UnfitError as error:
            raise _unfit(name, number, key, error) from error
    return converted


def _check_kind(value: object, *kinds: type) -> None:
    if type(value) not in kinds:
        raise _UnfitError(f"holds {JSON_NAMES[type(value)]}, and {JSON_NAMES[kinds[0]]} in the first lines")


def _converter(kind: type) -> Convert:
    def convert(value: object) -> object:
        _check_kind(value, kind)
        return value

    return convert


def _convert_string(value: object) -> str:
    _check_kind(value, str)
    return mend_surrogates(str(value))


def _integer_converter(label: str, least: int, most: int) -> Convert:
    def convert(value: Any) -> int:  # noqa: ANN401 - any value of JSON
        _check_kind(value, int, Real)
        if not isinstance(value, int) or not least <= value <= most:
            raise _UnfitError(f"holds {_shorten(value)}, and only integers that fit {label} in the first lines")
        return value

    return convert


def _convert_double(value: Any) -> float:  # noqa: ANN401 - any value of JSON
    _check_kind(value, int, Real)
    if not _is_double(value) if isinstance(value, int) else _is_lost(value):
        raise _UnfitError(f"holds {_shorten(value)}, and only numbers that fit a double in the first lines")
    return float(value)


def _convert_number_text(value: object) -> str:
    _check_kind(value, int, Real)
    return _to_digits(value)


def _convert_object(value: object) -> str:
    _check_kind(value, dict)
    try:
        return mend_surrogates(json.dumps(value, ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise _UnfitError("holds numbers that are too large, or is nested too deeply") from error


def _list_converter(convert: Convert) -> Convert:
    def convert_list(values: Any) -> list[Any]:  # noqa: ANN401 - any value of JSON
        _check_kind(values, list)
        try:
            return [None if value is None else convert(value) for value in values]
        except _UnfitError as error:
            raise error.within("[]") from error

    return convert_list


def _struct_converter(converts: dict[str, Convert]) -> Convert:
    def convert_struct(values: Any) -> dict[str, Any]:  # noqa: ANN401 - any value of JSON
        _check_kind(values, dict)
        converted = {}
        for key, value in values.items():
            try:
                if key not in converts:
                    raise _UnfitError("is not a key of the first lines")
                converted[key] = None if value is None else converts[key](value)
            except _UnfitError as error:
                raise error.within(f".{key}") from error
        return converted

    return convert_struct


def _is_double(value: int) -> bool:
    """Returns whether a double holds this integer and the one next to it, so that all of its digits count."""
    return abs(value) <= 1 << 53


def _is_lost(value: float) -> bool:
    """Returns whether a real number is written so large or so small that the double is infinite or zero."""
    if (value and math.isfinite(value)) or not isinstance(value, Real) or value.text[-1] not in "0123456789":
        return False  # `NaN` and `Infinity` are no digits
    return math.isinf(value) or any(digit in "123456789" for digit in value.text.lower().partition("e")[0])


def _to_digits(value: object) -> str:
    return value.text if isinstance(value, Real) else str(value)


def _shorten(value: object) -> str:
    digits = _to_digits(value)
    return digits if len(digits) <= 40 else f"{digits[:40]}…"
