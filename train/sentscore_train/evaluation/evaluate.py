"""Scores labelled reviews with exported models, through the same code as the command line, and measures the scores."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.columns import choose_column, describe_columns
from sentscore.errors import ArtifactError, InputError, UsageError
from sentscore.model.artifact import LAYOUT, Artifact, Precision
from sentscore.progress import Progress, Report, silent
from sentscore.scorer import Scorer
from sentscore.text.normalize import as_text_array
from sentscore_train.data.imdb import Reviews, load_imdb
from sentscore_train.data.splits import split_by_movie
from sentscore_train.evaluation.metrics import Agreement, Calibration, Metrics, agreement, measure

Split = Literal["test", "validation", "train"]

PUBLISHED: Final = {"notebook's LSTM": 0.8677, "notebook's GRU": 0.8747}
"""Accuracy on the IMDB test reviews that the tutorial notebook gives for the models of the preset `notebook`."""

_POLL_S: Final = 0.25  # between two looks at how far the scoring is
_WARM_UP: Final = pa.array(["A film."])


@dataclass(frozen=True, eq=False)
class LabelledReviews:
    """Reviews to measure a model on.

    Attributes:
        source: where they come from, for messages.
        texts: Arrow strings [n].
        labels: int8 [n], 0 (negative) or 1 (positive).
    """

    source: str
    texts: pa.Array | pa.ChunkedArray
    labels: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class ScoredReviews:
    """What a model makes of reviews.

    Attributes:
        probabilities: that each is positive, float32 [n].
        lengths: tokens of each, int64 [n].
        seconds: from texts to scores, loading the model aside.
    """

    probabilities: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64]
    seconds: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model on some reviews.

    Attributes:
        model: as it was named.
        manifest_sha256: of the artifact, in hexadecimal.
        precision: `fp32`, `int8` or `fp16`, of the graph that ran.
        device: `cpu` or `cuda`, that it ran on.
        source: of the reviews.
        size: bytes of the graph, of the weights that it rounds, and of the vocabulary.
        fitted_on: the reviews that chose the temperature, whose calibration therefore looks a little better than it is.
        metrics: what the model gets right.
        scored: the scores themselves.
    """

    model: str
    manifest_sha256: str
    precision: Precision
    device: str
    source: str
    size: int
    fitted_on: str
    metrics: Metrics
    scored: ScoredReviews

    @property
    def reviews_per_s(self) -> float:
        """Reviews a second, from text to score."""
        return len(self.scored.lengths) / self.scored.seconds

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold of it; the same model and reviews give the same on one machine, so no speed."""
        fields = {name: value for name, value in vars(self).items() if name not in ("metrics", "scored")}
        return {**fields, "metrics": asdict(self.metrics)}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the same reviews.

    Attributes:
        models: the two.
        agreement: how they differ.
    """

    models: tuple[Evaluation, Evaluation]
    agreement: Agreement

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold of it."""
        return {
            "models": [{**each.to_dict(), "reviews_per_s": each.reviews_per_s} for each in self.models],
            "agreement": asdict(self.agreement),
            "published_test_accuracy": PUBLISHED,
        }


def read_table(path: Path) -> LabelledReviews:
    """Reads a Parquet table with a column `text` and a column `label`, 0 (negative) or 1 (positive).

    Raises:
        InputError: the table cannot be read, lacks a column or all rows, or has another label.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            choose_column(str(path), describe_columns(schema), "text")
            if schema.names.count("label") != 1:
                raise InputError(
                    f"{path}: no single column 'label': name a table with one of 0 (negative) and 1 (positive)"
                )
            table = file.read(columns=["text", "label"])
    except (OSError, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: no table ({reason}): name a Parquet file with columns text and label") from error
    labels = table["label"].to_pylist()
    if not labels:
        raise InputError(f"{path}: has no rows: name a table with reviews")
    wrong = next((row for row, label in enumerate(labels) if label not in (0, 1)), None)
    if wrong is not None:
        raise InputError(
            f"{path}: row {wrong + 1:,} has the label {labels[wrong]!r}: label negative reviews 0, positive ones 1"
        )
    return LabelledReviews(str(path), table["text"], np.array(labels, np.int8))


def read_test(source: Path, *, allow_partial: bool = False, report: Report = silent) -> LabelledReviews:
    """Reads a Parquet table, as `read_table` does, or the test reviews of an IMDB archive or folder.

    Raises:
        InputError: neither is there, or it is damaged.
    """
    if source.is_dir() or source.name.endswith((".tar.gz", ".tgz", ".tar")):
        return read_split("test", [], source, data_dir=source, allow_partial=allow_partial, report=report)
    return read_table(source)


def read_split(
    split: Split,
    artifacts: Sequence[Artifact],
    imdb_source: Path | None,
    *,
    data_dir: Path,
    allow_partial: bool = False,
    report: Report = silent,
) -> LabelledReviews:
    """Reads the IMDB test reviews, or those that the models were trained or validated on.

    Args:
        split: training and validation reviews are drawn again as the manifests' recipes say.
        artifacts: the models, all of one and the same split.
        imdb_source: as in `imdb.load_imdb`.
        data_dir: where a download goes.
        allow_partial: accept fewer reviews than published.
        report: told about a download.

    Raises:
        ArtifactError: a manifest does not say how the split was drawn.
        UsageError: the models have different splits.
        InputError: the reviews are missing or damaged, or not those that a model was trained on.
    """
    drawn = [_drawn(artifact) for artifact in artifacts] if split != "test" else []
    if len(set(drawn)) > 1:
        listed = "; ".join(
            f"{artifact.path}: seed {seed}, share {share}"
            for artifact, (seed, share) in zip(artifacts, drawn, strict=True)
        )
        raise UsageError(f"--split {split}: the models have different ones ({listed}): use --split test")
    report(Progress("reading the reviews", 0, 1))
    imdb = load_imdb(imdb_source, data_dir=data_dir, allow_partial=allow_partial, report=report)
    if split == "test":
        return _of(imdb.test, "IMDB test", np.arange(len(imdb.test)))
    seed, share = drawn[0]
    train, validation = split_by_movie(imdb.train.movies, imdb.train.labels, share=share, seed=seed)
    for artifact in artifacts:
        for name, rows in (("train", train), ("validation", validation)):
            expected = artifact.manifest.data.get(name, len(rows))
            if len(rows) != expected:
                raise InputError(
                    f"{imdb_source or data_dir}: {len(rows):,} {name} reviews, {artifact.path / LAYOUT.manifest} says "
                    f"{expected:,}: name the reviews that the model was trained on with --imdb"
                )
    return _of(imdb.train, f"IMDB {split}", train if split == "train" else validation)


def score_reviews(scorer: Scorer, reviews: LabelledReviews, report: Report = silent) -> ScoredReviews:
    """Scores all of the reviews.

    Raises:
        InputError: a review has nothing to score.
    """
    scorer.score(_WARM_UP)  # else the first model alone would pay for what is loaded once
    phase = f"scoring with {scorer.name} in {scorer.precision}"
    report(Progress(phase, 0, len(reviews)))
    began = time.perf_counter()
    try:
        texts = scorer.engine.encode(as_text_array(reviews.texts)).result()
    except InputError as error:
        raise InputError(f"{reviews.source}: {error}") from error
    lengths = np.append(texts.encoded.lengths, 0)[texts.rows]  # a null's row is one behind the last
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
    """What a manifest says of reviews: metrics under short names, losses in nats, `uncalibrated` at temperature 1."""

    def sureness(at: Calibration) -> dict[str, float]:
        return {"loss": at.log_loss, "brier": at.brier, "ece": at.ece}

    interval = metrics.accuracy_interval
    return {
        "reviews": metrics.reviews,
        "accuracy": metrics.accuracy,
        "accuracy_interval": [interval.low, interval.high],
        "auc": metrics.auc,
        **sureness(metrics.calibrated),
        "uncalibrated": sureness(metrics.uncalibrated),
    }


def evaluate(model: str, scorer: Scorer, reviews: LabelledReviews, report: Report = silent) -> Evaluation:
    """Scores reviews and measures the scores.

    Args:
        model: what the results call it.
        scorer: the loaded model.
        reviews: of both classes.
        report: told how far the scoring is.

    Raises:
        InputError: a review has nothing to score, or all have one label.
        ArtifactError: the manifest does not say the temperature.
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
    files = [LAYOUT.graph(scorer.precision), LAYOUT.vocabulary]
    if scorer.precision == "fp16":
        files.append(LAYOUT.model)
    return Evaluation(
        model=model,
        manifest_sha256=artifact.manifest_sha256,
        precision=scorer.precision,
        device=scorer.device,
        source=reviews.source,
        size=sum(artifact.manifest.files[file].size for file in files),
        fitted_on=str(artifact.manifest.calibration.get("fitted_on", "unknown")),
        metrics=measure(scored.probabilities, reviews.labels, scored.lengths, temperature=float(temperature)),
        scored=scored,
    )


def compare(first: Evaluation, second: Evaluation, reviews: LabelledReviews) -> Comparison:
    """How two models differ on the reviews that both were evaluated on."""
    scores = first.scored.probabilities, second.scored.probabilities
    return Comparison((first, second), agreement(*scores, reviews.labels))


def _drawn(artifact: Artifact) -> tuple[int, float]:
    """Seed and share of the movie split that a model was trained on."""
    recipe = artifact.manifest.recipe
    missing = [name for name in ("seed", "validation_share") if not isinstance(recipe.get(name), int | float)]
    if missing:
        raise ArtifactError(
            f"{artifact.path / LAYOUT.manifest}: no recipe.{missing[0]}, so its movie split cannot be drawn again: "
            "use --split test, or export a model of the preset default"
        )
    return int(recipe["seed"]), float(recipe["validation_share"])


def _of(reviews: Reviews, source: str, rows: npt.NDArray[np.int64]) -> LabelledReviews:
    texts = pa.array([reviews.texts[row] for row in rows], pa.large_string())
    return LabelledReviews(source, texts, reviews.labels[rows])
