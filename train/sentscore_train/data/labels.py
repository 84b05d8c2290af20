"""Reads the labels of a table: 0 and 1, true and false, negative and positive, or numbers such as stars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sentscore.errors import InputError, UsageError, shorten

UNLABELLED: Final = -1
"""The label of a text that has none."""

BETWEEN: Final = -2
"""The label of a text that is neither negative nor positive, such as one of three stars."""

_STARS_NEGATIVE_TO, _STARS_POSITIVE_FROM = 2.0, 4.0  # what IMDB and Amazon reviews are divided by
Codes = dict[str | float, int]  # the label of each value

_WORDS: Final[dict[str, Codes]] = {
    "false and true": {"false": 0, "true": 1},
    "negative and positive": {"negative": 0, "positive": 1},
    "neg and pos": {"neg": 0, "pos": 1},
}
_KNOWN: Final = "0 and 1, true and false, negative and positive, and 1 to 5 stars"


@dataclass(frozen=True)
class Scale:
    """Which numbers are negative and which are positive.

    Attributes:
        negative_to: The highest negative number; None takes that of stars, 2.
        positive_from: The lowest positive number; None takes that of stars, 4.

    Raises:
        UsageError: A number would be both.
    """

    negative_to: float | None = None
    positive_from: float | None = None

    def __post_init__(self) -> None:
        low, high = self.borders
        if not low < high:
            raise UsageError(f"--negative-to {low:g} is not below --positive-from {high:g}: give two that are apart")

    @property
    def is_given(self) -> bool:
        """Whether one of the numbers was asked for, so that every label has to be a number."""
        return self.negative_to is not None or self.positive_from is not None

    @property
    def borders(self) -> tuple[float, float]:
        """The highest negative and the lowest positive number."""
        low = _STARS_NEGATIVE_TO if self.negative_to is None else self.negative_to
        high = _STARS_POSITIVE_FROM if self.positive_from is None else self.positive_from
        return low, high


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of a table's rows.

    Attributes:
        values: int8 [n] 0 for negative, 1 for positive, `UNLABELLED` or `BETWEEN`.
        meaning: How the column was understood, such as `0 and 1` or `numbers: up to 2 negative, from 4 positive`.
    """

    values: npt.NDArray[np.int8]
    meaning: str


def read_labels(name: str, column: str, values: Sequence[Any], scale: Scale) -> Labels:
    """Returns the labels that the values of a column stand for.

    A null, an empty text and a NaN stand for no label. All other values have to be of one kind. Numbers from 1 to 5 are
    stars, and with a scale all numbers are understood by it.

    Args:
        name: The table's name, for messages.
        column: The column's name, for messages.
        values: The values [n] as Python has them.
        scale: Which numbers are negative and which are positive.

    Raises:
        InputError: A value is not understood, or the values could mean two things.
    """
    plain = [_simplify(value) for value in values]
    rows: dict[str | float, int] = {}  # the first row of each value
    for row, value in enumerate(plain):
        if value is not None:
            rows.setdefault(value, row)
    if not rows:
        return Labels(np.full(len(plain), UNLABELLED, np.int8), "none")
    words = {} if scale.is_given else _WORDS
    meaning = next((meaning for meaning, codes in words.items() if rows.keys() <= codes.keys()), None)
    if meaning is not None:
        codes = words[meaning]
    else:
        strange = _find_strange(rows, words)
        if strange:
            row = min(rows[value] for value in strange)
            raise InputError(
                f"{name}: column '{column}', row {row} (from 0) has the label {shorten(values[row])}: understood are "
                + ("numbers, for a scale is given" if scale.is_given else f"{_KNOWN}; a column has one kind of them")
            )
        numbers = sorted(value for value in rows if isinstance(value, float))
        meaning, codes = _read_numbers(f"{name}: column '{column}'", numbers, scale)
    coded = [UNLABELLED if value is None else codes[value] for value in plain]
    return Labels(np.array(coded, np.int8), meaning)


def _simplify(value: Any) -> str | float | None:  # noqa: ANN401 - a cell of any table
    """Returns a value as a number or as a word in lower case, None where it stands for no label."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        word = value.strip().lower()
        try:
            value = float(word) if word else None
        except ValueError:
            return word
    elif value is not None:
        try:
            value = float(value)
        except (TypeError, ValueError, OverflowError):
            return repr(value)
    return None if value is None or math.isnan(value) else value


def _find_strange(rows: Mapping[str | float, int], words: Mapping[str, Codes]) -> list[str | float]:
    """Returns the values that do not fit the others: where some are known words, those that are not."""
    for codes in words.values():
        if rows.keys() & codes.keys():
            return [value for value in rows if value not in codes]
    return [value for value in rows if isinstance(value, str) or math.isinf(value)]


def _read_numbers(where: str, numbers: Sequence[float], scale: Scale) -> tuple[str, Codes]:
    """Returns what distinct numbers in ascending order mean, and the label of each."""
    low, high = scale.borders
    if not scale.is_given:
        if list(numbers) in ([0.0], [0.0, 1.0]):
            return "0 and 1", {0.0: 0, 1.0: 1}
        if list(numbers) == [1.0]:
            raise InputError(
                f"{where} has no label but 1, which may be positive or one star: say so with --negative-to 0 "
                "--positive-from 1, or --negative-to 2"
            )
        if numbers[0] < 1.0 or numbers[-1] > 5.0:
            raise InputError(
                f"{where} has labels from {numbers[0]:g} to {numbers[-1]:g}, neither 0 and 1 nor 1 to 5 stars: say "
                "which are negative and positive with --negative-to and --positive-from"
            )
    codes: Codes = {number: 0 if number <= low else 1 if number >= high else BETWEEN for number in numbers}
    return f"numbers: up to {low:g} negative, from {high:g} positive", codes
