"""Rows as text: the bytes of CSV, TSV, JSON lines and text lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa

from sentscore.errors import InputError
from sentscore.formats import DELIMITERS, Kind
from sentscore.sinks.values import to_cells, to_json, to_json_values

_LINE_BREAK: Final = re.compile(r"\r?\n")


def encode_header(schema: pa.Schema, kind: Kind) -> bytes:
    """Returns the header of a CSV or TSV file."""
    return _encode_rows([schema.names], kind)


def encode_delimited(batch: pa.RecordBatch, kind: Kind) -> bytes:
    """Returns rows as lines of CSV or TSV. A null is an empty cell.

    Raises:
        InputError: A value cannot be written as text.
    """
    names = batch.schema.names
    cells = [to_cells(name, column) for name, column in zip(names, batch.columns, strict=True)]
    return _encode_rows(zip(*cells, strict=True), kind)


def check_json_names(schema: pa.Schema) -> None:
    """Checks that no two columns have the same name, for a JSON object has each key once.

    Raises:
        InputError: Two columns have the same name.
    """
    twice = [name for name in schema.names if schema.names.count(name) > 1]
    if twice:
        raise InputError(f"two columns are named '{twice[0]}', which JSON cannot hold: write .parquet or .csv")


def encode_json(batch: pa.RecordBatch) -> bytes:
    """Returns rows as JSON lines, an object a row.

    Raises:
        InputError: A value cannot be written as text.
    """
    names = batch.schema.names
    columns = [to_json_values(name, column) for name, column in zip(names, batch.columns, strict=True)]
    lines = (to_json(dict(zip(names, row, strict=True))) + "\n" for row in zip(*columns, strict=True))
    return "".join(lines).encode()


def encode_raw_json(batch: pa.RecordBatch) -> bytes:
    """Returns JSON lines as they stood in the input, with new keys before each closing brace.

    Args:
        batch: The lines in the first column, the values of the new keys in the others.
    """
    new_names = batch.schema.names[1:]
    keys = [to_json(name) for name in new_names]
    values = [
        map(to_json, to_json_values(name, column)) for name, column in zip(new_names, batch.columns[1:], strict=True)
    ]
    lines = []
    for line, *row in zip(batch.column(0).to_pylist(), *values, strict=True):
        added = ", ".join(f"{key}: {value}" for key, value in zip(keys, row, strict=True))
        lines.append(_insert_keys(line, added) + "\n")
    return "".join(lines).encode()


def encode_lines(batch: pa.RecordBatch, columns: Sequence[int]) -> bytes:
    """Returns rows as lines: the text, a tab, and the results with tabs between them. A null is an empty cell.

    A line break in a text becomes a space. A tab stays, so the results are what stands behind the last tabs.

    Args:
        batch: The rows.
        columns: The index of the column of texts, then those of the results.
    """
    texts, *results = (to_cells(batch.schema.field(index).name, batch.column(index)) for index in columns)
    single_lines = (_LINE_BREAK.sub(" ", text or "") for text in texts)
    rows = zip(single_lines, *results, strict=True)
    return "".join("\t".join(cell or "" for cell in row) + "\n" for row in rows).encode()


def _encode_rows(rows: Iterable[Sequence[str | None]], kind: Kind) -> bytes:
    lines: list[str] = []

    class Lines:
        def write(self, line: str) -> None:
            # The csv module ends lines with \r\n, so that it quotes cells with either character in them.
            lines.append(line[:-2] + "\n")

    csv.writer(Lines(), delimiter=DELIMITERS[kind]).writerows(rows)
    return "".join(lines).encode()


def _insert_keys(line: str, added: str) -> str:
    """Puts keys before the closing brace of a line that is known to be a JSON object."""
    inside = line[: line.rindex("}")].rstrip()
    comma = "" if inside.endswith("{") else ", "
    return f"{inside}{comma}{added}{line[len(inside) :]}"
