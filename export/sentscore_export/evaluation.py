"""Scores a labelled table with an exported model, through the same code as the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.artifact import Artifact, Precision
from sentscore.errors import InputError
from sentscore.scorer import Scorer

_STEP = 500  # reviews between two reports


def evaluate(
    artifact: Artifact, path: Path, progress: Callable[[int, int], None], *, precision: Precision = "fp32"
) -> dict[str, Any]:
    """Accuracy (a share), log loss (nats) and number of the reviews of a table.

    Args:
        artifact: the model.
        path: Parquet with a column `text` and a column `label`, 0 (negative) or 1 (positive).
        progress: called with (reviews done, reviews in all).
        precision: of the graph.

    Raises:
        InputError: the table cannot be read, lacks a column, or a review has no text or another label.
    """
    try:
        table = pq.read_table(path, columns=["text", "label"])
        labels = table["label"].to_numpy()
    except (OSError, pa.ArrowException, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: no table with columns text and label ({reason}): name a Parquet file") from error
    scorer = Scorer(artifact, device="cpu", precision=precision)
    parts = []
    for start in range(0, table.num_rows, _STEP):
        parts.append(scorer.score(table["text"].slice(start, _STEP)))
        progress(min(start + _STEP, table.num_rows), table.num_rows)
    scores = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
    if not len(scores) or np.isnan(scores).any() or not np.isin(labels, (0, 1)).all():
        raise InputError(f"{path}: every review needs a text and a label of 0 or 1: name a table of such")
    likelihood = np.clip(np.where(labels == 1, scores, 1.0 - scores), 1e-12, 1.0)
    return {
        "accuracy": float(((scores >= 0.5) == (labels == 1)).mean()),
        "loss": float(-np.log(likelihood).mean()),
        "reviews": len(scores),
    }
