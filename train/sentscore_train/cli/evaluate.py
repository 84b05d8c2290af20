"""`sentscore-train evaluate` and `compare`: how good exported models are, and whether two of them differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentscore.cli.guard import require
from sentscore.cli.options import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    ThreadsOption,
    complete_model,
)
from sentscore.errors import UsageError
from sentscore.files import output_errors, write_file
from sentscore.model.options import ModelOptions
from sentscore_train.cli.options import DataDirOption, ImdbOption, PartialOption

if TYPE_CHECKING:
    from sentscore_train.evaluation.evaluate import Evaluation, LabelledReviews


class SplitChoice(StrEnum):
    """The values of `--split`."""

    TEST = "test"
    VALIDATION = "validation"
    TRAIN = "train"


def _model(metavar: str) -> Any:  # noqa: ANN401 - what Typer's Argument is
    return typer.Argument(
        metavar=metavar,
        help="A shipped model, or the folder of an exported one.",
        autocompletion=complete_model,
        show_default=False,
    )


SplitOption = Annotated[
    SplitChoice | None,
    typer.Option(
        "--split",
        help="Of IMDB; validation and train as the model's training drew them. Choose nothing by test."
        "  [default: validation]",
        show_default=False,
    ),
]
TableOption = Annotated[
    Path | None,
    typer.Option("--table", help="Parquet with columns text and label (0 or 1), in place of IMDB.", show_default=False),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder for the JSON and the plots; replaces those there.", show_default=False),
]


def evaluate_cli(
    artifact: Annotated[str, _model("ARTIFACT")],
    split: SplitOption = None,
    table: TableOption = None,
    imdb: ImdbOption = None,
    data_dir: DataDirOption = Path("data"),
    allow_partial: PartialOption = False,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure an exported model: accuracy, ranking, calibration, and accuracy by length.

    sentscore-train evaluate lstm --split validation
    """
    require("sklearn", "matplotlib", extra="train")
    from sentscore_train.evaluation.report import evaluation_report

    reviews, (found,) = _evaluated(
        [artifact],
        split=split,
        table=table,
        imdb=imdb,
        data_dir=data_dir,
        allow_partial=allow_partial,
        options=ModelOptions(device, precision, threads=threads),
        output=output,
    )
    if output is not None:
        _write_json(output / "evaluation.json", found.to_dict())
        _plot([found], reviews, output)
    typer.echo(json.dumps(found.to_dict()) if as_json else evaluation_report(found), nl=as_json)


def compare_cli(
    first: Annotated[str, _model("A")],
    second: Annotated[str, _model("B")],
    split: SplitOption = None,
    table: TableOption = None,
    imdb: ImdbOption = None,
    data_dir: DataDirOption = Path("data"),
    allow_partial: PartialOption = False,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two exported models on the same reviews, as a Markdown table.

    sentscore-train compare lstm gru --split validation
    """
    require("sklearn", "matplotlib", extra="train")
    if first == second:
        raise UsageError(f"compare {first} {second}: is one model: name two")
    from sentscore_train.evaluation.evaluate import compare
    from sentscore_train.evaluation.report import comparison_report

    reviews, models = _evaluated(
        [first, second],
        split=split,
        table=table,
        imdb=imdb,
        data_dir=data_dir,
        allow_partial=allow_partial,
        options=ModelOptions(device, precision, threads=threads),
        output=output,
    )
    found = compare(models[0], models[1], reviews)
    if output is not None:
        _write_json(output / "comparison.json", found.to_dict())
        _plot(models, reviews, output)
    typer.echo(json.dumps(found.to_dict()) if as_json else comparison_report(found), nl=as_json)


def _evaluated(
    models: Sequence[str],
    *,
    split: SplitChoice | None,
    table: Path | None,
    imdb: Path | None,
    data_dir: Path,
    allow_partial: bool,
    options: ModelOptions,
    output: Path | None,
) -> tuple[LabelledReviews, list[Evaluation]]:
    """Reads the reviews and evaluates the models on them, one after the other."""
    from sentscore.model.artifact import load_artifact
    from sentscore.scorer import Scorer
    from sentscore_train.cli.console import progress_bars
    from sentscore_train.evaluation.evaluate import evaluate, read_split, read_table

    if table is not None and (split is not None or imdb is not None):
        raise UsageError(f"--table {table} takes the place of IMDB: leave out --split and --imdb")
    artifacts = [load_artifact(model) for model in models]
    if output is not None:
        # Now rather than after minutes of scoring.
        with output_errors(str(output)):
            output.mkdir(parents=True, exist_ok=True)
    with progress_bars() as report:
        if table is not None:
            reviews = read_table(table)
        else:
            reviews = read_split(
                (split or SplitChoice.VALIDATION).value,
                artifacts,
                imdb,
                data_dir=data_dir,
                allow_partial=allow_partial,
                report=report,
            )
        found = []
        for model, artifact in zip(models, artifacts, strict=True):
            scorer = Scorer(artifact, options)
            found.append(evaluate(model, scorer, reviews, report))
    return reviews, found


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_file(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))


def _plot(models: Sequence[Evaluation], reviews: LabelledReviews, folder: Path) -> None:
    from sentscore_train.evaluation.metrics import roc
    from sentscore_train.evaluation.plots import plot_accuracy_by_length, plot_reliability, plot_roc

    plot_roc({each.model: roc(each.scored.probabilities, reviews.labels) for each in models}, folder / "roc.svg")
    plot_reliability(
        {
            f"{each.model}, temperature {calibration.temperature:.4g}": calibration.reliability
            for each in models
            for calibration in (each.metrics.uncalibrated, each.metrics.calibrated)
        },
        folder / "reliability.svg",
    )
    plot_accuracy_by_length({each.model: each.metrics.by_length for each in models}, folder / "accuracy-by-length.svg")
