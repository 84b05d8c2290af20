"""Scores labelled reviews with exported models, through the same code as the command line, and measures the scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.errors import ArtifactError, InputError
from sentscore.model.artifact import LAYOUT
from sentscore.model.options import ComputePrecision, graph_precision
from sentscore.progress import Progress, Report, silent
from sentscore.scorer import Scorer
from sentscore_train.evaluation.groups import (
    GroupMetrics,
    Groups,
    compare_groups,
    group_by_length,
    group_by_value,
    measure_groups,
)
from sentscore_train.evaluation.metrics import Agreement, Calibration, Metrics, compare_models, measure
from sentscore_train.evaluation.reviews import IMDB_TEST, LabelledReviews

PUBLISHED: Final = {"notebook's LSTM": 0.8677, "notebook's GRU": 0.8747}
"""The accuracies on the IMDB test reviews that the tutorial notebook gives for the models of the preset `notebook`."""

LENGTH: Final = "length"
"""The name of the groups by length among those by the values of columns."""

_POLL_S: Final = 0.25  # between two reports on the scoring
_WARM_UP: Final = pa.array(["A film."])


@dataclass(frozen=True, eq=False)
class ScoredReviews:
    """The scores that a model gives to reviews.

    Attributes:
        probabilities: The probability that each review is positive, float32 [n].
        lengths: The number of tokens of each review, int64 [n].
        seconds: The time from texts to scores, without loading the model.
    """

    probabilities: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    seconds: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How one model does on some reviews.

    Attributes:
        model: The model as the caller named it.
        manifest_sha256: The sha256 of the artifact's manifest, in hexadecimal.
        precision: What it computed in: `fp32`, `tf32`, `int8` or `fp16`.
        device: The device that it ran on: `cpu` or `cuda`.
        source: Where the reviews come from.
        size: The bytes of the files that were needed: the graph, the graph whose weights it rounds, the vocabulary.
        fitted_on: The reviews that the temperature was fitted on. On these, calibration looks a little too good.
        metrics: How good the scores are.
        by: The metrics of each group of reviews, by the column that has the group's name and by `length`.
        scored: The scores.
    """

    model: str
    manifest_sha256: str
    precision: ComputePrecision
    device: str
    source: str
    size: int
    fitted_on: str
    metrics: Metrics
    by: dict[str, dict[str, GroupMetrics]]
    scored: ScoredReviews

    @property
    def reviews_per_s(self) -> float:
        """The speed from text to score, in reviews a second."""
        return len(self.scored.lengths) / self.scored.seconds

    def to_dict(self) -> dict[str, Any]:
        """Returns the values for JSON, without the speed: the same run gives the same values again."""
        fields = {name: value for name, value in vars(self).items() if name not in ("metrics", "by", "scored")}
        return {**fields, "metrics": asdict(self.metrics), "by": _groups_to_dict(self.by)}


