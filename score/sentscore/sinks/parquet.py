"""The Parquet writer: keeps the input's row groups where they are small enough to be held in memory."""

from __future__ import annotations

from contextlib import suppress
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as pq

GROUP_BYTES: Final = 64 << 20
"""The most Arrow bytes of a row group. A larger one of the input becomes several."""


class ParquetWriter:
    """Writes a Parquet file to a stream that needs no seeking."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, codec: str) -> None:
        """Writes the beginning of the file.

        Args:
            file: The stream.
            schema: The schema of the rows, with the metadata to be stored.
            codec: The compression of the columns, by Arrow's name for it.
        """
        self._schema = schema
        self._held: list[pa.RecordBatch] = []
        self._held_bytes = 0
        # The compliant mode renames the items of lists, and with that changes the schema.
        self._writer = pq.ParquetWriter(file, schema, compression=codec, use_compliant_nested_type=False)

    def write(self, batch: pa.RecordBatch, ends_group: bool) -> None:
        """Takes rows, and writes a row group when it is full or when these rows end one of the input's."""
        self._held.append(batch)
        self._held_bytes += batch.nbytes
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
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
