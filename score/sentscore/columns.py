"""The columns of a table: which one holds the texts, and the columns that the scores become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.errors import Argument, InputError, UsageError
from sentscore.text.normalize import is_text

TEXT_NAMES: Final = ("text", "review", "content", "body", "comment", "sentence")
"""The usual names of a column of texts, in lower case: they decide where several columns hold text."""

POSITIVE_FROM: Final = 0.5
"""The lowest probability at which a text counts as positive."""

_MAX_LISTED: Final = 20  # names that a one-line message has room for


@dataclass(frozen=True)
class Column:
    """What is known of a column when the column of texts is chosen.

    Attributes:
        name: The column's name.
        type: The column's type, for messages.
        is_text: Whether the column holds texts.
        is_null: Whether the column can hold nothing but nulls.
    """

    name: str
    type: str
    is_text: bool
    is_null: bool = False


def describe_columns(schema: pa.Schema) -> list[Column]:
    """Returns the columns of an Arrow schema, in order."""
    return [Column(field.name, str(field.type), is_text(field.type), pa.types.is_null(field.type)) for field in schema]


def choose_column(source: str, columns: Sequence[Column], wanted: str | None) -> int:
    """Returns the index of the column of texts.

    Args:
        source: The input's name, for messages.
        columns: All columns of the input.
        wanted: The column's name. None chooses the only column that holds text, or among several the only one with
            a name of `TEXT_NAMES`.

    Raises:
        InputError: There is no such column, it does not hold text, or several columns could be meant.
    """
    if wanted is not None:
        return _find_column(source, columns, wanted)
    texts = [index for index, column in enumerate(columns) if column.is_text]
    if not texts:
        raise InputError(f"{source}: no column holds text; it has {list_names(column.name for column in columns)}")
    if len(texts) > 1:
        named = [index for index in texts if columns[index].name.lower() in TEXT_NAMES]
        if len(named) != 1:
            names = list_names(columns[index].name for index in texts)
            raise InputError(f"{source}: several columns hold text: name one of {names} with ", Argument("column"))
        return named[0]
    return texts[0]


def check_utf_8(argument: Argument, name: str) -> None:
    """Checks that a column's name that was given for an argument is text, which the system does not see to.

    Raises:
        UsageError: It is not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = name.encode("utf-8", "backslashreplace").decode()
        raise UsageError(argument, f" {shown}: is not UTF-8: a column's name has to be") from error


def check_names_free(source: str, names: Iterable[str], added: Sequence[str]) -> None:
    """Checks that none of an input's columns has the name of one that is added.

    Raises:
        UsageError: A name is taken.
    """
    taken = [name for name in added if name in set(names)]
    if taken:
        raise UsageError(f"{source}: has a column '{taken[0]}' already: give the new ones a ", Argument("prefix"))


