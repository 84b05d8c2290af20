"""Measures what the lower precision of a graph costs, and checks that no score depends on the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sentscore.columns import POSITIVE_FROM
from sentscore.errors import ArtifactError
from sentscore.model.artifact import Artifact
from sentscore.model.engine import Engine
from sentscore.model.options import ModelOptions, Precision
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts

_SCORED_ALONE: Final = 200  # reviews that are scored once more, each in a batch of its own


class BatchDependenceError(ArtifactError):
    """A score depends on the other texts of its batch."""


@dataclass(frozen=True)
class PrecisionCheck:
    """How a graph's scores of the validation reviews compare with float32's.

    Attributes:
        reviews: The number of reviews.
        accuracy: The share of reviews whose sentiment is right.
        accuracy_fp32: The same share in float32.
        same_sentiment: The share of reviews that have the same sentiment in both.
        mean_difference: The mean absolute difference of two probabilities.
        worst_difference: The largest absolute difference of two probabilities.
    """

    reviews: int
    accuracy: float
    accuracy_fp32: float
    same_sentiment: float
    mean_difference: float
    worst_difference: float


def check_precision(artifact: Artifact, precision: Precision, validation: LabelledTexts) -> PrecisionCheck:
    """Scores the validation reviews in a precision and in float32, on the CPU.

    Raises:
        ArtifactError: There are no validation reviews.
        BatchDependenceError: A review has another score in a batch than alone.
    """
    rows = np.flatnonzero(validation.encoded.lengths)
    if not len(rows):
        raise ArtifactError(
            f"{artifact.path}: {precision} is compared on validation reviews, and the run has none: train again"
        )
    encoded, positive = validation.encoded.take(rows), validation.labels[rows] == 1
    fp32 = Engine(artifact, ModelOptions(device="cpu", precision="fp32")).score_encoded(encoded)
    engine = Engine(artifact, ModelOptions(device="cpu", precision=precision))
    scores = engine.score_encoded(encoded)
    _check_independence(engine, encoded, scores)
    difference = np.abs(scores - fp32)
    return PrecisionCheck(
        reviews=len(rows),
        accuracy=float(((scores >= POSITIVE_FROM) == positive).mean()),
        accuracy_fp32=float(((fp32 >= POSITIVE_FROM) == positive).mean()),
        same_sentiment=float(((scores >= POSITIVE_FROM) == (fp32 >= POSITIVE_FROM)).mean()),
        mean_difference=float(difference.mean()),
        worst_difference=float(difference.max()),
    )


def _check_independence(engine: Engine, encoded: EncodedTexts, scores: npt.NDArray[np.float32]) -> None:
    """Raises an error if a review's score alone differs in any bit from its score in a batch."""
    sample = np.random.default_rng(1234).choice(len(encoded), min(_SCORED_ALONE, len(encoded)), replace=False)
    differ = [row for row in sample if engine.score_encoded(encoded.take(np.array([row])))[0] != scores[row]]
    if differ:
        raise BatchDependenceError(
            f"{engine.artifact.path}: {len(differ)} of {len(sample)} {engine.precision} scores depend on the batch: "
            "nothing was written; check the version of onnxruntime"
        )
