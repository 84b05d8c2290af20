"""Writers of rows as text: CSV, TSV, JSON lines and text lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from sentscore.errors import InputError
from sentscore.formats import Kind
from sentscore.sinks.values import cells, json_text, json_values

Write = Callable[[bytes], Any]


@dataclass(frozen=True)
class DelimitedWriter:
    """Writes CSV or TSV with a header; nulls are empty cells."""

    write: Write
    schema: pa.Schema
    kind: Kind

    def begin(self) -> None:
        """Writes the header."""
        self.write(_delimited([self.schema.names], self.kind))

    def rows(self, batch: pa.RecordBatch, ends_group: bool) -> None:
        """Writes rows; groups do not matter here."""
        self.write(_delimited(zip(*_cells(batch), strict=True), self.kind))

    def end(self) -> None:
        """Does nothing: the file has no footer."""


@dataclass(frozen=True)
class JsonWriter:
    """Writes a JSON object a line from a table; nulls are null."""

    write: Write
    schema: pa.Schema

    def begin(self) -> None:
        """Checks the names, for an object can have each only once."""
        names = self.schema.names
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(f"two columns are named '{twice[0]}', which JSON cannot hold: write .parquet or .csv")

    def rows(self, batch: pa.RecordBatch, ends_group: bool) -> None:
        """Writes rows; groups do not matter here."""
        names = self.schema.names
        columns = [json_values(name, column) for name, column in zip(names, batch.columns, strict=True)]
        lines = (json_text(dict(zip(names, row, strict=True))) + "\n" for row in zip(*columns, strict=True))
        self.write("".join(lines).encode())

    def end(self) -> None:
        """Does nothing: the file has no footer."""


@dataclass(frozen=True)
class RawJsonWriter:
    """Writes JSON lines as they stood in the input, with the new keys before each closing brace."""

    write: Write
    schema: pa.Schema

    def begin(self) -> None:
        """Does nothing: the file has no header."""

    def rows(self, batch: pa.RecordBatch, ends_group: bool) -> None:
        """Writes rows: the first column holds the lines, the others the values of the new keys."""
        names = [json_text(name) for name in self.schema.names[1:]]
        values = [
            map(json_text, json_values(name, column))
            for name, column in zip(self.schema.names[1:], batch.columns[1:], strict=True)
        ]
        lines = []
        for line, *row in zip(batch.column(0).to_pylist(), *values, strict=True):
            added = ", ".join(f"{name}: {value}" for name, value in zip(names, row, strict=True))
            lines.append(_with_keys(line, added) + "\n")
        self.write("".join(lines).encode())

    def end(self) -> None:
        """Does nothing: the file has no footer."""


@dataclass(frozen=True)
class LinesWriter:
    """Writes a line a text: the text, a tab, and the results with tabs between, empty where there are none.

    What stands behind the last tabs are the results, for a text may hold tabs of its own.
    """

    write: Write
    columns: Sequence[int]

    def begin(self) -> None:
        """Does nothing: the file has no header."""

    def rows(self, batch: pa.RecordBatch, ends_group: bool) -> None:
        """Writes rows; a line break in a text becomes a space."""
        texts, *results = (cells(batch.schema.field(i).name, batch.column(i)) for i in self.columns)
        single = (_LINE_BREAK.sub(" ", text or "") for text in texts)
        rows = zip(single, *results, strict=True)
        self.write("".join("\t".join(cell or "" for cell in row) + "\n" for row in rows).encode())

    def end(self) -> None:
        """Does nothing: the file has no footer."""


_LINE_BREAK: Final = re.compile(r"\r?\n")


def _cells(batch: pa.RecordBatch) -> list[list[str | None]]:
    names = batch.schema.names
    return [cells(name, column) for name, column in zip(names, batch.columns, strict=True)]


def _delimited(rows: Iterable[Sequence[str | None]], kind: Kind) -> bytes:
    lines: list[str] = []

    class Lines:
        def write(self, line: str) -> None:
            # The writer ends lines with \r\n so that it quotes cells with either character in them.
            lines.append(line[:-2] + "\n")

    csv.writer(Lines(), csv.excel_tab if kind is Kind.TSV else csv.excel).writerows(rows)
    return "".join(lines).encode()


def _with_keys(line: str, added: str) -> str:
    """Puts keys before the closing brace of a line that is known to be a JSON object."""
    brace = line.rindex("}")
    inside = line[:brace].rstrip()
    comma = "" if inside.endswith("{") else ", "
    return f"{inside}{comma}{added}{line[len(inside) :]}"
