"""Arrow columns as text: the cells of CSV and the values of JSON."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
import math
from collections.abc import Callable
from typing import Any, Final

import pyarrow as pa

from sentscore.errors import InputError


def json_text(value: object) -> str:
    """Returns a value as JSON on one line, characters as they are.

    Args:
        value: what `plain` returns.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def cells(name: str, column: pa.Array) -> list[str | None]:
    """Returns a column as CSV cells [n]; nulls stay None, nested values become JSON.

    Floats are as short as they can be and still read back to the same value of their own width.

    Raises:
        InputError: A value cannot be written as text.
    """
    column = _flat(column)
    kind = column.type
    if pa.types.is_nested(kind) or _is_binary(kind):
        values = json_values(name, column)
        return [v if v is None or isinstance(v, str) else json_text(v) for v in values]
    return _texts(name, column)


def json_values(name: str, column: pa.Array) -> list[Any]:
    """Returns a column as values that `json_text` takes [n].

    Numbers, booleans, strings, lists and structs are JSON's own; a map is a list of pairs; times and
    decimals are strings; bytes are base64. NaN and the infinities, which JSON lacks, are null.

    Raises:
        InputError: A value cannot be written as text.
    """
    column = _flat(column)
    kind = column.type
    try:
        if pa.types.is_floating(kind):
            # By way of the shortest text: 0.9731 as a float32 is 0.9731000065803528 as a float64.
            return [plain(None if v is None else float(v)) for v in _texts(name, column)]
        if pa.types.is_nested(kind) or _is_binary(kind):
            return [plain(value) for value in column.to_pylist()]
        if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            return list(column.to_pylist())
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise _unwritable(name, kind, error) from error
    return list(_texts(name, column))


def plain(value: Any) -> Any:  # noqa: ANN401 - any value that Arrow makes, any that JSON takes
    """Returns an Arrow value as one of those that JSON has.

    Raises:
        TypeError: There is no such value.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    for kind, convert in _CONVERSIONS.items():
        if isinstance(value, kind):
            return convert(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_CONVERSIONS: Final[dict[type | tuple[type, ...], Callable[[Any], Any]]] = {
    dict: lambda value: {key: plain(each) for key, each in value.items()},
    (list, tuple): lambda value: [plain(each) for each in value],
    (datetime.date, datetime.time): lambda value: value.isoformat(),
    (decimal.Decimal, datetime.timedelta): str,
    bytes: lambda value: base64.b64encode(value).decode("ascii"),
}


def _flat(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _texts(name: str, column: pa.Array) -> list[str | None]:
    try:
        texts: list[str | None] = column.cast(pa.large_string()).to_pylist()
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise _unwritable(name, column.type, error) from error
    return texts


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def _unwritable(name: str, kind: pa.DataType, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(
        f"column '{name}' of type {kind} cannot be written as text ({reason}): write to a .parquet output"
    )
