"""Counts texts, positive ones and scores by group and by time, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sentscore.columns import POSITIVE_FROM
from sentscore.pages.report.rows import TIME, Scores

MOST_GROUPS: Final = 100_000
"""The groups that are counted at a time. If there are more, the half with the fewest texts is forgotten."""

MOST_PERIODS: Final = 60
"""The periods that are shown: as many as a chart has room for."""

UNITS: Final = ("hour", "day", "week", "month", "quarter", "year")
"""The lengths of a period. The shortest with at most `MOST_PERIODS` periods is shown."""

_HELD_PERIODS: Final = 4_096  # before a longer unit is taken

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GroupCount:
    """What was counted of a group or a period.

    Attributes:
        key: The group; None for rows without one.
        size: How many texts have a score.
        positive: How many of them are positive.
    """

    key: str | None
    size: int
    positive: int

    @property
    def share(self) -> float:
        """The share of positive texts."""
        return self.positive / self.size


class GroupCounts:
    """Counts the scores of each group.

    Args:
        models: The number of columns of scores.

    Attributes:
        is_exact: Whether all groups were counted from their first row on.
    """

    def __init__(self, models: int) -> None:
        self._models = models
        self._counts: dict[str | None, _Ints] = {}  # of each model the texts and the positive ones [models, 2]
        self.is_exact = True

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, groups: pa.Array, scores: Sequence[Scores]) -> None:
        """Adds rows.

        Args:
            groups: The group of each row, `large_string` [n].
            scores: Each model's scores, float32 [n]; NaN for none.
        """
        keys, counts = count_by_key(groups, scores)
        for key, count in zip(keys.to_pylist(), counts, strict=True):
            held = self._counts.get(key)
            self._counts[key] = count if held is None else held + count
        if len(self._counts) > MOST_GROUPS:
            self._forget()

    def count(self, model: int, key: str | None) -> GroupCount:
        """Returns what was counted of a group, whether there is such a group or not."""
        size, positive = self._counts.get(key, np.zeros((self._models, 2), np.int64))[model].tolist()
        return GroupCount(key, size, positive)

    def largest(self, model: int, count: int) -> list[GroupCount]:
        """Returns the groups with the most scored texts, the largest first; of equal ones those that came first."""
        found = [self.count(model, key) for key in self._counts]
        return sorted((each for each in found if each.size), key=lambda each: -each.size)[:count]

    def _forget(self) -> None:
        kept = sorted(self._counts.items(), key=lambda item: -int(item[1][0, 0]))[: MOST_GROUPS // 2]
        self._counts = dict(kept)
        self.is_exact = False


class PeriodCounts:
    """Counts the scores of each hour, and of longer periods when there are many.

    Args:
        models: The number of columns of scores.

    Attributes:
        without: How many scored rows have no time.
    """

    def __init__(self, models: int) -> None:
        self._unit = 0
        self._keys: pa.Array = pa.array([], TIME)
        self._counts: _Ints = np.zeros((0, models, 2), np.int64)
        self.without = 0

    def add(self, times: pa.Array, scores: Sequence[Scores]) -> None:
        """Adds rows.

        Args:
            times: The time of each row, `TIME` [n].
            scores: Each model's scores, float32 [n]; NaN for none.
        """
        keys, counts = count_by_key(_floor(times, UNITS[self._unit]), scores)
        known = np.asarray(keys.is_valid())
        self.without += int(counts[~known, 0, 0].sum())
        self._merge(pa.concat_arrays([self._keys, keys.drop_null()]), np.concatenate([self._counts, counts[known]]))
        while len(self._keys) > _HELD_PERIODS and self._unit < len(UNITS) - 1:
            self._lengthen()

    def finish(self) -> str:
        """Takes a unit with few enough periods to show, and returns it. Nothing can be added after it."""
        while len(self._keys) > MOST_PERIODS and self._unit < len(UNITS) - 1:
            self._lengthen()
        return UNITS[self._unit]

    def periods(self, model: int) -> list[GroupCount]:
        """Returns the periods with scored texts in order, each by the date, or date and hour, that it begins with."""
        ends = "s" if UNITS[self._unit] == "hour" else "D"
        names = np.datetime_as_string(self._keys.to_numpy(zero_copy_only=False).astype(f"M8[{ends}]")).tolist()
        counts = self._counts[:, model].tolist()
        return [GroupCount(name[:16], *count) for name, count in zip(names, counts, strict=True) if count[0]]

    def _lengthen(self) -> None:
        self._unit += 1
        self._merge(_floor(self._keys, UNITS[self._unit]), self._counts)

    def _merge(self, keys: pa.Array, counts: _Ints) -> None:
        encoded = keys.dictionary_encode()
        merged = np.zeros((len(encoded.dictionary), *self._counts.shape[1:]), np.int64)
        np.add.at(merged, np.asarray(encoded.indices), counts)
        order = pc.sort_indices(encoded.dictionary)
        self._keys, self._counts = encoded.dictionary.take(order), merged[np.asarray(order)]


def count_by_key(keys: pa.Array, scores: Sequence[Scores]) -> tuple[pa.Array, _Ints]:
    """Counts scores by key.

    Returns:
        The keys [k], a null among them if there is one, and of each key and model the texts and the positive ones,
        int64 [k, models, 2].
    """
    encoded = keys.dictionary_encode(null_encoding="encode")
    places = np.asarray(encoded.indices)
    bins = len(encoded.dictionary)
    counts = np.zeros((bins, len(scores), 2), np.int64)
    for model, values in enumerate(scores):
        counts[:, model, 0] = np.bincount(places[~np.isnan(values)], minlength=bins)
        counts[:, model, 1] = np.bincount(places[values >= POSITIVE_FROM], minlength=bins)
    return encoded.dictionary, counts


def _floor(times: pa.Array, unit: str) -> pa.Array:
    """Returns the beginning of the period that each time is in; weeks begin on Mondays."""
    return pc.floor_temporal(times, unit=unit)
