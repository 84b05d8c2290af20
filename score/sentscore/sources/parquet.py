"""Parquet files: read row group by row group, in batches whose size the file's metadata decides."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sentscore.columns import count_bytes
from sentscore.errors import InputError, OutputError, first_line
from sentscore.formats import Compression
from sentscore.sources import source
from sentscore.sources.source import Window
from sentscore.sources.streams import Stream, cannot_read, decompress

_PAGE_BUFFER: Final = 1 << 20  # bytes read ahead of each column; without it a whole column chunk is held in memory
_STORE_BUFFER: Final = 8 << 20  # the same of an object in a store, where a request takes as long as some MiB do
_STORE_BUFFERS: Final = 64 << 20  # of all columns together
_REPEATED_BYTES: Final = 8 * source.WINDOW_BYTES  # of a batch whose rows all hold the longest value, which few do
_MAGIC: Final = b"PAR1"


@contextmanager
def open_parquet(stream: Stream, compression: Compression | None) -> Iterator[pq.ParquetFile]:
    """Opens a Parquet file. A stream or a compressed file, which cannot be seeked in, is copied to disk first.

    Raises:
        InputError: The file is damaged, cut off, or not Parquet.
        OutputError: The temporary copy cannot be written.
    """
    if stream.size is not None and compression is None:
        # As bytes, for a name need not be UTF-8.
        name = os.fsencode(stream.name)
        stored = pa.PythonFile(stream.raw, mode="r") if stream.in_store else pa.OSFile(name)
        with stored, _open_file(stream.name, stored, in_store=stream.in_store) as file:
            yield file
        return
    with tempfile.TemporaryFile() as copy:
        _copy_content(stream, compression, cast(IO[bytes], copy))
        with _open_file(stream.name, pa.PythonFile(copy, mode="r")) as file:
            yield file


def read_codec(name: str, file: pq.ParquetFile) -> str:
    """Returns the compression of a file's first column, by Arrow's name for it.

    Raises:
        InputError: The first row group is damaged.
    """
    metadata = file.metadata
    if not metadata.num_row_groups or not metadata.num_columns:
        return "snappy"
    with _damage_errors(name, 0):
        # Reading raises where the footer is damaged, and to ask for what it says of a column ends the process there.
        next(file.iter_batches(batch_size=1, row_groups=[0], columns=[file.schema.column(0).path]), None)
    codec = str(metadata.row_group(0).column(0).compression).lower()
    return {"uncompressed": "none", "lz4_raw": "lz4"}.get(codec, codec)


def parquet_windows(name: str, file: pq.ParquetFile, text: int, columns: list[str] | None = None) -> Iterator[Window]:
    """Yields the windows of a Parquet file. A row group without rows becomes a window without rows.

    Args:
        name: The file's name, for messages.
        file: The file.
        text: The index of the column of texts among those that are read.
        columns: The columns that are read, in order, each the only one of its name; None for all.

    Raises:
        InputError: Data is damaged, fewer rows can be read than the file promises, or a text is not UTF-8, which
            Parquet does not check.
    """
    first = 0  # the window's first row in the file
    for group in range(file.metadata.num_row_groups):
        left = file.metadata.row_group(group).num_rows
        for batch in _read_group(name, file, group, columns):
            for rows in _split_batch(batch, _count_text_bytes(batch.column(text))):
                left -= rows.num_rows
                texts = _validate_texts(name, rows.column(text), rows.schema.field(text).name, first)
                first += rows.num_rows
                yield Window(rows, texts, ends_group=left == 0)


def group_texts(name: str, file: pq.ParquetFile, text: int, group: int) -> Iterator[pa.Array]:
    """Yields the texts of one row group, as `large_string` arrays.

    Args:
        name: The file's name, for messages.
        file: The file.
        text: The index of the column of texts.
        group: The index of the row group.

    Raises:
        InputError: As for `parquet_windows`.
    """
    label = file.schema_arrow.field(text).name
    first = sum(file.metadata.row_group(before).num_rows for before in range(group))
    for batch in _read_group(name, file, group, [label]):
        for rows in _split_batch(batch, _count_text_bytes(batch.column(0))):
            yield _validate_texts(name, rows.column(0), label, first)
            first += rows.num_rows


@contextmanager
def _open_file(name: str, stored: pa.NativeFile, *, in_store: bool = False) -> Iterator[pq.ParquetFile]:
    try:
        file = pq.ParquetFile(stored, pre_buffer=False, buffer_size=_PAGE_BUFFER)
        if in_store and file.metadata.num_columns:
            most = _STORE_BUFFERS // file.metadata.num_columns
            size = min(max(most, _PAGE_BUFFER), _STORE_BUFFER)
            file = pq.ParquetFile(stored, metadata=file.metadata, pre_buffer=False, buffer_size=size)
        _ = file.schema_arrow
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: a column's name is not UTF-8: write the file again with names that are") from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{name}: not a whole Parquet file ({first_line(error)}): fetch it again, or name its --format"
        ) from error
    with file:
        yield file


def _copy_content(stream: Stream, compression: Compression | None, copy: IO[bytes]) -> None:
    reader = decompress(stream, compression)
    copied = False
    while True:
        try:
            data = reader.read(1 << 20)
        except OSError as error:
            raise cannot_read(stream.name, error, compression) from error
        if not data:
            break
        if not copied and not data.startswith(_MAGIC):  # or an endless stream of something else would fill the disk
            raise InputError(f"{stream.name}: not a whole Parquet file (it does not begin as one): name its --format")
        copied = True
        try:
            copy.write(data)
            copy.flush()
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: no copy of {stream.name} can be written ({error.strerror}): "
                "set TMPDIR to a folder with room"
            ) from error
    copy.seek(0)


def _read_group(name: str, file: pq.ParquetFile, group: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """Yields all rows of a row group, and one batch without rows where it has none."""
    promised = file.metadata.row_group(group).num_rows
    found = 0
    for batch in _read_batches(name, file, group, columns):
        if found == 0:  # only now, as in read_codec
            _check_values(name, file, group)
        if batch.num_rows:
            found += batch.num_rows
            yield _select(batch, columns)
    if found == 0:
        _check_values(name, file, group)
    # pyarrow stops in silence at a page without values.
    if found != promised:
        raise InputError(
            f"{name}: row group {group} promises {promised} rows, and pyarrow reads {found}"
            f"{_name_short_column(file, group)}: write the file again, without dictionaries or with larger pages"
        )
    if promised == 0:
        nothing = [pa.nulls(0, kind) for kind in file.schema_arrow.types]
        yield _select(pa.record_batch(nothing, schema=file.schema_arrow), columns)


def _select(batch: pa.RecordBatch, columns: list[str] | None) -> pa.RecordBatch:
    # To read column `a`, pyarrow reads one called `a.b` too.
    return batch if columns is None else batch.select(columns)


def _read_batches(name: str, file: pq.ParquetFile, group: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    metadata = file.metadata.row_group(group)
    average = max(1, metadata.total_byte_size // max(1, metadata.num_rows))
    most = min(source.WINDOW_BYTES // average, _REPEATED_BYTES // max(1, _guess_longest_value(file, group)))
    rows = max(1, min(source.WINDOW_ROWS, most))
    with _damage_errors(name, group):
        yield from file.iter_batches(batch_size=rows, row_groups=[group], columns=columns)


@contextmanager
def _damage_errors(name: str, group: int) -> Iterator[None]:
    try:
        yield
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{name}: row group {group} is damaged ({first_line(error)}): fetch the file again") from error


def _check_values(name: str, file: pq.ParquetFile, group: int) -> None:
    """Checks that no column has more values than the row group has rows, for pyarrow would leave them out."""
    metadata = file.metadata.row_group(group)
    for index in range(metadata.num_columns):
        values = metadata.column(index).num_values
        if values > metadata.num_rows and file.schema.column(index).max_repetition_level == 0:
            raise InputError(
                f"{name}: row group {group} is damaged (column '{file.schema.column(index).path}' has {values} values "
                f"for {metadata.num_rows} rows): fetch the file again"
            )


def _name_short_column(file: pq.ParquetFile, group: int) -> str:
    """Returns the first column that has fewer rows than its row group, for a message."""
    promised = file.metadata.row_group(group).num_rows
    for column in file.schema_arrow.names:
        with suppress(pa.ArrowException, OSError):
            if sum(batch.num_rows for batch in file.iter_batches(row_groups=[group], columns=[column])) < promised:
                return f" of column '{column}'"
    return ""


def _guess_longest_value(file: pq.ParquetFile, group: int) -> int:
    """Returns about how many bytes a value in a dictionary may have that pyarrow copies for every row that repeats it.

    It is the size of the largest dictionary, which the footer gives as it is compressed.
    """
    metadata = file.metadata.row_group(group)
    shared = {field.name for field in file.schema_arrow if _has_dictionary(field.type)}
    longest = 0
    for index in range(metadata.num_columns):
        column = metadata.column(index)
        if column.physical_type != "BYTE_ARRAY" or column.path_in_schema.partition(".")[0] in shared:
            continue
        start, end = column.dictionary_page_offset, column.data_page_offset
        if start is not None and start < end:
            ratio = max(1, column.total_uncompressed_size // max(1, column.total_compressed_size))
            longest = max(longest, min(column.total_uncompressed_size, (end - start) * ratio))
    return longest


def _has_dictionary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return True
    return any(_has_dictionary(kind.field(index).type) for index in range(kind.num_fields))


def _count_text_bytes(column: pa.Array) -> npt.NDArray[np.int64] | None:
    """Returns the bytes of each text [n] of a dictionary's references, which grow when they are texts of their own."""
    if not pa.types.is_dictionary(column.type):
        return None
    values = column.dictionary
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    lengths = pc.binary_length(values).fill_null(0).take(column.indices).fill_null(0)
    return np.asarray(lengths.cast(pa.int64()))


def _split_batch(batch: pa.RecordBatch, text_bytes: npt.NDArray[np.int64] | None) -> Iterator[pa.RecordBatch]:
    """Halves a batch until its parts are within bounds: repeated texts are larger in memory than in the file."""
    size = count_bytes(batch) + (0 if text_bytes is None else int(text_bytes.sum()))
    if size <= source.WINDOW_BYTES or batch.num_rows <= 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _split_batch(batch.slice(0, half), None if text_bytes is None else text_bytes[:half])
    yield from _split_batch(batch.slice(half), None if text_bytes is None else text_bytes[half:])


def _validate_texts(name: str, column: pa.Array, label: str, first: int) -> pa.Array:
    strings = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    try:
        strings = strings.cast(pa.large_string())
        strings.validate(full=True)
    except pa.ArrowInvalid as error:
        row = first + _find_invalid(column)
        raise InputError(
            f"{name}: column '{label}', row {row} (from 0) is not UTF-8: write it as text that is"
        ) from error
    return strings


def _find_invalid(column: pa.Array) -> int:
    for index, value in enumerate(column):
        try:
            value.as_py()
        except UnicodeDecodeError:
            return index
    return 0
