"""Reads outputs back, by readers of other makers where there are some, and compares them with what went in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from _case import ANY, Case, Complaint, Ended

Rows = list[list[Any]]

csv.field_size_limit(1 << 26)
_SUMMARY = re.compile(r".*: [\d,]+ rows, [\d,]+ scored.* -> .*|.*: left out, for .* exists", re.DOTALL)
_UNCLEAR = re.compile(r"<br\s*/?>|[\u0080-\u009f]|\s", re.IGNORECASE)


def unpack(name: bytes, content: bytes) -> bytes:
    """Returns the content of a file whose name may say that it is compressed."""
    if name.endswith(b".gz"):
        return gzip.decompress(content)
    if name.endswith(b".zst"):
        return pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
    return content


def kind_of(name: bytes) -> str:
    return name.removesuffix(b".gz").removesuffix(b".zst").rsplit(b".", 1)[-1].decode()


def read_table(name: bytes, content: bytes) -> tuple[list[str], Rows]:
    """Returns the columns' names and the rows of an output; of a text file the text and the two results."""
    content = unpack(name, content)
    kind = kind_of(name)
    if kind == "parquet":
        table = pq.ParquetFile(io.BytesIO(content)).read()
        columns = [_to_list(column) for column in table.columns]
        return table.schema.names, [list(row) for row in zip(*columns, strict=True)]
    text = content.decode("utf-8")
    if kind == "jsonl":
        rows = [parse_pairs(line) for line in text.split("\n")[:-1]]
        names = [key for key, _ in rows[0]] if rows else []
        return names, [[value for _, value in row] for row in rows]
    if kind == "txt":
        return ["text", "sentiment", "score"], [line.rsplit("\t", 2) for line in text.split("\n")[:-1]]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if kind == "tsv" else ",", strict=True)
    names, *rows = list(reader)
    return names, rows


def parse_pairs(line: str) -> list[tuple[str, Any]]:
    """Returns the keys and values of a JSON object in order; its numbers and inner objects stay exact."""
    pairs: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list, parse_int=Number, parse_float=Number)
    return pairs


def _to_list(column: pa.ChunkedArray) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):  # damage can make dates of the year 200,000, which Python does not have
        return [None] * len(column)
    return values


class Number(str):
    """A number of JSON as it is written."""

    __slots__ = ()


def check_results(
    ended: Ended, texts: Sequence[str | None], sentiments: Sequence[Any], scores: Sequence[Any]
) -> Iterator[Complaint]:
    """Yields what is wrong with the two new columns: their nulls, their range, and that each text has its own score."""
    if not len(texts) == len(sentiments) == len(scores):
        yield "rows lost", f"{len(texts)} rows went in, {len(scores)} came out"
        return
    for row, (text, sentiment, score, right) in enumerate(
        zip(texts, sentiments, scores, ended.score(list(texts)), strict=True)
    ):
        found = None if score in {None, ""} else float(score)
        blank = text is None or not text.strip()
        if (found is None) != (sentiment in {None, ""}):
            yield "values", f"row {row}: score {score!r} beside sentiment {sentiment!r}"
        elif found is None:
            if not blank and _UNCLEAR.sub("", str(text)):
                yield "values", f"row {row}: no score for {text!r:.80}"
        elif blank and not _UNCLEAR.search((text or "").strip(" \t")):
            yield "values", f"row {row}: a score for the blank {text!r:.80}"
        elif not 0 <= found <= 1:
            yield "values", f"row {row}: score {found}"
        elif sentiment != ("positive" if found >= 0.5 else "negative"):
            yield "values", f"row {row}: {sentiment!r} with score {found}"
        elif np.float32(found) != np.float32(right):
            yield "values", f"row {row}: score {found} of {text!r:.80}, which alone has {right}"


def check_end(case: Case, ended: Ended) -> Iterator[Complaint]:
    """Yields what is wrong with the end of any case."""
    if ended.code == 1 or ended.code < 0 or "Traceback" in ended.stderr or ": error: unexpected " in ended.stderr:
        yield "crash", f"exit code {ended.code}: {ended.stderr[-400:]}"
    elif ended.code not in case.exits:
        yield "exit code", f"{ended.code}, not {sorted(case.exits)}: {ended.stderr[-400:]}"
    yield from _check_stderr(ended)
    if case.quiet and (signs := control_characters(ended.stdout.decode("utf-8", "replace"))):
        yield "stderr", f"stdout holds {signs!r}"
    allowed = set(case.files) | (case.outputs if ended.code == 0 or case.keeps else set())
    more = sorted(name for name in set(ended.files) - allowed if ANY not in case.outputs or name.startswith(b"."))
    if more:
        yield "leftovers", f"exit code {ended.code} left {more}"
    changed = [name for name in case.files if ended.files.get(name) != case.files[name] and name not in case.outputs]
    if changed and ANY not in case.outputs and not case.removes:
        yield "leftovers", f"changed {changed}"
    if (
        ended.code != 0
        and not case.keeps
        and any(ended.files.get(name) != case.files.get(name) for name in case.outputs)
    ):
        yield "leftovers", f"exit code {ended.code} changed one of {sorted(case.outputs)}"
    if ended.code == 0:
        missing = sorted(case.outputs - set(ended.files) - {ANY})
        if missing:
            yield "rows lost", f"exit code 0 without {missing}"
        else:
            yield from case.check(ended)


def control_characters(text: str) -> list[str]:
    return sorted({sign for sign in text if unicodedata.category(sign) == "Cc" and sign != "\n"})


def _check_stderr(ended: Ended) -> Iterator[Complaint]:
    signs = control_characters(ended.stderr)
    if signs:
        yield "stderr", f"holds {signs!r}: {ended.stderr[-300:]!r}"
    if ended.code == 2 and ended.stderr.startswith("Usage: "):
        return  # Typer's own three lines
    lines = ended.stderr.removesuffix("\n").split("\n") if ended.stderr else []
    errors = [line for line in lines if line.startswith("sentscore: error: ")]
    if len(errors) != (ended.code != 0):
        yield "stderr", f"{len(errors)} lines of errors with exit code {ended.code}: {ended.stderr[-300:]!r}"
    odd = [line for line in lines if line not in errors and not _SUMMARY.fullmatch(line)]
    if odd:
        yield "stderr", f"a line that is neither a summary nor an error: {odd[0][:300]!r}"
