"""`sentscore-train adapt`: make a model of one's own from a shipped one and one's own reviews."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentscore.cli.guard import require
from sentscore.cli.lines import echo_line
from sentscore.cli.options import complete_model
from sentscore.errors import UsageError
from sentscore.model.artifact import load_artifact
from sentscore_train.cli.options import (
    TRAINING_PACKAGES,
    GroupColumnOption,
    LabelColumnOption,
    NegativeToOption,
    PositiveFromOption,
    TablesOption,
    TextColumnOption,
    TorchDeviceOption,
    TorchThreadsOption,
)

if TYPE_CHECKING:
    from sentscore_train.data.corpus import Source


def adapt_cli(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="The model to start from: a shipped one, or the folder of an exported one.",
            autocompletion=complete_model,
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model to write.", show_default=False)],
    table: TablesOption = None,
    text: TextColumnOption = None,
    label: LabelColumnOption = None,
    by: GroupColumnOption = None,
    negative_to: NegativeToOption = None,
    positive_from: PositiveFromOption = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(
            "--unlabelled",
            help="Table of further reviews, whose labels are not read if there are any. May be repeated.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the new model.  [default: that of the output's folder]")
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option("--run-dir", help="Folder of the training.  [default: OUTPUT.run]", show_default=False),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs", min=1, help="Passes over the reviews.  [default: the fewer the more reviews there are]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the division, the order and dropout.")] = 1234,
    device: TorchDeviceOption = "auto",
    threads: TorchThreadsOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Carry on from the last checkpoint in the run folder.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace the model, and a run that is not carried on.")
    ] = False,
) -> None:
    """Adapt a model to your own reviews: at least 200 with labels, and any number without.

    sentscore-train adapt lstm --table reviews.parquet --text body --label stars --output models/mine

    A part of the labelled reviews is held out, and a table shows how good the model was on them before and is after.
    `sentscore file --model models/mine` then scores with it.
    """
    require(*TRAINING_PACKAGES, extra="train")
    require("onnx", extra="export")
    if not table:
        raise UsageError("--table is missing: name a table of reviews with labels")
    # All that a user may have to mend is found before torch is imported, which takes seconds.
    from sentscore_train.adapt.job import Job, check_output
    from sentscore_train.cli.console import progress_bars
    from sentscore_train.data.corpus import Corpus, check_enough
    from sentscore_train.data.labels import Scale
    from sentscore_train.data.tables import TableOptions, read_source

    job = Job(model, output, run_dir or output.with_name(f"{output.name}.run"), name, resume=resume, force=force)
    check_output(job)
    load_artifact(model)
    columns = TableOptions(text, label, by, Scale(negative_to, positive_from))
    began = time.monotonic()
    with progress_bars() as report:
        labelled = [read_source(path, columns, needs_labels=True, report=report) for path in table]
        further = [
            read_source(path, TableOptions(text), needs_labels=False, report=report) for path in unlabelled or []
        ]
        check_enough(Corpus(tuple(labelled)))
        _tell_left_out([*labelled, *further])
        from sentscore_train.adapt.config import AdaptConfig
        from sentscore_train.adapt.report import change_report
        from sentscore_train.adapt.run import adapt
        from sentscore_train.training.device import pick_device

        target = pick_device(device)
        config = AdaptConfig(epochs=epochs, seed=seed, threads=threads)
        echo_line(f"{model} to {output}, on {target}, in {job.run_dir}", err=True)
        change = adapt(job, labelled, further, config, device=target, report=report)
    typer.echo(change_report(change, (model, output.name), _name_tables(table)), nl=False)
    echo_line(f"{output}: written in {(time.monotonic() - began) / 60:.1f} minutes", err=True)


def _tell_left_out(sources: Sequence[Source]) -> None:
    """Says on stderr what was read of each table, and how many rows were left out of it and why."""
    for source in sources:
        negative, positive = (int((source.labels == value).sum()) for value in (0, 1))
        line = f"{source.facts['file']}: {negative:,} negative, {positive:,} positive"
        none = len(source) - negative - positive
        left_out = [f"{count:,} left out ({reason})" for reason, count in source.facts.get("left_out", {}).items()]
        echo_line(", ".join([line, *([f"{none:,} unlabelled"] if none else []), *left_out]), err=True)


def _name_tables(tables: Sequence[Path]) -> str:
    return f"held-out reviews of {' and '.join(path.name for path in tables)}"
