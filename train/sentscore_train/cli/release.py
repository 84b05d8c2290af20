"""`sentscore-train release`: make the shipped models from nothing with one command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentscore.cli.guard import require
from sentscore.cli.lines import echo_line
from sentscore.errors import InputError, UsageError
from sentscore.model.artifact import LAYOUT, load_artifact
from sentscore.model.cpu import available_cpus
from sentscore_train.cli.options import (
    TRAINING_PACKAGES,
    DataDirOption,
    GroupColumnOption,
    ImdbOption,
    LabelColumnOption,
    NegativeToOption,
    PositiveFromOption,
    SeedOption,
    SourceOptions,
    SourceShareOption,
    TablesOption,
    TextColumnOption,
    TorchDeviceOption,
    TorchThreadsOption,
    check_shares,
)
from sentscore_train.data.labels import Scale
from sentscore_train.data.tables import TableOptions

if TYPE_CHECKING:
    from sentscore_train.release import Earlier, Stage


def release_cli(
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Folder that the models' folders are written to.")],
    work_dir: Annotated[
        Path, typer.Option("--work-dir", help="Folder of the runs; a release in it is carried on where it ended.")
    ] = Path("runs/release"),
    imdb: ImdbOption = None,
    table: TablesOption = None,
    text: TextColumnOption = None,
    label: LabelColumnOption = None,
    by: GroupColumnOption = None,
    negative_to: NegativeToOption = None,
    positive_from: PositiveFromOption = None,
    source_share: SourceShareOption = None,
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--earlier",
            help="Folder of an earlier release's models. They teach, and a new model of the same shape starts from "
            "their weights. Not OUT_DIR.",
            show_default=False,
        ),
    ] = None,
    data_dir: DataDirOption = Path("data"),
    seed: SeedOption = 1234,
    device: TorchDeviceOption = "auto",
    threads: TorchThreadsOption = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=1, help="Stages that run at the same time, each training on its share of the cores."
        ),
    ] = 1,
    fast: Annotated[
        bool, typer.Option("--fast", help="Test the stages with one epoch a run and any number of reviews.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace models in OUT_DIR.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands and run none of them.")] = False,
) -> None:
    """Make the shipped models from the reviews to the exported folders. A release that was killed carries on.

    sentscore-train release artifacts --imdb aclImdb_v1.tar.gz --table products.parquet
    """
    require(*TRAINING_PACKAGES, extra="train")
    require("onnx", extra="export")
    from sentscore_train.cli.console import progress_bars
    from sentscore_train.release import ReleaseConfig, release, stages

    columns = TableOptions(text, label, by, Scale(negative_to, positive_from))
    given = SourceOptions(imdb, tuple(table or ()), columns, data_dir, allow_partial=fast)
    with progress_bars() as report:
        tables = given.read_tables(report)  # what cannot be read is found now, not after hours
    config = ReleaseConfig(
        out_dir,
        work_dir,
        tuple(given.arguments()),
        tuple(given.test_paths(tables)),
        data_dir,
        source_shares=check_shares(source_share, len(tables) + given.has_imdb),
        earlier=_read_earlier(earlier, out_dir),
        device=device,
        threads=threads or (max(1, available_cpus() // jobs) if jobs > 1 else None),
        jobs=jobs,
        seed=seed,
        fast=fast,
        force=force,
    )
    if dry_run:
        for stage in stages(config):
            echo_line(_format_command(stage))
        return

    def announce(number: int, of: int, stage: Stage) -> None:
        echo_line(f"[{number}/{of}] {_format_command(stage)}", err=True)

    release(config, announce)


def _read_earlier(folder: Path | None, out_dir: Path) -> tuple[Earlier, ...]:
    """Returns the models of an earlier release.

    Raises:
        UsageError: They are where this release writes its own.
        InputError: There are none.
        ArtifactError: One is damaged.
    """
    from sentscore_train.release import Earlier

    if folder is None:
        return ()
    if folder.resolve() == out_dir.resolve():
        raise UsageError(f"--earlier {folder}: this release would replace them: copy them out of it first")
    paths = sorted(path.parent for path in folder.glob(f"*/{LAYOUT.manifest}"))
    if not paths:
        raise InputError(f"--earlier {folder}: no model in it: name the folder that the models' folders are in")
    found = []
    for path in paths:
        shape = load_artifact(path).manifest.architecture
        cell = str(shape.get("cell", shape.get("name")))
        found.append(Earlier(path, cell, int(shape["hidden_size"]), int(shape["num_layers"])))
    return tuple(found)


def _format_command(stage: Stage) -> str:
    return shlex.join([stage.program, *stage.arguments])
