"""Reads scored files in windows of rows: scores as numbers, groups as texts, times as timestamps, each checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sentscore.errors import Argument, InputError, first_line, shorten
from sentscore.pages.report.layout import Layout
from sentscore.progress import Progress, Report, silent
from sentscore.sources import open_source
from sentscore.text.normalize import is_text

TIME: Final = pa.timestamp("s")
"""The type of times: what the clock showed there, without a time zone."""

# A text of a time: what counts, a fraction of a second, and a zone.
_TIME_TEXT: Final = r"^(\d{4}-\d\d-\d\d[T ]\d\d(?::\d\d){0,2})([.,]\d+)?( ?(?:[A-Za-z]{1,5}|[+-]\d\d(?::?\d\d)?))?$"
_FIRST_TIME: Final = -62_135_596_800  # the beginning of the year 1, in seconds since 1970
_LAST_TIME: Final = 253_402_300_799  # the end of the year 9999

Scores = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of a scored file.

    Attributes:
        path: The file.
        first: The first row's number in the file, from 0.
        scores: Of each column of scores the probabilities, float32 [n]; NaN where there is none.
        texts: The texts, `large_string` [n]; None if there are none.
        groups: The groups, `large_string` [n]; None if none are asked for.
        times: The times, `TIME` [n]; None if none are asked for.
        words: Of each column of scores the words that moved them, lists or JSON [n]; None if there are none.
        effects: The same for the words' effects.
    """

    path: str
    first: int
    scores: tuple[Scores, ...]
    texts: pa.Array | None
    groups: pa.Array | None
    times: pa.Array | None
    words: tuple[pa.Array | None, ...]
    effects: tuple[pa.Array | None, ...]

    def __len__(self) -> int:
        return len(self.scores[0])


def read_rows(layout: Layout, on_progress: Report = silent) -> Iterator[Rows]:
    """Yields the rows of a scored file. Of Parquet, other columns are not even read.

    Args:
        layout: What its columns hold.
        on_progress: Is called after each window of rows.

    Raises:
        InputError: The file is damaged, or a value is not what its column should hold.
    """
    scores = layout.scores
    texts = layout.text or scores[0].sentiment  # one column has to be that of the texts
    names = [layout.by, layout.time, layout.text, *(name for each in scores for name in (each.name, each.words))]
    names += [each.effects for each in scores]
    keep = list(dict.fromkeys(name for name in names if name))
    first = 0
    with open_source(layout.path, format=layout.format, column=texts, keep=keep) as source:
        for window in source.windows:
            rows = window.rows

            def take(name: str | None, rows: pa.RecordBatch = rows) -> pa.Array | None:
                return rows.column(rows.schema.get_field_index(name)) if name else None

            yield Rows(
                path=layout.path,
                first=first,
                scores=tuple(_to_scores(layout.path, each.name, take(each.name)) for each in scores),
                texts=window.texts if layout.text else None,
                groups=_to_groups(layout.path, layout.by, take(layout.by)),
                times=_to_times(layout.path, layout.time, take(layout.time)),
                words=tuple(take(each.words) for each in scores),
                effects=tuple(take(each.effects) for each in scores),
            )
            first += rows.num_rows
            on_progress(Progress(layout.path, first, source.rows, window.position, source.size))


def _to_scores(path: str, name: str, column: pa.Array) -> Scores:
    try:
        column = _without_blanks(_decode(column)).cast(pa.float64())
    except pa.ArrowException as error:
        reason = shorten(first_line(error))
        raise InputError(f"{path}: column '{name}' is {column.type}, not scores ({reason}): score it again") from error
    scores: Scores = np.asarray(column.cast(pa.float32()).to_numpy(zero_copy_only=False), np.float32)
    wrong = scores[(scores < 0) | (scores > 1)]
    if len(wrong):
        raise InputError(f"{path}: column '{name}' holds {wrong[0]:g}, which is no probability: score it again")
    return scores


def _to_groups(path: str, name: str | None, column: pa.Array | None) -> pa.Array | None:
    if name is None or column is None:
        return None
    try:
        groups = _without_blanks(_decode(column)).cast(pa.large_string())
        groups.validate(full=True)
    except pa.ArrowException as error:
        remedy = "; name a column of texts, numbers or dates"
        raise InputError(
            f"{path}: column '{name}' is {column.type}, not groups for ", Argument("by"), remedy
        ) from error
    return groups


def _to_times(path: str, name: str | None, column: pa.Array | None) -> pa.Array | None:
    if name is None or column is None:
        return None
    remedy = "; it has to hold dates or times, such as 2026-11-24 or 2026-11-24T21:05:00"
    kind = column.type
    times = _decode(column)
    if not (is_text(kind) or pa.types.is_null(kind) or pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        raise InputError(f"{path}: column '{name}' is {kind}, not times for ", Argument("time"), remedy)
    try:
        if is_text(kind):
            times = pc.replace_substring_regex(_without_blanks(times), _TIME_TEXT, r"\1").cast(TIME)
        elif pa.types.is_timestamp(kind) and kind.tz is not None:
            times = pc.local_timestamp(times)
        times = times.cast(TIME, safe=False)
    except pa.ArrowException as error:
        reason = shorten(first_line(error))
        raise InputError(f"{path}: column '{name}' is no time ({reason}) for ", Argument("time"), remedy) from error
    seconds = times.drop_null().cast(pa.int64())
    outside = seconds.filter(pc.or_(pc.less(seconds, _FIRST_TIME), pc.greater(seconds, _LAST_TIME)))
    if len(outside):
        reason = f"holds a time that is {outside[0].as_py():,} seconds from 1970, outside of the years 1 to 9999,"
        raise InputError(f"{path}: column '{name}' {reason} for ", Argument("time"), remedy)
    return times


def _decode(column: pa.Array) -> pa.Array:
    """Returns a column without a dictionary, and views as strings."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column


def _without_blanks(column: pa.Array) -> pa.Array:
    """Returns a column with nulls for empty strings, which is how CSV has them."""
    if not is_text(column.type):
        return column
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
