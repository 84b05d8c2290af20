"""`sentscore-train release`: make both models from nothing with one command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentscore.cli.guard import require
from sentscore.cli.lines import echo_line
from sentscore_train.cli.options import (
    TRAINING_PACKAGES,
    DataDirOption,
    ImdbOption,
    SeedOption,
    TorchDeviceOption,
    TorchThreadsOption,
)

if TYPE_CHECKING:
    from sentscore_train.release import Stage


def release_cli(
    out_dir: Annotated[
        Path, typer.Argument(metavar="OUT_DIR", help="Folder that the model folders lstm and gru are written to.")
    ],
    work_dir: Annotated[
        Path, typer.Option("--work-dir", help="Folder of the runs; a release in it is carried on where it ended.")
    ] = Path("runs/release"),
    imdb: ImdbOption = None,
    data_dir: DataDirOption = Path("data"),
    seed: SeedOption = 1234,
    device: TorchDeviceOption = "auto",
    threads: TorchThreadsOption = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Test the stages with one epoch a run and any number of reviews.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace models in OUT_DIR.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands and run none of them.")] = False,
) -> None:
    """Make both models from the reviews to the exported folders. A release that was killed carries on."""
    require(*TRAINING_PACKAGES, extra="train")
    require("onnx", extra="export")
    from sentscore_train.release import ReleaseConfig, release, stages

    config = ReleaseConfig(
        out_dir, work_dir, imdb, data_dir, device=device, threads=threads, seed=seed, fast=fast, force=force
    )
    if dry_run:
        for stage in stages(config):
            echo_line(_format_command(stage))
        return

    def announce(number: int, of: int, stage: Stage) -> None:
        echo_line(f"[{number}/{of}] {_format_command(stage)}", err=True)

    release(config, announce)


def _format_command(stage: Stage) -> str:
    return shlex.join([stage.program, *stage.arguments])
