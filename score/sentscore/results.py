"""The columns that scores become: `sentiment` and `score`, or two a model when there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.errors import UsageError

POSITIVE_FROM: Final = 0.5
"""The probability from which on a text counts as positive."""


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
