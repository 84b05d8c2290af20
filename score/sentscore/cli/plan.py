"""`sentscore plan`: predicts how long inputs take here, and how many machines a deadline needs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from sentscore.cli.lines import clean_line, echo_json, echo_line
from sentscore.cli.options import (
    DEFAULT_MODELS,
    BatchTokensOption,
    ColumnOption,
    DeviceOption,
    JsonOption,
    PrecisionOption,
    ThreadsOption,
    complete_model,
)
from sentscore.model.options import DEFAULT_OPTIONS, ModelOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentscore.jobs.forecast import Forecast
    from sentscore.jobs.sampling import Sample

_MOST_NAMED = 3  # inputs that cannot be read


def plan_cli(
    *,
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT...", help="What `sentscore file` takes: files, folders, globs.")
    ],
    deadline: Annotated[
        str | None,
        typer.Option("--deadline", help="The time that there is, such as 2h or 90m: how many machines meet it?"),
    ] = None,
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="The model that is to score.", autocompletion=complete_model),
    ] = DEFAULT_MODELS[0],
    column: ColumnOption = None,
    format: Annotated[
        str | None,
        typer.Option("--format", help="The format of the inputs, such as csv or jsonl.gz.  [default: by their names]"),
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    batch_tokens: BatchTokensOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict how long inputs take, from their size and a sample that is scored here.

    sentscore plan lake/ --model gru --deadline 2h
    """
    sample, found = plan(
        inputs,
        deadline=deadline,
        model=model,
        column=column,
        format=format,
        options=ModelOptions(device, precision, batch_tokens, threads),
    )
    if as_json:
        echo_json({**found.to_dict(), "unreadable_files": list(sample.unreadable)})
        return
    for line in format_forecast(found):
        echo_line(line)
    for error in list(sample.unreadable.values())[:_MOST_NAMED]:
        echo_line(f"cannot be read: {error.to_command_line()}", err=True)
    if found.unreadable > _MOST_NAMED:
        echo_line(f"and {found.unreadable - _MOST_NAMED:,} more, which --json names", err=True)


def plan(
    inputs: Sequence[str],
    *,
    deadline: str | None = None,
    model: str = DEFAULT_MODELS[0],
    column: str | None = None,
    format: str | None = None,
    options: ModelOptions = DEFAULT_OPTIONS,
) -> tuple[Sample, Forecast]:
    """Looks at the inputs, loads the model, scores a sample and predicts.

    Raises:
        SentscoreError: The options do not fit, no input can be read, or the model cannot be loaded.
    """
    from sentscore.formats import parse_format
    from sentscore.jobs.forecast import SAMPLE_ROWS, forecast, parse_duration
    from sentscore.jobs.inputs import parse_argument
    from sentscore.jobs.sampling import draw_sample

    deadline_s = None if deadline is None else parse_duration(deadline)
    known = None if format is None else parse_format(format)
    sample = draw_sample([parse_argument(name) for name in inputs], format=known, column=column, rows=SAMPLE_ROWS)

    began = time.perf_counter()
    from sentscore.model.artifact import load_artifact
    from sentscore.scorer import Scorer

    scorer = Scorer(load_artifact(model), options, in_processes=True)
    return sample, forecast(sample, scorer, start_s=time.perf_counter() - began, deadline_s=deadline_s)


def format_forecast(found: Forecast) -> list[str]:
    """Returns what was found, and the prediction, in lines."""
    files = f"{found.files:,} file{'s' if found.files != 1 else ''}"
    about = "" if found.rows_are_counted else "about "
    lines = [
        f"{files}, {found.size / 1e6:,.1f} MB, {about}{found.rows:,} rows of {found.tokens_per_row:,.0f} tokens "
        f"(by {found.sampled_rows:,} of them, from {found.sampled_files:,})",
        f"{clean_line(found.model)} in {found.precision} on {found.device}, {found.threads} "
        f"thread{'s' if found.threads != 1 else ''}: {found.reviews_per_s:,.0f} reviews/s here",
        f"this machine: {format_duration(found.seconds)}",
    ]
    if found.deadline_s is not None and found.workers is not None:
        machines = "this one is enough" if found.workers == 1 else f"{found.workers:,} machines like this one"
        lines.append(f"in {format_duration(found.deadline_s)}: {machines}")
        if found.workers > 1 and found.largest_file_s + found.start_s > found.deadline_s:
            lines.append(
                f"but the largest file alone takes {format_duration(found.largest_file_s)}: split it, for a file is "
                "scored by one machine"
            )
        elif found.workers > found.files:
            lines.append(f"but there are {files} for them, and a file is scored by one machine: split the files")
    return lines


def format_duration(seconds: float) -> str:
    """Returns a time in its two largest units: `2 h 5 min`, `3 min 20 s`, `4 s`."""
    whole = max(1, round(seconds))
    if whole >= 86_400:
        return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"
    if whole >= 3_600:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
