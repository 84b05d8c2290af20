"""The Parquet writer: keeps the input's row groups where they are small enough to be held in memory."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.columns import count_bytes, count_dictionary_bytes
from sentscore.errors import InputError, first_line

GROUP_BYTES: Final = 64 << 20
"""The most Arrow bytes of a row group. A larger one of the input becomes several."""

_SCHEMA_KEY: Final = b"ARROW:schema"  # where Arrow looks for the types that Parquet does not have

_LARGE_TYPES: Final = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}


class ParquetWriter:
    """Writes a Parquet file to a stream that needs no seeking."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, codec: str) -> None:
        """Writes the beginning of the file.

        Args:
            file: The stream.
            schema: The schema of the rows, with the metadata to be stored.
            codec: The compression of the columns, by Arrow's name for it.

        Raises:
            InputError: pyarrow cannot write columns of such a type.
        """
        self._schema = schema
        self._stored = pa.schema([field.with_type(_without_views(field.type)) for field in schema])
        self._has_views = self._stored.types != schema.types
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._dictionaries: set[int] = set()  # that count already
        # The compliant mode renames the items of lists, and with that changes the schema.
        with _type_errors():
            self._writer = pq.ParquetWriter(
                file,
                self._stored if self._has_views else schema,
                compression=codec,
                use_compliant_nested_type=False,
                store_schema=not self._has_views,
            )
        if self._has_views:
            original = base64.b64encode(schema.serialize().to_pybytes())
            self._writer.add_key_value_metadata({**(schema.metadata or {}), _SCHEMA_KEY: original})

    def write(self, batch: pa.RecordBatch, ends_group: bool) -> None:
        """Takes rows, and writes a row group when it is full or when these rows end one of the input's.

        Raises:
            InputError: pyarrow cannot write values of such a type.
        """
        self._held.append(batch)
        self._held_bytes += count_bytes(batch) + count_dictionary_bytes(batch, self._dictionaries)
        if ends_group or self._held_bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Writes the rest of the rows and the footer."""
        self._flush()
        self._writer.close()

    def discard(self) -> None:
        """Gives up a file that is not closed yet."""
        if self._writer.is_open:
            with suppress(Exception):
                self._writer.close()
            self._writer.is_open = False  # or its finaliser writes to a closed file

    def _flush(self) -> None:
        if self._held:
            table = pa.Table.from_batches(self._held, schema=self._schema)
            self._held.clear()
            self._held_bytes = 0
            self._dictionaries.clear()
            with _type_errors():
                if self._has_views:
                    columns = [
                        column if column.type == kind else column.cast(kind)
                        for column, kind in zip(table.columns, self._stored.types, strict=True)
                    ]
                    table = pa.table(columns, schema=self._stored)
                self._writer.write_table(table, row_group_size=max(1, table.num_rows))


@contextmanager
def _type_errors() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise InputError(f"rows cannot be written as Parquet ({first_line(error)}): write to another format") from error


def _without_views(kind: pa.DataType, *, in_struct: bool = False) -> pa.DataType:
    """Returns a type with large types in place of views inside structs, which pyarrow cannot write.

    Readers get the views back by the schema that is stored beside the columns.
    """

    def inside(field: pa.Field, *, in_struct: bool = in_struct) -> pa.Field:
        return field.with_type(_without_views(field.type, in_struct=in_struct))

    if in_struct and kind in _LARGE_TYPES:
        return _LARGE_TYPES[kind]
    if pa.types.is_struct(kind):
        return pa.struct([inside(field, in_struct=True) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(inside(kind.key_field), inside(kind.item_field))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(inside(kind.value_field), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(inside(kind.value_field))
    return pa.list_(inside(kind.value_field)) if pa.types.is_list(kind) else kind