@dataclass(frozen=True, eq=False)
class Comparison:
    """How two models do on the same reviews.

    Attributes:
        models: The two evaluations.
        agreement: How the models differ.
        by: How they differ on each group of reviews, as in `Evaluation.by`.
        published: The accuracies that others have published for these reviews, by the name of the model.
    """

    models: tuple[Evaluation, Evaluation]
    agreement: Agreement
    by: dict[str, dict[str, Agreement]]
    published: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Returns the values for JSON."""
        return {
            "models": [{**each.to_dict(), "reviews_per_s": each.reviews_per_s} for each in self.models],
            "agreement": asdict(self.agreement),
            "by": {
                column: {name: asdict(found) for name, found in groups.items()} for column, groups in self.by.items()
            },
            "published_test_accuracy": self.published,
        }


def score_reviews(scorer: Scorer, reviews: LabelledReviews, report: Report = silent) -> ScoredReviews:
    """Scores all reviews.

    Raises:
        InputError: A review has no token to score.
    """
    scorer.score(_WARM_UP)  # or the first of two models alone would pay for what both load
    phase = f"scoring with {scorer.name} in {scorer.precision}"
    report(Progress(phase, 0, len(reviews)))
    began = time.perf_counter()
    texts = scorer.engine.encode(reviews.texts).result()
    lengths = np.append(texts.encoded.lengths, 0)[texts.rows]  # a null's row is the one behind the last
    if not lengths.all():
        raise InputError(
            f"{reviews.source}: row {lengths.argmin() + 1:,} has no text to score: leave such rows out of the table"
        )
    with scorer.engine.pool() as pool:
        scoring = scorer.engine.submit(texts, pool)
        while not scoring.wait(_POLL_S):
            report(Progress(phase, int(len(reviews) * scoring.tokens_done / scoring.tokens), len(reviews)))
        probabilities = scoring.result()
    seconds = time.perf_counter() - began
    report(Progress(phase, len(reviews), len(reviews)))
    return ScoredReviews(probabilities, lengths, seconds)


def manifest_metrics(metrics: Metrics) -> dict[str, Any]:
    """Returns the metrics as a manifest has them: losses in nats, `uncalibrated` with temperature 1."""

    def losses(at: Calibration) -> dict[str, float]:
        return {"loss": at.log_loss, "brier": at.brier, "ece": at.ece}

    interval = metrics.accuracy_interval
    return {
        "reviews": metrics.reviews,
        "accuracy": metrics.accuracy,
        "accuracy_interval": [interval.low, interval.high],
        "auc": metrics.auc,
        **losses(metrics.calibrated),
        "uncalibrated": losses(metrics.uncalibrated),
    }


def manifest_groups(by: Mapping[str, Mapping[str, GroupMetrics]]) -> dict[str, Any]:
    """Returns the metrics of groups as a manifest has them, under the names that `manifest_metrics` gives."""

    def entry(found: GroupMetrics) -> dict[str, Any]:
        values = asdict(found)
        interval = values.pop("accuracy_interval")
        return {**values, "accuracy_interval": [interval["low"], interval["high"]], "loss": values.pop("log_loss")}

    return {column: {name: entry(found) for name, found in groups.items()} for column, groups in by.items()}


def group_reviews(columns: Mapping[str, Sequence[str]], lengths: npt.NDArray[np.int64]) -> dict[str, Groups]:
    """Returns the groups of reviews by the values [n] of each column of more than one value, and by length [n]."""
    groups: dict[str, Groups] = {}
    for name, values in columns.items():
        found = group_by_value(values)
        if len(found) > 1:
            groups[name] = found
    groups.setdefault(LENGTH, group_by_length(lengths))
    return groups


def evaluate(model: str, scorer: Scorer, reviews: LabelledReviews, report: Report = silent) -> Evaluation:
    """Scores reviews and measures the scores.

    Args:
        model: The name that the results give the model.
        scorer: The loaded model.
        reviews: Reviews of both classes.
        report: The function that is told how far the scoring is.

    Raises:
        InputError: A review has no token to score, or all reviews have the same label.
        ArtifactError: The manifest does not give the temperature.
    """
    labels = np.unique(reviews.labels)
    if len(labels) < 2:
        raise InputError(
            f"{reviews.source}: every label is {labels[0]}, and AUC and F1 need both: name reviews of both classes"
        )
    artifact = scorer.artifact
    temperature = artifact.manifest.calibration.get("temperature")
    if not isinstance(temperature, float | int):
        raise ArtifactError(
            f"{artifact.path / LAYOUT.manifest}: no calibration.temperature ({temperature!r}): export the model again"
        )
    scored = score_reviews(scorer, reviews, report)
    groups = group_reviews(reviews.columns, scored.lengths)
    files = {LAYOUT.graph(graph_precision(scorer.precision)), LAYOUT.vocabulary}
    if scorer.precision == "fp16":
        files.add(LAYOUT.model)
    return Evaluation(
        model=model,
        manifest_sha256=artifact.manifest_sha256,
        precision=scorer.precision,
        device=scorer.device,
        source=reviews.source,
        size=sum(artifact.manifest.files[file].size for file in files),
        fitted_on=str(artifact.manifest.calibration.get("fitted_on", "unknown")),
        metrics=measure(scored.probabilities, reviews.labels, scored.lengths, temperature=float(temperature)),
        by={name: measure_groups(scored.probabilities, reviews.labels, rows) for name, rows in groups.items()},
        scored=scored,
    )


def compare(first: Evaluation, second: Evaluation, reviews: LabelledReviews) -> Comparison:
    """Compares two models on the reviews that both were evaluated on."""
    scores = first.scored.probabilities, second.scored.probabilities
    # Each model has tokens of its own, so the groups by length are those of the first one.
    groups = group_reviews(reviews.columns, first.scored.lengths)
    return Comparison(
        (first, second),
        compare_models(*scores, reviews.labels),
        {name: compare_groups(*scores, reviews.labels, rows) for name, rows in groups.items()},
        dict(PUBLISHED) if reviews.source == IMDB_TEST else {},
    )


def _groups_to_dict(by: Mapping[str, Mapping[str, GroupMetrics | Agreement]]) -> dict[str, Any]:
    return {column: {name: asdict(found) for name, found in groups.items()} for column, groups in by.items()}