def parse_keep(values: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of columns that values of `--keep` hold, between commas.

    Raises:
        UsageError: A name is empty, not UTF-8, or given twice.
    """
    names = tuple(name for value in values for name in value.split(","))
    for name in names:
        check_utf_8(Argument("keep"), name)
        if not name:
            raise UsageError(f"--keep {','.join(values)}: a name is empty: give columns, as in --keep id,date")
        if names.count(name) > 1:
            raise UsageError(f"--keep {name}: given twice: name each column once")
    return names


def find_columns(source: str, schema: pa.Schema, names: Sequence[str]) -> list[int]:
    """Returns the indices of the columns with these names.

    Raises:
        InputError: There is no such column, or several have the name.
    """
    found = []
    for name in names:
        indices = schema.get_all_field_indices(name)
        if not indices:
            raise InputError(f"{source}: no column '{name}' to keep; it has {list_names(schema.names)}")
        if len(indices) > 1:
            raise InputError(f"{source}: {len(indices)} columns are named '{name}': rename all but one")
        found.append(indices[0])
    return found


def result_names(models: Sequence[str], prefix: str = "") -> list[str]:
    """Returns the names of the columns that models' results get, in order.

    In a model's name every sign but letters and digits becomes `_`, so that SQL takes the column's name as it is.

    Raises:
        UsageError: Two models would have the same columns, or the prefix is not UTF-8.
    """
    check_utf_8(Argument("prefix"), prefix)
    if len(set(models)) < len(models):
        twice = next(name for name in models if models.count(name) > 1)
        raise UsageError(f"--model {twice}: given twice, and columns are named by model: give it once")
    if len(models) == 1:
        return [f"{prefix}sentiment", f"{prefix}score"]
    names = _name_by_letters(models)
    if len(set(names)) < len(names):
        alike = next(name for name in names if names.count(name) > 1)
        both = " and ".join(model for model, name in zip(models, names, strict=True) if name == alike)
        raise UsageError(f"--model {both}: would share the column '{alike}_score': rename the folder of one of them")
    return [f"{prefix}{name}_{column}" for name in names for column in ("score", "sentiment")]


def added_names(models: Sequence[str], prefix: str = "", *, explained: bool = False) -> list[str]:
    """Returns the names of all columns that are added, in order: those of the results, and of their explanations.

    Raises:
        UsageError: As `result_names`.
    """
    return result_names(models, prefix) + (explanation_names(models, prefix) if explained else [])


def explanation_names(models: Sequence[str], prefix: str = "") -> list[str]:
    """Returns the names of the columns that models' explanations get, in order; `result_names` has checked them."""
    stems = [prefix] if len(models) == 1 else [f"{prefix}{name}_" for name in _name_by_letters(models)]
    return [f"{stem}{column}" for stem in stems for column in ("explain_words", "explain_effects")]


def _name_by_letters(models: Sequence[str]) -> list[str]:
    return ["".join(sign if sign.isalnum() else "_" for sign in model) for model in models]


def result_columns(scores: Mapping[str, npt.NDArray[np.float32]]) -> list[pa.Array]:
    """Returns the columns [n] that `result_names` names: scores as float32, sentiments as strings.

    Args:
        scores: Each model's probabilities [n] by its name. A NaN becomes a null in both columns.
    """
    columns = []
    for probabilities in scores.values():
        score = pa.array(probabilities, pa.float32(), from_pandas=True)
        sentiments = np.where(probabilities >= POSITIVE_FROM, "positive", "negative").astype(object)
        sentiment = pa.array(sentiments, pa.string(), mask=np.isnan(probabilities))
        columns += [sentiment, score] if len(scores) == 1 else [score, sentiment]
    return columns


def _find_column(source: str, columns: Sequence[Column], wanted: str) -> int:
    found = [index for index, column in enumerate(columns) if column.name == wanted]
    if not found:
        raise InputError(f"{source}: no column '{wanted}'; it has {list_names(column.name for column in columns)}")
    if len(found) > 1:
        raise InputError(f"{source}: {len(found)} columns are named '{wanted}': rename all but one")
    column = columns[found[0]]
    if not column.is_text and not column.is_null:
        texts = [column.name for column in columns if column.is_text]
        remedy = f"text is in {list_names(texts)}" if texts else "no column of it holds text"
        raise InputError(f"{source}: column '{wanted}' is {column.type}, not text; {remedy}")
    return found[0]


def list_names(names: Iterable[str]) -> str:
    """Returns columns' names for a message: in quotes, and the first 20 of them alone."""
    quoted = [f"'{name}'" for name in names]
    more = f" and {len(quoted) - _MAX_LISTED} more" if len(quoted) > _MAX_LISTED else ""
    return (", ".join(quoted[:_MAX_LISTED]) or "no columns") + more


def count_bytes(rows: pa.RecordBatch) -> int:
    """Returns the bytes of a batch's own rows.

    Dictionaries do not count, for all slices of a batch share them, and of string views only the strings that the rows
    refer to do. `nbytes` counts either as a whole for every slice.
    """
    return sum(map(_count_array_bytes, rows.columns))


def count_dictionary_bytes(rows: pa.RecordBatch, seen: set[int]) -> int:
    """Returns the bytes of a batch's dictionaries, but for those that were seen, to which the others are added."""
    size = 0
    for column in rows.columns:
        if pa.types.is_dictionary(column.type):
            address = next((buffer.address for buffer in reversed(column.dictionary.buffers()) if buffer), 0)
            if address not in seen:
                seen.add(address)
                size += column.dictionary.nbytes
    return size


def _count_array_bytes(array: pa.Array) -> int:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return int(array.indices.nbytes)
    if pa.types.is_string_view(kind):
        return int(array.cast(pa.large_string()).nbytes)
    if pa.types.is_binary_view(kind):
        return int(array.cast(pa.large_binary()).nbytes)
    if pa.types.is_struct(kind):
        return sum(map(_count_array_bytes, array.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return 8 * len(array) + _count_array_bytes(array.flatten())
    return int(array.nbytes)
