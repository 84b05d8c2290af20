"""Arrow columns as text: the cells of CSV and the values of JSON."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from sentscore.errors import InputError, first_line


def to_json(value: object) -> str:
    """Returns one of the values that `to_json_values` returns as JSON on one line, without escaped characters."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def to_cells(name: str, column: pa.Array) -> list[str | None]:
    """Returns a column as CSV cells [n]. Nulls stay None, nested values become JSON.

    A float becomes the shortest text that reads back to the same value of its own width.

    Raises:
        InputError: A value cannot be written as text.
    """
    column = _decode(column)
    if pa.types.is_nested(column.type) or _is_binary(column.type):
        values = to_json_values(name, column)
        return [value if value is None or isinstance(value, str) else to_json(value) for value in values]
    return _cast_to_text(name, column)


def to_json_values(name: str, column: pa.Array) -> list[Any]:
    """Returns a column as values [n] that JSON has.

    Numbers, booleans, strings, lists and structs stay what they are. A map becomes a list of pairs, times and decimals
    become strings, bytes become base64. NaN and the infinities become null.

    Raises:
        InputError: A value cannot be written as text.
    """
    column = _decode(column)
    kind = column.type
    try:
        if pa.types.is_floating(kind):
            # By way of the shortest text: 0.9731 as a float32 is 0.9731000065803528 as a float64.
            return [_to_json_value(None if text is None else float(text)) for text in _cast_to_text(name, column)]
        if pa.types.is_list(kind) and pa.types.is_floating(kind.value_type):
            return _to_json_lists(name, column)
        if pa.types.is_nested(kind) or _is_binary(kind):
            return [_to_json_value(value) for value in column.to_pylist()]
        if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            return list(column.to_pylist())
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        # Python's dates and durations reach less far than Arrow's.
        raise _not_writable(name, kind, error) from error
    return list(_cast_to_text(name, column))


def _to_json_lists(name: str, column: pa.Array) -> list[Any]:
    """Returns a column of lists of floats as values [n], with each float as a column of floats would have it."""
    values = iter(to_json_values(name, column.flatten()))
    lengths = [None if size is None else int(size) for size in column.value_lengths().to_pylist()]
    return [None if length is None else list(islice(values, length)) for length in lengths]


def _to_json_value(value: Any) -> Any:  # noqa: ANN401 - any value that Arrow makes, any that JSON takes
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    for kind, convert in _CONVERSIONS.items():
        if isinstance(value, kind):
            return convert(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_CONVERSIONS: Final[dict[type | tuple[type, ...], Callable[[Any], Any]]] = {
    dict: lambda value: {key: _to_json_value(item) for key, item in value.items()},
    (list, tuple): lambda value: [_to_json_value(item) for item in value],
    (datetime.date, datetime.time): lambda value: value.isoformat(),
    (decimal.Decimal, datetime.timedelta): str,
    bytes: lambda value: base64.b64encode(value).decode("ascii"),
}


def _decode(column: pa.Array) -> pa.Array:
    """Returns the values of a column that is of an extension type or holds a dictionary."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _cast_to_text(name: str, column: pa.Array) -> list[str | None]:
    try:
        texts: list[str | None] = column.cast(pa.large_string()).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _not_writable(name, column.type, error) from error
    return texts


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _not_writable(name: str, kind: pa.DataType, error: Exception) -> InputError:
    return InputError(
        f"column '{name}' of type {kind} cannot be written as text ({first_line(error)}): write to a .parquet output"
    )
