"""The options that several commands of `sentscore-train` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

TRAINING_PACKAGES: Final = ("torch", "safetensors", "gensim", "sklearn", "matplotlib")
"""The packages of the extra `train` that every training needs."""

ImdbOption = Annotated[
    Path | None,
    typer.Option("--imdb", help="aclImdb archive or folder, or folder of Parquet files.  [default: downloaded]"),
]

DataDirOption = Annotated[Path, typer.Option("--data-dir", help="Folder of downloads and prepared data.")]

PartialOption = Annotated[bool, typer.Option("--allow-partial", help="Accept fewer reviews than published.")]

SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the split, the weights, the order and dropout.")]

TorchDeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]

TorchThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="Number of torch's CPU threads.")]
