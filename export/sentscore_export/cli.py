"""The command line of the export: `sentscore-export RUN_DIR OUT_DIR` and `sentscore-export --check MODEL`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sentscore.cli.guard import GuardedCommand, require
from sentscore.cli.lines import echo_line
from sentscore.cli.options import DebugOption, VersionOption, complete_model, new_app
from sentscore.cli.signals import run_program
from sentscore.errors import InputError, OutputError, UsageError
from sentscore.model.artifact import Manifest, load_artifact
from sentscore_train.cli.options import PartialOption


class PrecisionChoice(StrEnum):
    """The graphs that can be written. Typer takes no list of a `Literal`."""

    FP32 = "fp32"
    INT8 = "int8"
    FP16 = "fp16"


app = new_app("sentscore-export", no_args_is_help=False)


@app.command(cls=GuardedCommand)
def export_cli(
    checkpoint: Annotated[
        Path | None, typer.Argument(metavar="CHECKPOINT", help="The run folder of a training.", show_default=False)
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Argument(metavar="OUT_DIR", help="The artifact folder to write.", show_default=False)
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="lstm|gru|PATH",
            help="Compare a shipped model, or the folder of an exported one, with torch; takes the place of "
            "CHECKPOINT and OUT_DIR.",
            autocompletion=complete_model,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The model's name.  [default: that of OUT_DIR]", show_default=False),
    ] = None,
    purpose: Annotated[
        str, typer.Option("--purpose", help="What the model is for, in one line: `sentscore models` shows it.")
    ] = "",
    precision: Annotated[
        list[PrecisionChoice] | None,
        typer.Option("--precision", help="A graph to write beside fp32: int8 for CPUs, fp16 for GPUs."),
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(
            "--test",
            help="Table of labelled reviews, or IMDB's archive or folder, whose test reviews the card tells the "
            "accuracy on; of a table with a column split the rows named test. May be repeated.",
        ),
    ] = None,
    allow_partial: PartialOption = False,
    batches: Annotated[
        int | None,
        typer.Option(
            "--parity-batches",
            min=1,
            help="Batches compared between torch and ONNX Runtime.  [default: 40; 500 with --test]",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace the artifact folder if it exists.")] = False,
    version: VersionOption = False,
    debug: DebugOption = False,
) -> None:
    """Export a checkpoint to ONNX, vocabulary, manifest and card; nothing is written unless torch agrees."""
    require("torch", "safetensors", "onnx", extra="export")
    if check is not None:
        others = {
            "CHECKPOINT": checkpoint,
            "OUT_DIR": out_dir,
            "--name": name,
            "--purpose": purpose,
            "--precision": precision,
            "--test": test,
            "--allow-partial": allow_partial,
            "--force": force,
        }
        given = [name for name, value in others.items() if value]
        if given:
            raise UsageError(f"--check {check} cannot be combined with {', '.join(given)}: leave one of them out")
        _check(check, batches)
        return
    if checkpoint is None or out_dir is None:
        missing = "OUT_DIR is" if checkpoint else "CHECKPOINT and OUT_DIR are"
        raise UsageError(f"{missing} missing: name a run folder and a folder to write, or a model with --check")
    _check_files(checkpoint, out_dir, test or [], force=force)
    from sentscore_export.export import export
    from sentscore_export.parity import RELEASED_BATCHES, ParityConfig
    from sentscore_train.cli.console import progress_bars
    from sentscore_train.evaluation.reviews import read_test

    if batches is None and test:
        batches = RELEASED_BATCHES  # what is measured on test reviews is a finished model
    with progress_bars() as report:
        manifest = export(
            checkpoint,
            out_dir,
            name=name,
            purpose=purpose,
            precisions=[each.value for each in precision or []],
            parity=ParityConfig() if batches is None else ParityConfig(batches=batches),
            test=None if not test else read_test(test, allow_partial=allow_partial, report=report),
            force=force,
            report=report,
        )
    _print_figures(out_dir, manifest)


def _check_files(checkpoint: Path, out_dir: Path, tests: Sequence[Path], *, force: bool) -> None:
    """Finds what is wrong with the files of an export before torch is imported, which takes seconds.

    Raises:
        InputError: The run never finished an epoch, or there are no test reviews where they are said to be.
        OutputError: The artifact folder exists.
    """
    if not (checkpoint / "best.json").is_file():
        raise InputError(f"{checkpoint}: no best.json in it: name the --run-dir of a training that finished an epoch")
    if out_dir.exists() and not force:
        raise OutputError(f"{out_dir}: exists already: replace it with --force or name another folder")
    for path in tests:
        if not path.exists():
            raise InputError(f"{path}: not found: name a table of test reviews, or IMDB's archive or folder")


def _print_figures(out_dir: Path, manifest: Manifest) -> None:
    parity = manifest.parity
    echo_line(
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


def _check(model: str, batches: int | None) -> None:
    from sentscore_export.parity import ParityConfig, compare
    from sentscore_train.cli.console import progress_bars
    from sentscore_train.models.classifier import SentimentClassifier

    artifact = load_artifact(model)
    config = ParityConfig() if batches is None else ParityConfig(batches=batches)
    with progress_bars() as report:
        found = compare(SentimentClassifier.from_artifact(artifact), artifact, config=config, report=report)
    echo_line(
        f"{model}: worst logit difference {found.worst_logit:.2e}, worst probability difference "
        f"{found.worst_probability:.2e}, torch and ONNX Runtime in fp32 on the CPU over {found.batches:,} batches of "
        f"{found.texts:,} texts of random ids, 1 to {config.max_batch} a batch, 1 to {config.max_tokens:,} tokens"
    )


def main() -> None:
    """Runs the command line; the console script."""
    run_program("sentscore-export", lambda: app)
