"""Outputs: a file, a device or stdout, in any supported format; a file is there whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

import pyarrow as pa

from sentscore.errors import OutputError, UsageError
from sentscore.files import new_file, output_errors
from sentscore.formats import Compression, Format, Kind
from sentscore.sinks.parquet import ParquetWriter
from sentscore.sinks.targets import Target
from sentscore.sinks.text_writers import DelimitedWriter, JsonWriter, LinesWriter, RawJsonWriter


class _Writer(Protocol):
    def begin(self) -> None: ...
    def rows(self, batch: pa.RecordBatch, ends_group: bool) -> None: ...
    def end(self) -> None: ...


@dataclass(frozen=True)
class Shape:
    """What the rows look like that an output is going to get.

    Attributes:
        schema: their schema, results included, with the metadata to be stored.
        text: the column of texts.
        results: how many columns at the end are results.
        codec: the compression inside a Parquet file.
        raw_json: whether the first column holds JSON lines as they stood in the input.
    """

    schema: pa.Schema
    text: int
    results: int
    codec: str | None = None
    raw_json: bool = False


@dataclass(frozen=True)
class Sink:
    """An output that is open."""

    name: str
    _writer: _Writer

    def write(self, batch: pa.RecordBatch, *, ends_group: bool = False) -> None:
        """Writes rows of the shape that the sink was opened for.

        Raises:
            OutputError: The disk is full, or the like.
            InputError: A value has no form in the output's format.
        """
        with output_errors(self.name):
            self._writer.rows(batch, ends_group)


@contextmanager
def open_sink(target: Target, fallback: Kind, shape: Shape) -> Iterator[Sink]:
    """Opens an output; it is finished when the block ends well, and leaves nothing behind otherwise.

    Args:
        target: where it goes.
        fallback: the kind of table where the target tells none.
        shape: the rows it gets.

    Raises:
        OutputError: It cannot be written.
        UsageError: It is a Parquet file and goes to a terminal.
    """
    format = target.format or Format(fallback)
    with _destination(target, format.kind) as file, _compressed(target, file, format.compression) as stream:
        writer = _writer(format.kind, stream, shape)
        try:
            with output_errors(target.name):
                writer.begin()
            yield Sink(target.name, writer)
            with output_errors(target.name):
                writer.end()
        finally:
            if isinstance(writer, ParquetWriter):
                writer.discard()


def _writer(kind: Kind, stream: IO[bytes], shape: Shape) -> _Writer:
    if kind is Kind.PARQUET:
        # An input that is not Parquet has no codec to keep; zstd is small, and every reader has it.
        return ParquetWriter(stream, shape.schema, shape.codec or "zstd")
    if kind is Kind.JSONL:
        return (RawJsonWriter if shape.raw_json else JsonWriter)(stream.write, shape.schema)
    if kind is Kind.TXT:
        width = len(shape.schema)
        return LinesWriter(stream.write, [shape.text, *range(width - shape.results, width)])
    return DelimitedWriter(stream.write, shape.schema, kind)


@contextmanager
def _destination(target: Target, kind: Kind) -> Iterator[IO[bytes]]:
    if target.path is None:
        if sys.stdout is None:
            raise OutputError("stdout is closed: name an --output")
        if kind is Kind.PARQUET and sys.stdout.isatty():
            raise UsageError("Parquet cannot be shown on a terminal: name an --output")
        yield sys.stdout.buffer
        with output_errors(target.name):
            sys.stdout.buffer.flush()
    elif target.device:
        with output_errors(target.name):
            file = target.path.open("wb")
        try:
            yield file
            with output_errors(target.name):
                file.flush()
        finally:
            with suppress(OSError):
                file.close()
    else:
        with new_file(target.path) as part:
            yield part


@contextmanager
def _compressed(target: Target, file: IO[bytes], compression: Compression | None) -> Iterator[IO[bytes]]:
    if compression is None:
        yield file
        return
    # Closing Arrow's stream closes what is below it, and the file has to stay open to be synced.
    below = os.fdopen(os.dup(file.fileno()), "wb")
    stream: Any = pa.CompressedOutputStream(pa.PythonFile(below, mode="w"), compression.value)
    try:
        yield cast(IO[bytes], stream)
        with output_errors(target.name):
            stream.close()
    finally:
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            below.close()
