"""Compares a graph of less precision with the float32 one on validation reviews; checks that batches change nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentscore.columns import POSITIVE_FROM
from sentscore.errors import ArtifactError
from sentscore.model.artifact import Artifact, Precision
from sentscore.scorer import Scorer
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts

_ALONE = 200  # reviews that are scored once more, each by itself


class BatchDependenceError(ArtifactError):
    """A score depends on the texts in the same batch."""


@dataclass(frozen=True)
class PrecisionCheck:
    """What less precision costs on the validation reviews.

    Attributes:
        reviews: how many were compared.
        accuracy: share that it gets right.
        accuracy_fp32: share that float32 gets right.
        same_sentiment: share that both call the same.
        mean_difference: of two probabilities, absolute.
        worst_difference: of two probabilities, absolute.
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
        ArtifactError: there are no validation reviews.
        BatchDependenceError: a review has another score in a batch than by itself.
    """
    rows = np.flatnonzero(validation.encoded.lengths)
    if not len(rows):
        raise ArtifactError(
            f"{artifact.path}: {precision} is compared on validation reviews, and the run has none: train again"
        )
    encoded, positive = validation.encoded.take(rows), validation.labels[rows] == 1
    fp32 = Scorer(artifact, device="cpu", precision="fp32").score_encoded(encoded)
    scorer = Scorer(artifact, device="cpu", precision=precision)
    scores = scorer.score_encoded(encoded)
    _check_independence(scorer, encoded, scores)
    difference = np.abs(scores - fp32)
    return PrecisionCheck(
        reviews=len(rows),
        accuracy=float(((scores >= POSITIVE_FROM) == positive).mean()),
        accuracy_fp32=float(((fp32 >= POSITIVE_FROM) == positive).mean()),
        same_sentiment=float(((scores >= POSITIVE_FROM) == (fp32 >= POSITIVE_FROM)).mean()),
        mean_difference=float(difference.mean()),
        worst_difference=float(difference.max()),
    )


def _check_independence(scorer: Scorer, encoded: EncodedTexts, scores: npt.NDArray[np.float32]) -> None:
    """Raises where a review's score by itself is not the same bit for bit as in the batches of all."""
    sample = np.random.default_rng(1234).choice(len(encoded), min(_ALONE, len(encoded)), replace=False)
    differ = [row for row in sample if scorer.score_encoded(encoded.take(np.array([row])))[0] != scores[row]]
    if differ:
        raise BatchDependenceError(
            f"{scorer.artifact.path}: {len(differ)} of {len(sample)} {scorer.precision} scores depend on the batch: "
            "nothing was written; check the version of onnxruntime"
        )
