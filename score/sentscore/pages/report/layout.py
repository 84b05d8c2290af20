"""Says what the columns of a scored file hold: scores and whose they are, texts, explanations, groups and times."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from sentscore.columns import check_utf_8, choose_column, describe_columns, find_columns, list_names, result_names
from sentscore.errors import Argument, InputError, UsageError
from sentscore.formats import DELIMITERS, KNOWN_FORMATS, Format, Kind, parse_file_name
from sentscore.jobs.run import METADATA_KEY
from sentscore.sources.streams import Stream, memory_errors, open_stream, read_lines
from sentscore.text.normalize import is_text

_DIGEST: Final = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class ScoreColumn:
    """A column of scores.

    Attributes:
        name: The column's name.
        model: The name of the model that scored; the column's name where the file does not say it.
        digest: The sha256 of the model's manifest in hexadecimal; empty where the file does not say it.
        precision: What the model computed in; empty where the file does not say it.
        words: The name of the column of the words that moved the scores; empty if there is none.
        effects: The name of the column of their effects; empty if there is none.
    """

    name: str
    model: str
    digest: str = ""
    precision: str = ""
    words: str = ""
    effects: str = ""

    @property
    def sentiment(self) -> str:
        """The name of the column of sentiments."""
        return self.name.removesuffix("score") + "sentiment"


@dataclass(frozen=True)
class Layout:
    """What is where in a scored file.

    Attributes:
        path: The file.
        format: Its format.
        scores: The columns of scores, at least one, in order.
        text: The name of the column of texts; None if there is none.
        by: The name of the column of groups; None for no groups.
        time: The name of the column of times; None for no times.
    """

    path: str
    format: Format
    scores: tuple[ScoreColumn, ...]
    text: str | None
    by: str | None = None
    time: str | None = None


def read_layout(path: str, *, column: str | None = None, by: str | None = None, time: str | None = None) -> Layout:
    """Finds out what the columns of a scored file hold.

    Args:
        path: The file.
        column: The name of the column of texts; None to find it.
        by: The name of the column of groups.
        time: The name of the column of times.

    Raises:
        InputError: The file cannot be read, has no scores, or lacks a column.
    """
    format, schema = _read_schema(path)
    for argument, name in (("column", column), ("by", by), ("time", time)):
        if name is not None:
            _check_column(path, schema, argument, name)
    scores = find_scores(schema)
    if not scores:
        raise InputError(
            f"{path}: no column of scores; it has {list_names(schema.names)}: score it with `sentscore file`"
        )
    find_columns(path, schema, [each.name for each in scores])  # each of them once
    text = _choose_text(path, schema, scores, column, [name for name in (by, time) if name is not None])
    return Layout(path, format, scores, text, by, time)


def find_scores(schema: pa.Schema) -> tuple[ScoreColumn, ...]:
    """Returns the columns of scores: those that the file's metadata speaks of, or else all that have the names of some.

    A column `score` has a column `sentiment` beside it, and `lstm_score` one called `lstm_sentiment`.
    """
    names = set(schema.names)
    found = []
    for name in dict.fromkeys(schema.names):
        stem = name.removesuffix("score")
        if stem != name and f"{stem}sentiment" in names:
            explained = (f"{stem}explain_words", f"{stem}explain_effects")
            found.append(ScoreColumn(name, name, "", "", *(explained if names.issuperset(explained) else ("", ""))))
    return _name_models(found, _read_models((schema.metadata or {}).get(METADATA_KEY)))


def match_scores(columns: Sequence[ScoreColumn], earlier: Sequence[ScoreColumn], index: int) -> int | None:
    """Returns the index of the earlier file's scores that those of a column are compared with; None if there are none.

    They have the same name, or each file has a single column of scores.
    """
    names = [each.name for each in earlier]
    if columns[index].name in names:
        return names.index(columns[index].name)
    return 0 if len(names) == len(columns) == 1 else None


def _name_models(found: Sequence[ScoreColumn], models: Sequence[Mapping[str, str]]) -> tuple[ScoreColumn, ...]:
    """Returns the columns with what the metadata says of their models, where the two agree."""
    last = found[-len(models) :]  # results stand behind what the scored file had before
    if not models or len(last) < len(models):
        return tuple(found)
    try:
        names = result_names([each["name"] for each in models])
    except UsageError:  # no models of one run have such names
        return tuple(found)
    expected = [name for name in names if name.endswith("score")]
    prefix = last[0].name.removesuffix(expected[0])
    if [each.name for each in last] != [f"{prefix}{name}" for name in expected]:
        return tuple(found)
    return tuple(
        replace(each, model=model["name"], digest=model["manifest_sha256"], precision=model["precision"])
        for each, model in zip(last, models, strict=True)
    )


def _read_models(metadata: bytes | None) -> list[dict[str, str]]:
    """Returns what the metadata says of the models; nothing where it is not what `sentscore file` writes."""
    try:
        models: Any = json.loads(metadata or b"")["models"]
        fields = ("name", "manifest_sha256", "precision")
        found = [{field: each[field] for field in fields} for each in models]
        is_ours = all(isinstance(value, str) for each in found for value in each.values())
        are_digests = all(_DIGEST.fullmatch(each["manifest_sha256"]) for each in found)
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return found if is_ours and are_digests else []


def _read_schema(path: str) -> tuple[Format, pa.Schema]:
    with open_stream(path) as stream, memory_errors(path):
        if stream.size is None:
            raise InputError(f"{stream.name}: not a regular file, and a report reads it twice: write it to a file")
        format = parse_file_name(path)
        if format is None:
            raise InputError(f"{path}: the name tells no format: rename it, to end in {KNOWN_FORMATS}")
        return format, _read_schema_of(stream, format)


def _read_schema_of(stream: Stream, format: Format) -> pa.Schema:
    if format.kind is Kind.PARQUET:
        from sentscore.sources.parquet import open_parquet

        with open_parquet(stream, format.compression) as file:
            return file.schema_arrow
    if format.kind is Kind.JSONL:
        from sentscore.sources import json_table, jsonl

        first = next(jsonl.numbered_windows(read_lines(stream, format.compression)), [])
        return json_table.describe_keys(stream.name, first)
    if format.kind in DELIMITERS:
        from sentscore.sources.delimited import delimited_rows

        header, _ = delimited_rows(
            stream.name, read_lines(stream, format.compression, carriage_returns=True), format.kind
        )
        return pa.schema([pa.field(name, pa.string()) for name in header])
    raise InputError(f"{stream.name}: lines of text have no columns: score them again with --to parquet")


def _check_column(path: str, schema: pa.Schema, argument: str, name: str) -> None:
    check_utf_8(Argument(argument), name)
    if name not in schema.names:
        raise InputError(f"{path}: no column '{name}' for ", Argument(argument), f"; it has {list_names(schema.names)}")
    find_columns(path, schema, [name])  # it is the only one of its name


def _choose_text(
    path: str, schema: pa.Schema, scores: Iterable[ScoreColumn], column: str | None, others: Iterable[str]
) -> str | None:
    """Returns the column of texts; None where no column but those of results, groups and times holds text."""
    columns = describe_columns(schema)
    if column is None:
        used = {name for each in scores for name in (each.name, each.sentiment, each.words, each.effects)}
        columns = [each for each in columns if each.name not in used.union(others)]
        if not any(each.is_text for each in columns):
            return None
    name = columns[choose_column(path, columns, column)].name
    return name if is_text(schema.field(name).type) else None
