"""The command line of the export: `sentscore-export RUN_DIR OUT_DIR`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sentscore.cli.guard import GuardedCommand, require
from sentscore.cli.options import DebugOption, VersionOption, new_app
from sentscore_train.cli.options import PartialOption


class PrecisionChoice(StrEnum):
    """The graphs that can be written."""

    FP32 = "fp32"
    INT8 = "int8"
    FP16 = "fp16"


app = new_app("sentscore-export", no_args_is_help=False)


@app.command(cls=GuardedCommand)
def export_cli(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The run folder of a training.")],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="The artifact folder to write.")],
    precision: Annotated[
        list[PrecisionChoice] | None,
        typer.Option("--precision", help="int8, for CPUs, and fp16, for GPUs, are written beside fp32."),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            "--test",
            help="Parquet with columns text and label, or IMDB's archive or folder: the accuracy on its test reviews "
            "goes into the manifest.",
        ),
    ] = None,
    allow_partial: PartialOption = False,
    batches: Annotated[
        int, typer.Option("--parity-batches", min=1, help="Batches compared between torch and ONNX Runtime.")
    ] = 500,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the artifact folder if it exists.")] = False,
    version: VersionOption = False,
    debug: DebugOption = False,
) -> None:
    """Export a checkpoint to ONNX, vocabulary, manifest and card; nothing is written unless torch agrees."""
    require("torch", "safetensors", "onnx", extra="export")
    from sentscore_export.export import export
    from sentscore_export.parity import ParityConfig
    from sentscore_train.cli.console import progress_bars
    from sentscore_train.evaluation.evaluate import read_test
    from sentscore_train.progress import Progress

    with progress_bars() as show:
        manifest = export(
            checkpoint,
            out_dir,
            precisions=[each.value for each in precision or []],
            parity=ParityConfig(batches=batches),
            test=None if test is None else read_test(test, allow_partial=allow_partial, report=show),
            force=force,
            report=lambda phase, done, total: show(Progress(phase, done, total)),
        )
    parity = manifest.parity
    typer.echo(
        f"{out_dir}: {manifest.name}, {manifest.files['model.onnx'].size / 1e6:.1f} MB, worst logit difference "
        f"{parity['worst_logit']:.2e} over {parity['batches']:,} batches of {parity['texts']:,} texts"
    )
    for name, found in manifest.precisions.items():
        typer.echo(
            f"{name}: accuracy {found['accuracy']:.2%} on {found['reviews']:,} validation reviews, fp32 "
            f"{found['accuracy_fp32']:.2%}; worst probability difference {found['worst_difference']:.4f}"
        )
    for split, values in manifest.metrics.items():
        typer.echo(f"{split}: accuracy {values['accuracy']:.2%}, loss {values['loss']:.4f}")


def main() -> None:
    """Runs the command line; the console script."""
    app(prog_name="sentscore-export")
