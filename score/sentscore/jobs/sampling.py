"""Looks at a small part of many inputs: how many rows there are, and a sample of their texts."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.columns import choose_column, describe_columns, find_columns
from sentscore.errors import InputError, UsageError
from sentscore.formats import KNOWN_FORMATS, Format, Kind, parse_file_name
from sentscore.jobs.inputs import Argument, Input, Inputs
from sentscore.sources import STDIN, open_source, open_stream
from sentscore.sources.streams import READ_AHEAD

_MOST_FOOTERS: Final = 2_000  # Parquet files whose footers are read: a second or two
_MOST_FILES: Final = 50  # files whose texts are read
_MOST_BYTES: Final = 256 << 20  # that are read of all files but Parquet
_LEAST_ROWS: Final = 1_024  # of the sample, whatever its share: fewer are no measure of a machine
_SHARE: Final = 0.1


@dataclass(frozen=True)
class Sample:
    """What a look at some inputs has shown.

    Attributes:
        files: How many inputs there are.
        size: Their bytes.
        rows: Their rows.
        is_counted: Whether `rows` was counted, by the footers of Parquet files; otherwise it is an estimate.
        most_rows: The rows of the largest input, or an estimate.
        texts: The sample, `large_string` [n].
        sampled_files: How many inputs it is from.
        unreadable: Those that were looked at and cannot be read, with what is wrong with each.
    """

    files: int
    size: int
    rows: int
    is_counted: bool
    most_rows: int
    texts: pa.Array
    sampled_files: int
    unreadable: dict[str, InputError] = field(default_factory=dict)


@dataclass
class _Listing:
    """All inputs, of which few are kept.

    Attributes:
        chosen: A random sample of the inputs.
        files: How many there are.
        size: The bytes of those that are Parquet files, by `True`, and of the others, by `False`.
        largest: The largest input of each of these kinds.
    """

    chosen: list[Input] = field(default_factory=list)
    files: int = 0
    size: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    largest: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})


@dataclass
class _Density:
    """How many rows some files hold, and in how many bytes."""

    rows: int = 0
    size: int = 0

    def rows_in(self, size: int) -> int:
        """Returns how many rows so many bytes hold."""
        return round(self.rows * size / self.size) if self.size else 0


def draw_sample(
    arguments: Sequence[Argument], *, format: Format | None, column: str | None, rows: int, seed: int = 1234
) -> Sample:
    """Counts the rows of some inputs and draws texts of up to 50 of them.

    The rows of Parquet files are counted by their footers, of at most 2,000 files; of other files they are estimated
    from the size of the first ones. The texts are from random row groups of Parquet files, and from the beginning of
    others. At most a tenth of the rows is drawn, but for small inputs.

    Args:
        arguments: The inputs.
        format: The format of every input; None to go by the names.
        column: The column of texts; None to find it.
        rows: How many texts to draw.
        seed: The seed of what is drawn.

    Raises:
        UsageError: An input is stdin, or its name does not tell a format.
        InputError: There is no input, none can be read, or a folder cannot be listed.
    """
    draw = random.Random(seed)
    listing = _list(arguments, format, draw)
    unreadable: dict[str, InputError] = {}
    counted = _count_rows(listing, format, unreadable)
    footers = [each for each in listing.chosen if each.name in counted]  # a file that is named twice is there twice
    parquet = _Density(sum(counted[each.name] for each in footers), sum(each.size for each in footers))
    others = _Density()
    of_footers = parquet.rows_in(listing.size[True])

    wanted = rows if listing.size[False] else min(rows, max(_LEAST_ROWS, int(of_footers * _SHARE)))
    texts: list[pa.Array] = []
    taken = 0
    readable = [each for each in listing.chosen if each.name not in unreadable][:_MOST_FILES]
    for place, each in enumerate(readable):
        quota = ceil((wanted - taken) / (len(readable) - place))
        with _noted(each.name, unreadable):
            if each.name in counted:
                found = _read_groups(each.name, column, quota, draw)
            else:
                found, seen = _read_beginning(each, format, column, quota, _MOST_BYTES // len(readable))
                others.rows += seen.rows
                others.size += seen.size
            texts.append(found)
            taken += len(found)
    if not texts:
        first, *more = unreadable.values()
        raise InputError(f"none of {len(unreadable)} files can be read; ", *first.args) if more else first
    densities = {True: parquet, False: others}
    all_rows = of_footers + others.rows_in(listing.size[False])
    return Sample(
        files=listing.files,
        size=sum(listing.size.values()),
        rows=all_rows,
        is_counted=not listing.size[False] and len(footers) == listing.files,
        most_rows=max(densities[kind].rows_in(listing.largest[kind]) for kind in densities),
        # How many rows there are is known only now.
        texts=_thin(pa.concat_arrays(texts), max(_LEAST_ROWS, int(all_rows * _SHARE))),
        sampled_files=len(texts),
        unreadable=unreadable,
    )


def _list(arguments: Sequence[Argument], format: Format | None, draw: random.Random) -> _Listing:
    """Lists all inputs and keeps up to 2,000 of them, each with the same probability (Vitter 1985, algorithm R)."""
    listing = _Listing()
    for found in _all_inputs(arguments, any_format=format is not None):
        is_parquet = _is_parquet(found.name, format)
        listing.size[is_parquet] += found.size
        listing.largest[is_parquet] = max(listing.largest[is_parquet], found.size)
        listing.files += 1
        if len(listing.chosen) < _MOST_FOOTERS:
            listing.chosen.append(found)
        elif (place := draw.randrange(listing.files)) < _MOST_FOOTERS:
            listing.chosen[place] = found
    draw.shuffle(listing.chosen)
    return listing


def _all_inputs(arguments: Iterable[Argument], *, any_format: bool) -> Iterator[Input]:
    for argument in arguments:
        if argument.name == STDIN:
            raise UsageError("-: stdin can be read once, by the job: name a file or a folder")
        found = 0
        for each in Inputs(argument, any_format=any_format):
            found += 1
            yield each
        if not found:
            raise InputError(f"{argument.name}: holds no file to score ({KNOWN_FORMATS}): check the path")


def _is_parquet(name: str, format: Format | None) -> bool:
    """Whether a file is Parquet whose footer can be read alone, so without a compression around it."""
    return (format or parse_file_name(name)) == Format(Kind.PARQUET)


def _count_rows(listing: _Listing, format: Format | None, unreadable: dict[str, InputError]) -> dict[str, int]:
    """Returns the rows of the chosen inputs that are Parquet files, by their names."""
    counted: dict[str, int] = {}
    for each in listing.chosen:
        if _is_parquet(each.name, format):
            with _noted(each.name, unreadable), _open_parquet(each.name) as file:
                counted[each.name] = file.metadata.num_rows
    return counted


@contextmanager
def _noted(name: str, unreadable: dict[str, InputError]) -> Iterator[None]:
    """Notes what is wrong with an input that cannot be read."""
    try:
        yield
    except InputError as error:
        unreadable[name] = error


@contextmanager
def _open_parquet(name: str) -> Iterator[pq.ParquetFile]:
    from sentscore.sources.parquet import open_parquet

    with open_stream(name) as stream, open_parquet(stream, None) as file:
        yield file


def _read_groups(name: str, column: str | None, rows: int, draw: random.Random) -> pa.Array:
    """Returns the first texts of random row groups of a Parquet file, at most a tenth of it but for small files."""
    from sentscore.sources.parquet import group_texts

    parts: list[pa.Array] = []
    with _open_parquet(name) as file:
        schema = file.schema_arrow
        text = choose_column(name, describe_columns(schema), column)
        find_columns(name, schema, [schema.field(text).name])  # fails where several have the name
        groups = list(range(file.metadata.num_row_groups))
        draw.shuffle(groups)
        rows = min(rows, max(_LEAST_ROWS, int(file.metadata.num_rows * _SHARE)))
        for place, group in enumerate(groups):
            left = ceil((rows - sum(map(len, parts))) / (len(groups) - place))
            for texts in group_texts(name, file, text, group):
                parts.append(texts[:left])
                left -= len(parts[-1])
                if left == 0:
                    break
    return pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())


def _read_beginning(
    found: Input, format: Format | None, column: str | None, rows: int, most_bytes: int
) -> tuple[pa.Array, _Density]:
    """Returns texts from the first window of a file, evenly spread, and how many rows its bytes hold.

    Files are read ahead in steps, so the density is that of all windows in the first `most_bytes`, less half a step.
    """
    count, position, first = 0, 0, pa.array([], pa.large_string())
    is_whole = True
    with open_source(found.name, format=format or parse_file_name(found.name), column=column) as source:
        for window in source.windows:
            first = first if len(first) else window.texts
            count += len(window.texts)
            position = window.position
            if most_bytes < position < found.size:
                is_whole = False
                break
        if source.rows is not None:
            count, is_whole = source.rows, True
    seen = _Density(count, found.size if is_whole else position - READ_AHEAD // 2)
    return _thin(first, rows), seen


def _thin(texts: pa.Array, count: int) -> pa.Array:
    """Returns so many texts at most, evenly spread."""
    chosen = np.linspace(0, len(texts), min(count, len(texts)), endpoint=False).astype(np.int64)
    return texts.take(pa.array(chosen))
