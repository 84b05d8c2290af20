"""Reads the labelled reviews that models are measured on: a table, or a split of IMDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.errors import ArtifactError, InputError, UsageError
from sentscore.model.artifact import LAYOUT, Artifact
from sentscore.progress import Progress, Report, silent
from sentscore_train.data.corpus import IMDB_DOMAIN, Corpus, Source, divide, imdb_source
from sentscore_train.data.imdb import load_imdb
from sentscore_train.data.tables import Table, TableOptions, read_table, to_source

Split = Literal["test", "validation", "train"]

IMDB_TEST: Final = "IMDB test"
"""The source of the IMDB test reviews."""

_NO_VALUE: Final = "none"  # the group of rows without a value


@dataclass(frozen=True, eq=False)
class LabelledReviews:
    """Reviews to measure a model on.

    Attributes:
        source: Where the reviews come from, for messages.
        texts: The texts, an Arrow array of strings [n], which must be valid UTF-8.
        labels: Labels int8 [n], 0 (negative) or 1 (positive).
        columns: Values [n] by which the results are told apart too, by the name of the column.
    """

    source: str
    texts: pa.Array
    labels: npt.NDArray[np.int8]
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


def read_labelled_table(
    path: Path,
    options: TableOptions | None = None,
    *,
    split: Split | None = None,
    artifacts: Sequence[Artifact] = (),
    report: Report = silent,
) -> LabelledReviews:
    """Reads the labelled rows of a table. Its columns are `domain` if it has one, and the column of groups if named.

    Args:
        path: The table. Its name tells the format.
        options: Which columns are read. The column of groups is one of the result's columns.
        split: The rows to read. Training and validation rows are divided again as the models' manifests say. `test`
            takes the rows that the table's own column `split` says are for testing. None takes all others.
        artifacts: The models, for a split of their training.
        report: The function that is told how many rows are read.

    Raises:
        InputError: The table cannot be read, or has no such rows.
        UsageError: The table's name does not tell its format, or the models have different splits.
        ArtifactError: A manifest does not say how the reviews were split.
    """
    options = options or TableOptions()
    table = read_table(path, options, report=report)
    if split in ("train", "validation"):
        return _read_trained_rows(table, options, split, artifacts)
    splits = np.array(table.splits or [""] * len(table))
    rows = np.flatnonzero((table.labels >= 0) & ((splits == "test") == (split == "test")))
    if split == "test" and table.splits is None:
        raise InputError(f"{path}: no column 'split' says which rows are for testing: leave out --split to take all")
    if not len(rows):
        which = "for testing" if split == "test" else "labelled and not for testing"
        raise InputError(f"{path}: no row is {which}: name another --split or table")
    kept = table.take(rows)
    told = "" if table.splits is None else ", test rows" if split == "test" else ", all but test rows"
    return _from_columns(f"{path}{told}", kept.texts, kept.labels, options, domains=kept.domains, groups=kept.groups)


def read_test(
    sources: Sequence[Path],
    options: TableOptions | None = None,
    *,
    allow_partial: bool = False,
    report: Report = silent,
) -> LabelledReviews:
    """Reads test reviews of one or several sources.

    Args:
        sources: Archives or folders of IMDB, or tables. The rows of a table are those that its column `split` says are
            for testing, or all of them if it has no such column.
        options: Which columns of the tables are read.
        allow_partial: Whether to accept fewer reviews of IMDB than published.
        report: The function that is told how far the reading is.

    Returns:
        The reviews. Several sources have the columns `source` and those that any of them has. A source without such a
        column has its own name there.

    Raises:
        InputError: A source is missing or damaged, or is named twice.
    """
    found: dict[str, LabelledReviews] = {}
    for path in sources:
        if path.is_dir() or path.name.endswith((".tar.gz", ".tgz", ".tar")):
            name = "IMDB"
            reviews = read_split("test", [], path, data_dir=path, allow_partial=allow_partial, report=report)
        else:
            name = path.name.partition(".")[0] or path.name
            reviews = _read_test_table(path, options or TableOptions(), report)
        if name in found:
            raise InputError(f"{path}: two sources of test reviews are named {name}: rename one of the files")
        found[name] = reviews
    if len(found) == 1:
        return next(iter(found.values()))
    return _join(found)


def read_split(
    split: Split,
    artifacts: Sequence[Artifact],
    imdb: Path | None,
    *,
    data_dir: Path,
    allow_partial: bool = False,
    report: Report = silent,
) -> LabelledReviews:
    """Reads the IMDB test reviews, or the reviews that the models were trained or validated on.

    Args:
        split: The split to read. Training and validation reviews are split again as the manifests' recipes say.
        artifacts: The models, which must all have the same split.
        imdb: The source of the reviews, as `imdb.load_imdb` takes it.
        data_dir: The folder that a download goes to.
        allow_partial: Whether to accept fewer reviews than published.
        report: The function that is told about a download.

    Raises:
        ArtifactError: A manifest does not say how the reviews were split.
        UsageError: The models have different splits.
        InputError: The reviews are missing or damaged, or are not those that a model was trained on.
    """
    if split != "test":  # an error here should not wait for a download
        _read_split_recipe(split, artifacts)
        several = [artifact for artifact in artifacts if "sources" in artifact.manifest.data]
        _check_trained_on("IMDB", split, several, "name a table of its own with --table, or use --split test")
    report(Progress("reading the reviews", 0, 1))
    if split == "test":
        test = load_imdb(imdb, data_dir=data_dir, allow_partial=allow_partial, report=report).test
        texts = pa.array(test.texts, pa.large_string())
        return LabelledReviews(IMDB_TEST, texts, test.labels, {"domain": [IMDB_DOMAIN] * len(test)})
    source = imdb_source(imdb, data_dir=data_dir, allow_partial=allow_partial, report=report)
    rows = _divide_again(source, split, artifacts, str(imdb or data_dir), "--imdb")
    texts = pa.array([source.texts[row] for row in rows], pa.large_string())
    return LabelledReviews(f"IMDB {split}", texts, source.labels[rows], {"domain": [IMDB_DOMAIN] * len(rows)})


def _read_test_table(path: Path, options: TableOptions, report: Report) -> LabelledReviews:
    table = read_table(path, options, report=report)
    rows = np.flatnonzero(
        (table.labels >= 0) & (True if table.splits is None else np.array(table.splits, object) == "test")
    )
    if not len(rows):
        raise InputError(f"{path}: no labelled row has the split 'test': name a table with test reviews")
    kept = table.take(rows)
    return _from_columns(str(path), kept.texts, kept.labels, options, domains=kept.domains, groups=kept.groups)


def _read_trained_rows(
    table: Table, options: TableOptions, split: Split, artifacts: Sequence[Artifact]
) -> LabelledReviews:
    """Returns the rows of a table that models were trained or validated on."""
    _read_split_recipe(split, artifacts)
    source = to_source(table)
    _check_trained_on(source.name, split, artifacts, "leave out --split")
    trained_by = {_grouped_by(artifact, source.name) for artifact in artifacts}
    if len(trained_by) > 1:
        raise UsageError(f"--split {split}: the models' rows were grouped by different columns: measure each alone")
    by = next(iter(trained_by), None)
    grouped = source if by == options.by else to_source(read_table(table.path, replace(options, by=by)))
    rows = _divide_again(grouped, split, artifacts, str(table.path), "--table")
    return _from_columns(
        f"{table.path}, {split} rows",
        [source.texts[row] for row in rows],
        source.labels[rows],
        options,
        domains=None if source.domains is None else [source.domains[row] for row in rows],
        groups=None if source.groups is None else [source.groups[row] for row in rows],
    )


def _check_trained_on(name: str, split: Split, artifacts: Sequence[Artifact], remedy: str) -> None:
    """Checks that models learned from a source.

    Raises:
        UsageError: A model did not.
    """
    for artifact in artifacts:
        if not _source_facts(artifact, name):
            raise UsageError(f"--split {split}: {artifact.path} was not trained on {name}, by its manifest: {remedy}")


def _divide_again(
    source: Source, split: Split, artifacts: Sequence[Artifact], name: str, option: str
) -> npt.NDArray[np.int64]:
    """Returns the rows of a source that the models were trained or validated on."""
    seed, share = _read_split_recipe(split, artifacts)
    division = divide(Corpus((source,)), share=share, seed=seed)
    for artifact in artifacts:
        expected = _source_facts(artifact, source.name).get("validation", len(division.validation))
        if len(division.validation) != expected:
            raise InputError(
                f"{name}: {len(division.validation):,} validation reviews, {artifact.path / LAYOUT.manifest} says "
                f"{expected:,}: name the reviews that the model was trained on with {option}"
            )
    return division.train if split == "train" else division.validation


def _read_split_recipe(split: Split, artifacts: Sequence[Artifact]) -> tuple[int, float]:
    """Returns the seed and the validation share of the split that all the models were trained on."""
    recipes = []
    for artifact in artifacts:
        recipe = artifact.manifest.recipe
        missing = [name for name in ("seed", "validation_share") if not isinstance(recipe.get(name), int | float)]
        if missing:
            raise ArtifactError(
                f"{artifact.path / LAYOUT.manifest}: no recipe.{missing[0]}, so its split cannot be made again: "
                "use --split test, or export a model of the preset default"
            )
        recipes.append((int(recipe["seed"]), float(recipe["validation_share"])))
    if len(set(recipes)) > 1:
        listed = "; ".join(
            f"{artifact.path}: seed {seed}, share {share}"
            for artifact, (seed, share) in zip(artifacts, recipes, strict=True)
        )
        raise UsageError(f"--split {split}: the models have different ones ({listed}): use --split test")
    return recipes[0]


def _source_facts(artifact: Artifact, name: str) -> Mapping[str, object]:
    """Returns what a manifest says about a source; manifests of format 1 tell of one source alone."""
    sources = artifact.manifest.data.get("sources")
    if not isinstance(sources, list):
        return artifact.manifest.data if artifact.manifest.data.get("name") == name else {}
    return next((facts for facts in sources if facts.get("name") == name), {})


def _grouped_by(artifact: Artifact, name: str) -> str | None:
    """Returns the column by which the rows of a table were divided for a model; None if it was the text."""
    found = _source_facts(artifact, name).get("grouped_by", "text")
    return None if found == "text" else str(found)


def _join(found: Mapping[str, LabelledReviews]) -> LabelledReviews:
    """Returns the reviews of several sources, one after the other."""
    columns = {"source": [name for name, each in found.items() for _ in range(len(each))]}
    for column in dict.fromkeys(column for each in found.values() for column in each.columns):
        columns[column] = [
            value for name, each in found.items() for value in each.columns.get(column, [name] * len(each))
        ]
    return LabelledReviews(
        " and ".join(each.source for each in found.values()),
        pa.chunked_array([each.texts for each in found.values()]).combine_chunks(),
        np.concatenate([each.labels for each in found.values()]),
        columns,
    )


def _from_columns(
    name: str,
    texts: Sequence[str],
    labels: npt.NDArray[np.int8],
    options: TableOptions,
    *,
    domains: Sequence[str] | None,
    groups: Sequence[str] | None,
) -> LabelledReviews:
    columns: dict[str, Sequence[str]] = {}
    if domains is not None:
        columns["domain"] = [value or _NO_VALUE for value in domains]
    if options.by is not None and groups is not None:
        columns[options.by] = [value or _NO_VALUE for value in groups]
    return LabelledReviews(name, pa.array(texts, pa.large_string()), labels, columns)
