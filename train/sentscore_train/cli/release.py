"""`sentscore-train release`: both models from nothing, with one command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentscore.cli.guard import require
from sentscore_train.cli.options import DataDirOption, ImdbOption, SeedOption, TorchDeviceOption, TorchThreadsOption

if TYPE_CHECKING:
    from sentscore_train.release import Stage


def release_cli(
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Gets the folders lstm and gru.")],
    work_dir: Annotated[
        Path, typer.Option("--work-dir", help="Of the runs, and of what is done; carried on where it ended.")
    ] = Path("runs/release"),
    imdb: ImdbOption = None,
    data_dir: DataDirOption = Path("data"),
    seed: SeedOption = 1234,
    device: TorchDeviceOption = "auto",
    threads: TorchThreadsOption = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="One epoch a run, any number of reviews: to try the way, not to score with.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace models that are in OUT_DIR.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands and run none of them.")] = False,
) -> None:
    """Make both models anew, from the reviews to the exported folders; killed, it carries on."""
    require("torch", "safetensors", "gensim", "sklearn", "matplotlib", extra="train")
    require("onnx", extra="export")
    from sentscore_train.release import ReleaseConfig, release, stages

    config = ReleaseConfig(
        out_dir,
        work_dir,
        imdb,
        data_dir,
        device=device,
        threads=threads,
        seed=seed,
        fast=fast,
        force=force,
    )
    if dry_run:
        for stage in stages(config):
            typer.echo(_shown(stage))
        return

    def announce(number: int, of: int, stage: Stage) -> None:
        typer.echo(f"[{number}/{of}] {_shown(stage)}", err=True)

    release(config, announce)


def _shown(stage: Stage) -> str:
    return shlex.join([stage.program, *stage.arguments])
