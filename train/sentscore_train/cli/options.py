"""Options that several commands of the training's command line have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ImdbOption = Annotated[
    Path | None,
    typer.Option("--imdb", help="aclImdb archive or folder, or folder of Parquet files.  [default: downloaded]"),
]

DataDirOption = Annotated[Path, typer.Option("--data-dir", help="Where downloads and prepared data are kept.")]

PartialOption = Annotated[bool, typer.Option("--allow-partial", help="Accept fewer reviews than published.")]

SeedOption = Annotated[int, typer.Option("--seed", help="Of split, weights, order and dropout.")]

TorchDeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]

TorchThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="Of torch on the CPU.")]
