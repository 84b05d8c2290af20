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
from sentscore_train.cli.options import (
    DataDirOption,
    ImdbOption,
    LabelColumnOption,
    NegativeToOption,
    PartialOption,
    PositiveFromOption,
    TextColumnOption,
)
from sentscore_train.data.labels import Scale
from sentscore_train.data.tables import TableOptions

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
        help="validation and train are those of the models' training, test is IMDB's or that of the table's column "
        "split. Choose nothing by test.  [default: validation; all of a table but test]",
        show_default=False,
    ),
]
TableOption = Annotated[
    Path | None,
    typer.Option(
        "--table",
        help="Table of labelled reviews, in place of IMDB: Parquet, CSV, TSV or JSON lines. A column domain names the "
        "kind of review.",
        show_default=False,
    ),
]
ByOption = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="The table's column by whose values the results are told apart.  [default: domain, if there is one]",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Folder for the JSON and the plots; replaces those in it.", show_default=False),
]


@dataclass(frozen=True)
class _ReviewOptions:
    """Which reviews the models are measured on: a table, or a split of IMDB.

    Attributes:
        split: The split of IMDB or of the table; None stands for validation, or for all of a table but test.
        table: The table that takes the place of IMDB.
        columns: Which columns of the table are read.
        imdb: The source of IMDB; None downloads it.
        data_dir: The folder of downloads.
        allow_partial: Whether to accept fewer reviews than published.

    Raises:
        UsageError: A table and an option of IMDB are both given, or an option of tables without a table.
    """

    split: Split | None
    table: Path | None
    columns: TableOptions
    imdb: Path | None
    data_dir: Path
    allow_partial: bool

    def __post_init__(self) -> None:
        if self.table is not None and self.imdb is not None:
            raise UsageError(f"--table {self.table} takes the place of IMDB: leave out --imdb")
        if self.table is None and self.columns != TableOptions():
            raise UsageError("--text, --label, --by, --negative-to and --positive-from are of a table: name a --table")


def evaluate_cli(
    artifact: Annotated[str, _model_argument("ARTIFACT")],
    split: SplitOption = None,
    table: TableOption = None,
    text: TextColumnOption = None,
    label: LabelColumnOption = None,
    by: ByOption = None,
    negative_to: NegativeToOption = None,
    positive_from: PositiveFromOption = None,
    imdb: ImdbOption = None,
    data_dir: DataDirOption = Path("data"),
    allow_partial: PartialOption = False,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure an exported model: accuracy, ranking and calibration, of all reviews and by kind and length.

    sentscore-train evaluate lstm --split validation

    sentscore-train evaluate lstm --table reviews.parquet --text body --label stars --by category
    """
    require("sklearn", "matplotlib", extra="train")
    from sentscore_train.evaluation.report import evaluation_report

    columns = TableOptions(text, label, by, Scale(negative_to, positive_from))
    source = _ReviewOptions(split, table, columns, imdb, data_dir, allow_partial)
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
    text: TextColumnOption = None,
    label: LabelColumnOption = None,
    by: ByOption = None,
    negative_to: NegativeToOption = None,
    positive_from: PositiveFromOption = None,
    imdb: ImdbOption = None,
    data_dir: DataDirOption = Path("data"),
    allow_partial: PartialOption = False,
    precision: PrecisionOption = "auto",
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two exported models on the same reviews, as Markdown tables.

    sentscore-train compare lstm gru --split validation
    """
    require("sklearn", "matplotlib", extra="train")
    if first == second:
        raise UsageError(f"compare {first} {second}: is one model: name two")
    from sentscore_train.evaluation.evaluate import compare
    from sentscore_train.evaluation.report import comparison_report

    columns = TableOptions(text, label, by, Scale(negative_to, positive_from))
    source = _ReviewOptions(split, table, columns, imdb, data_dir, allow_partial)
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
    from sentscore_train.evaluation.reviews import read_labelled_table, read_split

    artifacts = [load_artifact(model) for model in models]
    if output is not None:
        # A folder that cannot be written fails now, not after minutes of scoring.
        with output_errors(str(output)):
            output.mkdir(parents=True, exist_ok=True)
    with progress_bars() as report:
        if source.table is not None:
            reviews = read_labelled_table(
                source.table, source.columns, split=source.split, artifacts=artifacts, report=report
            )
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
