"""`sentscore report`: shows what scored files are like, and whether that has changed, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from sentscore.cli.console import progress_bar
from sentscore.cli.guard import require
from sentscore.cli.lines import echo_line
from sentscore.cli.options import ColumnOption, complete_model
from sentscore.errors import DRIFT_FOUND, InputError, OutputError, UsageError
from sentscore.progress import silent

if TYPE_CHECKING:
    from sentscore.pages.report import Report

_DRIFT_PSI: Final = 0.2  # as sentscore.pages.report.drift has it, whose import would slow down --help


def report_cli(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="SCORED", help="Files that `sentscore file` has scored.", show_default=False),
    ],
    against: Annotated[
        str | None, typer.Option("--against", metavar="FILE", help="An earlier scored file to compare with.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Also show the 20 largest groups of this column.")
    ] = None,
    time: Annotated[
        str | None, typer.Option("--time", metavar="COLUMN", help="Also show the scores over the times in this column.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The page. One of a run before is replaced.  [default: NAME.report.html beside the file]",
        ),
    ] = None,
    column: ColumnOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="lstm|gru|PATH",
            help="The model that shades words and knows them.  [default: the shipped one that the file names]",
            autocompletion=complete_model,
        ),
    ] = None,
    texts: Annotated[int, typer.Option("--texts", min=0, max=100, help="How many texts of each kind to show.")] = 5,
    drift_psi: Annotated[
        float,
        typer.Option("--drift-psi", min=0.0, help="The population stability index from which on there is an alarm."),
    ] = _DRIFT_PSI,
    fail_on_drift: Annotated[
        bool,
        typer.Option(
            "--fail-on-drift", help="End with exit code 7 if there is an alarm, or 3 if nothing can be compared."
        ),
    ] = False,
) -> None:
    """Show what scored files are like, and what has changed since an earlier one, as a page that needs no network.

    sentscore report scored.parquet --against last-night.parquet --by product --time created_at
    """
    if fail_on_drift and against is None:
        raise UsageError("--fail-on-drift: there is nothing to compare with: name an earlier file with --against")
    made = report(
        inputs,
        output=output,
        against=against,
        column=column,
        by=by,
        time=time,
        model=model,
        texts=texts,
        drift_psi=drift_psi,
    )
    if fail_on_drift and made.drift is not None:
        if not made.drift.measures:
            raise InputError(f"{against}: nothing could be compared, for it or {inputs[0]} has no scores: check both")
        if made.drift.alarms:
            raise typer.Exit(DRIFT_FOUND)


def report(
    inputs: Sequence[str],
    *,
    output: Path | None = None,
    against: str | None = None,
    column: str | None = None,
    by: str | None = None,
    time: str | None = None,
    model: str | None = None,
    texts: int = 5,
    drift_psi: float = _DRIFT_PSI,
) -> Report:
    """Writes the report of scored files as a page, and says on stderr what it found.

    Args:
        inputs: The files, with the same columns of scores.
        output: The page; None for `NAME.report.html` beside the first file.
        against: An earlier scored file to compare them with; None for none.
        column: The name of the column of texts; None to find it.
        by: The name of the column of groups; None for no groups.
        time: The name of the column of times; None for no times.
        model: The model that shades and knows words; None for the shipped one that the file names.
        texts: How many texts of each kind to show.
        drift_psi: The population stability index from which on there is an alarm.

    Raises:
        SentscoreError: The extra `report` is not installed, a file cannot be read or lacks a column, the model cannot
            run, or the page cannot be written.
    """
    require("vl_convert", extra="report")
    place = output if output is not None else _default_place(inputs[0])
    _check_place(place, [*inputs, *([against] if against is not None else [])])
    from sentscore.files import write_file
    from sentscore.pages.report import make_report

    with progress_bar() as show:
        made = make_report(
            inputs,
            against=against,
            column=column,
            by=by,
            time=time,
            model=model,
            texts=texts,
            drift_psi=drift_psi,
            on_progress=show or silent,
        )
    write_file(place, made.page)
    echo_line(f"{place}: {_describe(made)}", err=True)
    return made


def _describe(made: Report) -> str:
    share = f", {100 * made.positive / made.scored:.1f} % positive" if made.scored else ""
    drift = f". {made.drift.verdict}" if made.drift is not None else ""
    return f"{made.rows:,} rows, {made.rows - made.scored:,} without a score{share}{drift}"


def _default_place(name: str) -> Path:
    from sentscore.formats import split_name

    path = Path(name)
    return path.with_name(f"{split_name(path.name)[0]}.report.html") if path.name else Path("report.html")


def _check_place(path: Path, inputs: Sequence[str]) -> None:
    """Checks that a page can be written to a path, and replaces nothing but a page of ours.

    Raises:
        UsageError: It is one of the inputs.
        OutputError: There is something else.
    """
    from sentscore.files import output_errors
    from sentscore.pages.html import PAGE_BEGINS

    begins = PAGE_BEGINS.encode()
    with output_errors(str(path)):
        for name in inputs:
            if Path(name).exists() and path.exists() and path.samefile(name):
                raise UsageError(f"--output {path}: is an input: name another file")
        if not path.exists():
            return
        if not path.is_file():
            raise OutputError(f"{path}: is no file: name a file for the page with --output")
        with path.open("rb") as file:
            if file.read(len(begins)) not in (begins, b""):
                raise OutputError(f"{path}: is there and is no page of sentscore: name another file with --output")
