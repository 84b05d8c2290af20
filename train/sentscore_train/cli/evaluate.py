"""`sentscore-train evaluate` and `compare`: measure exported models, and tell whether two of them differ."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sentscore.cli.guard import require
from sentscore.cli.lines import clean_line
from sentscore.cli.options import DeviceOption, JsonOption, PrecisionOption, ThreadsOption, complete_model
from sentscore.errors import UsageError
from sentscore.files import output_errors, write_file
from sentscore.model.options import ModelOptions
from sentscore_train.cli.options import DataDirOption, ImdbOption, PartialOption

if TYPE_CHECKING:
    from sentscore_train.evaluation.evaluate import Evaluation
    from sentscore_train.evaluation.reviews import LabelledReviews

Split = Literal["test", "validation", "train"]


def _model_argument(metavar: str) -> Any:  # noqa: ANN401 - what Typer's Argument is
    return typer.Argument(
        metavar=metavar,
        help="A shipped model, or the folder of an exported one.",
        autocompletion=complete_model,
        show_default=False,
    )


SplitOption = Annotated[
    Split | None,
    typer.Option(
        "--split",
        help="Split of IMDB; validation and train are those of the model's training. Choose nothing by test."
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
    typer.Option("--output", "-o", help="Folder for the JSON and the plots; replaces those in it.", show_default=False),
]


@dataclass(frozen=True)
class _ReviewOptions:
    """Which reviews the models are measured on: a table, or a split of IMDB.

    Attributes:
        split: The split of IMDB; None stands for validation.
        table: The Parquet table that takes the place of IMDB.
        imdb: The source of IMDB; None downloads it.
        data_dir: The folder of downloads.
        allow_partial: Whether to accept fewer reviews than published.

    Raises:
        UsageError: A table and an option of IMDB are both given.
    """

    split: Split | None
    table: Path | None
    imdb: Path | None
    data_dir: Path
    allow_partial: bool

    def __post_init__(self) -> None:
        if self.table is not None and (self.split is not None or self.imdb is not None):
            raise UsageError(f"--table {self.table} takes the place of IMDB: leave out --split and --imdb")


def evaluate_cli(
    artifact: Annotated[str, _model_argument("ARTIFACT")],
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

    source = _ReviewOptions(split, table, imdb, data_dir, allow_partial)
    reviews, (found,) = _evaluate([artifact], source, ModelOptions(device, precision, threads=threads), output)
    if output is not None:
        _write_json(output / "evaluation.json", found.to_dict())
        _plot([found], reviews, output)
    typer.echo(json.dumps(found.to_dict()) if as_json else evaluation_report(found), nl=as_json)


def compare_cli(
    first: Annotated[str, _model_argument("A")],
    second: Annotated[str, _model_argument("B")],
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

    source = _ReviewOptions(split, table, imdb, data_dir, allow_partial)
    reviews, models = _evaluate([first, second], source, ModelOptions(device, precision, threads=threads), output)
    found = compare(models[0], models[1], reviews)
    if output is not None:
        _write_json(output / "comparison.json", found.to_dict())
        _plot(models, reviews, output)
    typer.echo(json.dumps(found.to_dict()) if as_json else comparison_report(found), nl=as_json)


def _evaluate(
    models: Sequence[str], source: _ReviewOptions, options: ModelOptions, output: Path | None
) -> tuple[LabelledReviews, list[Evaluation]]:
    """Reads the reviews and evaluates the models on them, one after the other."""
    from sentscore.model.artifact import load_artifact
    from sentscore.scorer import Scorer
    from sentscore_train.cli.console import progress_bars
    from sentscore_train.evaluation.evaluate import evaluate
    from sentscore_train.evaluation.reviews import read_split, read_table

    artifacts = [load_artifact(model) for model in models]
    if output is not None:
        # A folder that cannot be written fails now, not after minutes of scoring.
        with output_errors(str(output)):
            output.mkdir(parents=True, exist_ok=True)
    with progress_bars() as report:
        if source.table is not None:
            reviews = read_table(source.table)
        else:
            reviews = read_split(
                source.split or "validation",
                artifacts,
                source.imdb,
                data_dir=source.data_dir,
                allow_partial=source.allow_partial,
                report=report,
            )
        found = [
            evaluate(model, Scorer(artifact, options), reviews, report)
            for model, artifact in zip(models, artifacts, strict=True)
        ]
    return reviews, found


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_file(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))


def _plot(models: Sequence[Evaluation], reviews: LabelledReviews, folder: Path) -> None:
    from sklearn.metrics import roc_curve

    from sentscore_train.evaluation.plots import plot_accuracy_by_length, plot_reliability, plot_roc

    names = {each.model: clean_line(each.model).replace("$", r"\$") for each in models}  # between two $, formulas stand
    curves = {names[each.model]: roc_curve(reviews.labels, each.scored.probabilities)[:2] for each in models}
    plot_roc(curves, folder / "roc.svg")
    plot_reliability(
        {
            f"{names[each.model]}, temperature {calibration.temperature:.4g}": calibration.reliability
            for each in models
            for calibration in (each.metrics.uncalibrated, each.metrics.calibrated)
        },
        folder / "reliability.svg",
    )
    plot_accuracy_by_length(
        {names[each.model]: each.metrics.by_length for each in models}, folder / "accuracy-by-length.svg"
    )
