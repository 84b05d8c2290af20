"""Says what is wrong with texts that a Python caller gave: a table, numbers, NaN in place of None."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

from sentscore.errors import InputError, shorten

_MOST_LISTED: Final = 20  # columns that a one-line message has room for


def check_is_no_table(texts: object) -> None:
    """Checks that texts are not a whole table or a mapping, of which Python would give the names of the columns.

    Raises:
        InputError: They are a data frame of pandas or Polars, an Arrow table or record batch, or a dict.
    """
    names: Any = getattr(texts, "column_names", None)  # of Arrow, whose `columns` are arrays
    if names is None:
        names = texts if isinstance(texts, dict) else getattr(texts, "columns", None)
    if names is None and getattr(texts, "schema", None) is not None:
        names = getattr(texts.schema, "names", None)  # type: ignore[attr-defined]
    if names is None:
        return
    kind = type(texts).__name__
    listed = _list_columns(names)
    raise InputError(f"texts are a {kind}, not a sequence of texts: give one of its columns{listed}")


def _list_columns(names: Iterable[object] | Callable[..., object]) -> str:
    if callable(names):  # a data set that would have to be read
        return ""
    columns = [str(name) for name in names]
    more = f" and {len(columns) - _MOST_LISTED} more" if len(columns) > _MOST_LISTED else ""
    return f": {', '.join(map(repr, columns[:_MOST_LISTED]))}{more}" if columns else ""


def explain_no_texts(texts: object, reason: str) -> InputError:
    """Returns the error for texts that Arrow could not read, which names the first value that is no text.

    Args:
        texts: What was given.
        reason: What Arrow said.
    """
    if not isinstance(texts, Iterable):
        return InputError(f"texts are {shorten(texts)}: give a sequence of strings, with None where there is no text")
    for place, value in enumerate(texts):
        if value is None or isinstance(value, bytes):
            continue
        if not isinstance(value, str):
            remedy = "None" if _is_missing(value) else "a string, or None where there is no text,"
            return InputError(f"texts[{place}] is {shorten(value)}, a {type(value).__name__}: give {remedy} instead")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            return InputError(f"texts[{place}] is not UTF-8 ({error.reason}): give {shorten(value)} without it")
    return InputError(f"texts hold a value that is not a text ({reason}): give a sequence of strings")


def _is_missing(value: object) -> bool:
    """Returns whether a value is what NumPy or pandas put where a table holds nothing: NaN, NaT or NA."""
    return type(value).__name__ in {"NAType", "NaTType"} or (isinstance(value, float) and math.isnan(value))
