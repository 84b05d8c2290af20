"""Reads the labelled reviews that models are measured on: a Parquet table, or a split of IMDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.columns import choose_column, describe_columns
from sentscore.errors import ArtifactError, InputError, UsageError
from sentscore.model.artifact import LAYOUT, Artifact
from sentscore.progress import Progress, Report, silent
from sentscore.text.normalize import as_text_array
from sentscore_train.data.imdb import Reviews, load_imdb
from sentscore_train.data.splits import split_by_movie

Split = Literal["test", "validation", "train"]


@dataclass(frozen=True, eq=False)
class LabelledReviews:
    """Reviews to measure a model on.

    Attributes:
        source: Where the reviews come from, for messages.
        texts: The texts, an Arrow array of strings [n], which must be valid UTF-8.
        labels: Labels int8 [n], 0 (negative) or 1 (positive).
    """

    source: str
    texts: pa.Array
    labels: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.labels)


def read_table(path: Path) -> LabelledReviews:
    """Reads a Parquet table with a column `text` and a column `label`, 0 (negative) or 1 (positive).

    Raises:
        InputError: The table cannot be read, has no rows, lacks a column, or has another label. A text is not
            UTF-8.
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
    try:
        texts = as_text_array(table["text"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return LabelledReviews(str(path), texts, np.array(labels, np.int8))


def read_test(source: Path, *, allow_partial: bool = False, report: Report = silent) -> LabelledReviews:
    """Reads a Parquet table as `read_table` does, or the test reviews of an IMDB archive or folder.

    Raises:
        InputError: The source is missing or damaged.
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
    """Reads the IMDB test reviews, or the reviews that the models were trained or validated on.

    Args:
        split: The split to read. Training and validation reviews are split again as the manifests' recipes say.
        artifacts: The models, which must all have the same split.
        imdb_source: The source of the reviews, as `imdb.load_imdb` takes it.
        data_dir: The folder that a download goes to.
        allow_partial: Whether to accept fewer reviews than published.
        report: The function that is told about a download.

    Raises:
        ArtifactError: A manifest does not say how the reviews were split.
        UsageError: The models have different splits.
        InputError: The reviews are missing or damaged, or are not those that a model was trained on.
    """
    recipes = [_read_split_recipe(artifact) for artifact in artifacts] if split != "test" else []
    if len(set(recipes)) > 1:
        listed = "; ".join(
            f"{artifact.path}: seed {seed}, share {share}"
            for artifact, (seed, share) in zip(artifacts, recipes, strict=True)
        )
        raise UsageError(f"--split {split}: the models have different ones ({listed}): use --split test")
    report(Progress("reading the reviews", 0, 1))
    imdb = load_imdb(imdb_source, data_dir=data_dir, allow_partial=allow_partial, report=report)
    if split == "test":
        return _select(imdb.test, "IMDB test", np.arange(len(imdb.test)))
    seed, share = recipes[0]
    train, validation = split_by_movie(imdb.train.movies, imdb.train.labels, share=share, seed=seed)
    for artifact in artifacts:
        for name, rows in (("train", train), ("validation", validation)):
            expected = artifact.manifest.data.get(name, len(rows))
            if len(rows) != expected:
                raise InputError(
                    f"{imdb_source or data_dir}: {len(rows):,} {name} reviews, {artifact.path / LAYOUT.manifest} says "
                    f"{expected:,}: name the reviews that the model was trained on with --imdb"
                )
    return _select(imdb.train, f"IMDB {split}", train if split == "train" else validation)


def _read_split_recipe(artifact: Artifact) -> tuple[int, float]:
    """Returns the seed and the validation share of the movie split that a model was trained on."""
    recipe = artifact.manifest.recipe
    missing = [name for name in ("seed", "validation_share") if not isinstance(recipe.get(name), int | float)]
    if missing:
        raise ArtifactError(
            f"{artifact.path / LAYOUT.manifest}: no recipe.{missing[0]}, so its movie split cannot be made again: "
            "use --split test, or export a model of the preset default"
        )
    return int(recipe["seed"]), float(recipe["validation_share"])


def _select(reviews: Reviews, source: str, rows: npt.NDArray[np.int64]) -> LabelledReviews:
    texts = pa.array([reviews.texts[row] for row in rows], pa.large_string())
    return LabelledReviews(source, texts, reviews.labels[rows])
