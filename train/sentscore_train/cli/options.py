"""The options that several commands of `sentscore-train` have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

import typer

from sentscore.errors import UsageError
from sentscore.progress import Report
from sentscore_train.data.corpus import LEAST_REVIEWS, Corpus, Source, check_enough, imdb_source
from sentscore_train.data.imdb import URL, find_imdb
from sentscore_train.data.tables import TableOptions, check_is_table, read_source, read_table

TRAINING_PACKAGES: Final = ("torch", "safetensors", "gensim", "sklearn", "matplotlib")
"""The packages of the extra `train` that every training needs."""

ImdbOption = Annotated[
    Path | None,
    typer.Option(
        "--imdb",
        help="The IMDB reviews: the aclImdb archive or folder, or a folder with imdb-train.parquet, imdb-test.parquet, "
        "imdb-unsup.parquet (columns id, text, label) and imdb-movies.parquet (split, id, movie).  "
        "download gets them.  [default: downloaded, unless there is a --table]",
    ),
]

TablesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--table",
        help="Table of reviews: Parquet, CSV, TSV or JSON lines. May be repeated. A column split (train, validation, "
        "test, unlabelled) is heeded, and a column domain names the kind of review.",
        show_default=False,
    ),
]

TextColumnOption = Annotated[
    str | None, typer.Option("--text", help="The table's column of texts.  [default: found by itself]")
]

LabelColumnOption = Annotated[
    str | None,
    typer.Option(
        "--label",
        help="The table's column of labels: 0 and 1, true and false, negative and positive, or 1 to 5 stars. A row "
        "without one is unlabelled.  [default: label, stars or rating]",
    ),
]

NegativeToOption = Annotated[
    float | None,
    typer.Option("--negative-to", help="Highest number that is negative. What lies between is left out.  [default: 2]"),
]

PositiveFromOption = Annotated[
    float | None,
    typer.Option("--positive-from", help="Lowest number that is positive.  [default: 4]"),
]

GroupColumnOption = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="The table's column of what is reviewed, such as a product's id: training and validation share none.  "
        "[default: they share no text]",
    ),
]

SourceShareOption = Annotated[
    list[float] | None,
    typer.Option(
        "--source-share",
        min=0.0,
        help="Share of a source in each epoch, once for IMDB and once for each table, in this order.  "
        "[default: every review once]",
        show_default=False,
    ),
]

DataDirOption = Annotated[Path, typer.Option("--data-dir", help="Folder of downloads and prepared data.")]

PartialOption = Annotated[bool, typer.Option("--allow-partial", help="Accept fewer reviews than published.")]

SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the split, the weights, the order and dropout.")]

TorchDeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]

TorchThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="Number of torch's CPU threads.")]

_DOWNLOAD: Final = Path("download")


def check_shares(shares: Sequence[float] | None, sources: int) -> tuple[float, ...]:
    """Returns what `--source-share` was given.

    Raises:
        UsageError: There is not one share for each source, or one is no number.
    """
    for share in shares or ():
        if not math.isfinite(share):
            raise UsageError(f"--source-share {share}: is no number: give one such as 2")
    if shares and (len(shares) != sources or not sum(shares) > 0):
        listed = ", ".join(f"{share:g}" for share in shares)
        raise UsageError(
            f"--source-share {listed}: there are {sources} sources: give one share for each, not all of them 0"
        )
    return tuple(shares or ())


@dataclass(frozen=True)
class SourceOptions:
    """Which reviews are learned from.

    Attributes:
        imdb: The source of the IMDB reviews; None stands for a download, but for none where there are tables.
        tables: The tables.
        columns: Which columns of the tables are read.
        data_dir: The folder of downloads.
        allow_partial: Whether to accept fewer reviews than published, and few of a table.

    Raises:
        UsageError: A column is named, but no table.
        InputError: There are no IMDB reviews where they are said to be, or there is no such table.
    """

    imdb: Path | None
    tables: tuple[Path, ...]
    columns: TableOptions
    data_dir: Path
    allow_partial: bool = False

    def __post_init__(self) -> None:
        if not self.tables and self.columns != TableOptions():
            raise UsageError("--text, --label, --by, --negative-to and --positive-from need a table: name a --table")
        if self.imdb_path is not None:
            find_imdb(self.imdb_path)
        for table in self.tables:
            check_is_table(table)

    @property
    def has_imdb(self) -> bool:
        """Whether the IMDB reviews are among the sources."""
        return self.imdb is not None or not self.tables

    @property
    def imdb_path(self) -> Path | None:
        """The IMDB reviews' path; None where they are to be downloaded."""
        return None if self.imdb == _DOWNLOAD and not _DOWNLOAD.exists() else self.imdb

    def read_tables(self, report: Report) -> list[Source]:
        """Reads the tables.

        Raises:
            InputError: A table cannot be read, or there is too little in all of them and IMDB is not among the sources.
        """
        sources = [read_source(table, self.columns, report=report) for table in self.tables]
        if sources and not self.has_imdb:
            check_enough(Corpus(tuple(sources)), 1 if self.allow_partial else LEAST_REVIEWS)
        return sources

    def read_imdb(self, report: Report) -> list[Source]:
        """Reads the IMDB reviews if they are among the sources, and downloads them if need be."""
        if not self.has_imdb:
            return []
        return [imdb_source(self.imdb_path, data_dir=self.data_dir, allow_partial=self.allow_partial, report=report)]

    def arguments(self) -> list[str]:
        """Returns the options that name these reviews on a command line."""
        named = {
            "--imdb": self.imdb,
            "--text": self.columns.text,
            "--label": self.columns.label,
            "--by": self.columns.by,
            "--negative-to": self.columns.scale.negative_to,
            "--positive-from": self.columns.scale.positive_from,
        }
        tables = [word for table in self.tables for word in ("--table", str(table))]
        return [word for name, value in named.items() if value is not None for word in (name, str(value))] + tables

    def test_paths(self, tables: Sequence[Source]) -> list[Path]:
        """Returns where test reviews are: IMDB, which a training leaves in the data folder, and tables with test rows.

        Args:
            tables: What `read_tables` returned.

        Raises:
            InputError: The columns of a table with test rows are not found by themselves, as the export finds them.
        """
        tested = [
            path for path, source in zip(self.tables, tables, strict=True) if "test" in source.facts.get("left_out", {})
        ]
        if self.columns != TableOptions():
            for path in tested:
                read_table(path)
        return [*([self.imdb_path or self.data_dir / PurePosixPath(URL).name] if self.has_imdb else []), *tested]
