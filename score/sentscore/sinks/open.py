"""Outputs: a file, a device or stdout, in any supported format. A file is there whole or not at all."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, cast

import pyarrow as pa

from sentscore.errors import OutputError, UsageError
from sentscore.files import new_file, output_errors
from sentscore.formats import Compression, Format, Kind
from sentscore.sinks.parquet import ParquetWriter
from sentscore.sinks.targets import Target
from sentscore.sinks.text_writers import (
    check_json_names,
    encode_delimited,
    encode_header,
    encode_json,
    encode_lines,
    encode_raw_json,
)
from sentscore.stores import StorePath, new_object


@dataclass(frozen=True)
class Shape:
    """What the rows of an output look like.

    Attributes:
        schema: The schema of the rows, results included, with the metadata to be stored.
        text: The index of the column of texts; -1 where it is not among the columns.
        results: How many columns at the end are results.
        codec: The compression inside a Parquet file, by Arrow's name for it.
        raw_json: Whether the first column holds JSON lines as they stood in the input.
    """

    schema: pa.Schema
    text: int
    results: int
    codec: str | None = None
    raw_json: bool = False


@dataclass(frozen=True)
class Sink:
    """An output that is open.

    Attributes:
        name: The output's name in messages.
    """

    name: str
    _write: Callable[[pa.RecordBatch, bool], object]

    def write(self, batch: pa.RecordBatch, *, ends_group: bool = False) -> None:
        """Writes rows of the shape that the sink was opened for.

        Args:
            batch: The rows.
            ends_group: Whether a row group of a Parquet input ends after them.

        Raises:
            OutputError: The rows cannot be written, for example because the disk is full.
            InputError: A value cannot be written as text.
        """
        with output_errors(self.name):
            self._write(batch, ends_group)


@contextmanager
def open_sink(target: Target, fallback: Kind, shape: Shape) -> Iterator[Sink]:
    """Opens an output, which is finished when the body of the `with` ends well and leaves nothing behind otherwise.

    Args:
        target: Where the output goes.
        fallback: The kind of table if the target has no format.
        shape: What the rows look like.

    Raises:
        OutputError: The output cannot be written.
        UsageError: The output is a Parquet file and goes to a terminal, or one of lines and the texts are left out.
        InputError: The output is a table of JSON lines and two columns have the same name.
    """
    format = target.format or Format(fallback)
    with _open_destination(target, format.kind) as file, _compress(target, file, format.compression) as stream:
        if format.kind is Kind.PARQUET:
            with output_errors(target.name):
                # An input that is not Parquet has no codec to keep. zstd is small, and every reader has it.
                writer = ParquetWriter(stream, shape.schema, shape.codec or "zstd")
            try:
                yield Sink(target.name, writer.write)
                with output_errors(target.name):
                    writer.close()
            finally:
                writer.discard()
        else:
            header, encode = _text_encoder(format.kind, shape)
            with output_errors(target.name):
                stream.write(header)
            yield Sink(target.name, lambda batch, ends_group: stream.write(encode(batch)))


def _text_encoder(kind: Kind, shape: Shape) -> tuple[bytes, Callable[[pa.RecordBatch], bytes]]:
    """Returns the beginning of a file of text, and the function that makes text of its rows."""
    if kind is Kind.JSONL and shape.raw_json:
        return b"", encode_raw_json
    if kind is Kind.JSONL:
        check_json_names(shape.schema)
        return b"", encode_json
    if kind is Kind.TXT:
        if shape.text < 0:
            raise UsageError("--keep leaves out the texts, which a .txt output is made of: keep them, or give --to csv")
        width = len(shape.schema)
        return b"", partial(encode_lines, columns=[shape.text, *range(width - shape.results, width)])
    return encode_header(shape.schema, kind), partial(encode_delimited, kind=kind)


@contextmanager
def _open_destination(target: Target, kind: Kind) -> Iterator[IO[bytes]]:
    if target.path is None:
        if sys.stdout is None:
            raise OutputError("stdout is closed: name an --output")
        if kind is Kind.PARQUET and sys.stdout.isatty():
            raise UsageError("Parquet cannot be shown on a terminal: name an --output")
        yield sys.stdout.buffer
        with output_errors(target.name):
            sys.stdout.buffer.flush()
    elif isinstance(target.path, StorePath):
        with new_object(target.path, replace=target.replace) as file:
            yield file
    elif target.device:
        with output_errors(target.name):
            device = target.path.open("wb")
        try:
            yield device
            with output_errors(target.name):
                device.flush()
        finally:
            with suppress(OSError):
                device.close()
    else:
        in_tree = target.in_tree
        with new_file(target.path, parents=in_tree, replace=target.replace, sweep=not in_tree) as new:
            yield new


@contextmanager
def _compress(target: Target, file: IO[bytes], compression: Compression | None) -> Iterator[IO[bytes]]:
    if compression is None:
        yield file
        return
    # Arrow's stream closes the file that it writes to, and this file has to stay open to be synced.
    copy: IO[bytes]
    if isinstance(target.path, StorePath):
        copy = cast(IO[bytes], _Forwarder(file))
    else:
        copy = os.fdopen(os.dup(file.fileno()), "wb")
    stream: Any = pa.CompressedOutputStream(pa.PythonFile(copy, mode="w"), compression.value)
    try:
        yield cast(IO[bytes], stream)
        with output_errors(target.name):
            stream.close()
    finally:
        with suppress(OSError, OutputError):
            stream.close()
        with suppress(OSError):
            copy.close()


class _Forwarder(io.RawIOBase):
    """Writes to a file that stays open when this is closed."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:  # noqa: ANN401 - any buffer
        return self._file.write(content)
