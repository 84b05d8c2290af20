"""The Parquet writer: keeps the input's row groups where they are small enough to be held in memory."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Final

import pyarrow as pa
import pyarrow.parquet as pq

GROUP_BYTES: Final = 64 << 20
"""Arrow bytes of a row group at most; a larger one of the input comes out as several."""


@dataclass
class ParquetWriter:
    """Writes a Parquet file.

    Attributes:
        file: where it goes; needs no seeking.
        schema: the schema, metadata included.
        codec: the compression, as Arrow takes it.
    """

    file: IO[bytes]
    schema: pa.Schema
    codec: str
    _held: list[pa.RecordBatch] = field(default_factory=list)
    _held_bytes: int = 0
    _writer: pq.ParquetWriter | None = None

    def begin(self) -> None:
        """Writes the beginning of the file."""
        self._writer = pq.ParquetWriter(
            self.file,
            self.schema,
            compression=self.codec,
            # The compliant mode renames the items of lists, and with that changes the schema.
            use_compliant_nested_type=False,
        )

    def rows(self, batch: pa.RecordBatch, ends_group: bool) -> None:
        """Takes rows; writes a row group when it is full or the input's ends."""
        self._held.append(batch)
        self._held_bytes += batch.nbytes
        if ends_group or self._held_bytes >= GROUP_BYTES:
            self._flush()

    def end(self) -> None:
        """Writes what is held and the footer."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def discard(self) -> None:
        """Lets go of a file that is not going to be finished."""
        if self._writer is not None and self._writer.is_open:
            with suppress(Exception):
                self._writer.close()
            self._writer.is_open = False  # else its finaliser writes to a closed file

    def _flush(self) -> None:
        if self._held and self._writer is not None:
            table = pa.Table.from_batches(self._held, schema=self.schema)
            self._held.clear()
            self._held_bytes = 0
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))
