"""The options that several commands of `sentscore-train` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

TRAINING_PACKAGES: Final = ("torch", "safetensors", "gensim", "sklearn", "matplotlib")
"""The packages of the extra `train` that every training needs."""

ImdbOption = Annotated[
    Path | None,
    typer.Option(
        "--imdb",
        help="The IMDB reviews: the aclImdb archive or folder, or a folder with imdb-train.parquet, imdb-test.parquet, "
        "imdb-unsup.parquet (columns id, text, label) and imdb-movies.parquet (split, id, movie).  "
        "[default: downloaded]",
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

DataDirOption = Annotated[Path, typer.Option("--data-dir", help="Folder of downloads and prepared data.")]

PartialOption = Annotated[bool, typer.Option("--allow-partial", help="Accept fewer reviews than published.")]

SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the split, the weights, the order and dropout.")]

TorchDeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]

TorchThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="Number of torch's CPU threads.")]
