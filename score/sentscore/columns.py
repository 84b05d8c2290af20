"""The columns of a table: which one holds the texts, and those that the scores become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.errors import InputError, UsageError
from sentscore.text.normalize import is_text

TEXT_NAMES: Final = ("text", "review", "content", "body", "comment", "sentence")
"""Where several columns hold text, the one with one of these names (in any case) is taken."""

POSITIVE_FROM: Final = 0.5
"""The probability from which on a text counts as positive."""

_SHOWN: Final = 20  # names of a wide table that a one-line message can still hold


@dataclass(frozen=True)
class Column:
    """A column as far as the choice needs it.

    Attributes:
        name: its name.
        kind: its type, for messages.
        text: whether it holds texts.
        blank: whether it has a type that holds nothing but nulls.
    """

    name: str
    kind: str
    text: bool
    blank: bool = False


def columns_of(schema: pa.Schema) -> list[Column]:
    """Returns the columns of an Arrow schema, in order."""
    return [Column(field.name, str(field.type), is_text(field.type), pa.types.is_null(field.type)) for field in schema]


def choose_column(source: str, columns: Sequence[Column], wanted: str | None) -> int:
    """Finds the column of texts.

    Args:
        source: the input, for messages.
        columns: all columns of the input.
        wanted: the value of `--column`; None to find the column by itself: the only one that holds text,
            or else the only one named in `TEXT_NAMES`.

    Returns:
        The index of the column.

    Raises:
        InputError: There is no such column, it does not hold text, or several could be meant.
    """
    if wanted is not None:
        found = [index for index, column in enumerate(columns) if column.name == wanted]
        if not found:
            raise InputError(f"{source}: no column '{wanted}'; it has {_listed(c.name for c in columns)}")
        if len(found) > 1:
            raise InputError(f"{source}: {len(found)} columns are named '{wanted}': rename all but one")
        column = columns[found[0]]
        if not column.text and not column.blank:
            raise InputError(f"{source}: column '{wanted}' is {column.kind}, not text{_remedy(columns)}")
        return found[0]
    candidates = [index for index, column in enumerate(columns) if column.text]
    if not candidates:
        raise InputError(f"{source}: no column holds text; it has {_listed(c.name for c in columns)}")
    if len(candidates) > 1:
        named = [index for index in candidates if columns[index].name.lower() in TEXT_NAMES]
        if len(named) != 1:
            listed = _listed(columns[index].name for index in candidates)
            raise InputError(f"{source}: several columns hold text: name one of {listed} with --column")
        return named[0]
    return candidates[0]


def check_free(source: str, names: Iterable[str], added: Sequence[str]) -> None:
    """Checks that the input has none of the names that the results get.

    Raises:
        UsageError: A name is taken.
    """
    taken = [name for name in added if name in set(names)]
    if taken:
        raise UsageError(f"{source}: has a column '{taken[0]}' already: give the new ones a --prefix")


def result_names(models: Sequence[str], prefix: str = "") -> list[str]:
    """The names of the columns that the results of these models get, in order.

    Raises:
        UsageError: two models have the same name.
    """
    if len(set(models)) < len(models):
        twice = next(name for name in models if models.count(name) > 1)
        raise UsageError(f"--model {twice}: given twice, and columns are named by model: give it once")
    if len(models) == 1:
        return [f"{prefix}sentiment", f"{prefix}score"]
    return [f"{prefix}{model}_{each}" for model in models for each in ("score", "sentiment")]


def result_columns(scores: Mapping[str, npt.NDArray[np.float32]]) -> list[pa.Array]:
    """The columns [n] under `result_names`; a NaN becomes a null in both.

    Args:
        scores: the probabilities [n] of each model, by its name.
    """
    columns = []
    for of_model in scores.values():
        score = pa.array(of_model, pa.float32(), from_pandas=True)
        names = np.where(of_model >= POSITIVE_FROM, "positive", "negative").astype(object)
        sentiment = pa.array(names, pa.string(), mask=np.isnan(of_model))
        columns += [sentiment, score] if len(scores) == 1 else [score, sentiment]
    return columns


def _remedy(columns: Sequence[Column]) -> str:
    texts = [column.name for column in columns if column.text]
    return f"; text is in {_listed(texts)}" if texts else "; no column of it holds text"


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    shown = ", ".join(f"'{name}'" for name in every[:_SHOWN])
    return (shown or "no columns") + (f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else "")
