"""`sentscore file`: scores files, row by row or each as one text."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sentscore.cli.json_log import JsonLog
from sentscore.cli.lines import echo_line
from sentscore.cli.options import (
    DEFAULT_MODELS,
    BatchTokensOption,
    ColumnOption,
    DeviceOption,
    ExplainOption,
    ModelOption,
    PrecisionOption,
    ThreadsOption,
)
from sentscore.cli.recording import Recorder
from sentscore.cli.signals import nothing_begun
from sentscore.errors import UsageError
from sentscore.model.options import DEFAULT_OPTIONS, ModelOptions

if TYPE_CHECKING:
    from sentscore.jobs import Job, Summary
    from sentscore.progress import Progress
    from sentscore.scorer import Scorer

LogFormat = Literal["text", "json"]
"""How a job tells about itself on stderr."""


def file_cli(
    context: typer.Context,
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Parquet, CSV, TSV, JSONL or text files, also .gz or .zst. - stands for stdin.",
            show_default=False,
        ),
    ],
    model: ModelOption = None,
    column: ColumnOption = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A file, whose name tells its format, a folder, or - for stdout.  "
            "[default: NAME.scored.EXT beside the input; stdout for stdin]",
        ),
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="What the names of the new columns begin with.")] = "",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    batch_tokens: BatchTokensOption = None,
    threads: ThreadsOption = None,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Score each file as one text. All results go into one table."),
    ] = False,
    format: Annotated[
        str | None,
        typer.Option("--format", help="The format of the inputs, such as csv or jsonl.gz.  [default: by their names]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace outputs that exist.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out inputs whose outputs exist.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Use the scores that a stopped run has left beside the output."),
    ] = True,
    explain: ExplainOption = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="A JSON file that says what the run did, also if it fails. Always replaced."),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", help="A .prom file of OpenMetrics text for node_exporter. Always replaced."),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="json: one object a line on stderr, in place of bar and summary.")
    ] = "text",
) -> None:
    """Score files: the outputs have the same rows, with the columns sentiment and score appended.

    sentscore file reviews.parquet --model lstm
    """
    from sentscore.cli.console import format_summary

    log = JsonLog() if log_format == "json" else None
    recorder = Recorder(report, metrics, _list_options(context))
    file(
        inputs,
        models=model or DEFAULT_MODELS,
        options=ModelOptions(device, precision, batch_tokens, threads),
        column=column,
        output=output,
        prefix=prefix,
        whole=whole,
        format=format,
        force=force,
        skip_existing=skip_existing,
        resume=resume,
        explain=explain,
        recorder=recorder,
        show_progress=log is None,
        on_progress=log.progress if log else None,
        on_models=log.models if log else None,
        on_skip=log.left_out if log else _echo_left_out,
        on_summary=log.scored if log else lambda summary: echo_line(format_summary(summary), err=True),
    )
    if log:
        log.finished(recorder.run)


def _list_options(context: typer.Context) -> dict[str, object]:
    """Returns the values of all options by their names, as the report tells them."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in context.params.items()}


def _echo_left_out(job: Job) -> None:
    echo_line(f"{job.name}: left out, for {job.target.name} exists", err=True)


def file(
    inputs: Sequence[str],
    *,
    models: Sequence[str] = DEFAULT_MODELS,
    options: ModelOptions = DEFAULT_OPTIONS,
    column: str | None = None,
    output: str | None = None,
    prefix: str = "",
    whole: bool = False,
    format: str | None = None,
    force: bool = False,
    skip_existing: bool = False,
    resume: bool = True,
    explain: int | None = None,
    recorder: Recorder | None = None,
    show_progress: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_models: Callable[[Sequence[Scorer]], None] | None = None,
    on_skip: Callable[[Job], None] | None = None,
    on_summary: Callable[[Summary], None] | None = None,
) -> list[Summary]:
    """Scores files. Errors in the options or the inputs are raised before a model is loaded.

    Args:
        inputs: Paths, or `-` for stdin.
        models: The names of shipped models, or the paths of artifact folders.
        options: How to run the models.
        column: The column of texts; None to find it.
        output: A file, an existing folder, or `-` for stdout; None for `NAME.scored.EXT` beside each input.
        prefix: What to put before the names of the new columns.
        whole: Whether each file is one text, and all of them together one table.
        format: The format of the inputs; None to go by their names.
        force: Whether outputs that exist may be replaced.
        skip_existing: Whether to leave out inputs whose outputs exist.
        resume: Whether to carry on with the scores that a stopped run has left, and to leave them if this one stops.
        explain: How many words a row to explain the scores with; None for no explanations.
        recorder: Keeps the report of the run, and writes it and the metrics.
        show_progress: Whether to show a progress bar, where stderr is a terminal.
        on_progress: Is called as scores come in, where no bar is to be shown.
        on_models: Is called when the models are loaded.
        on_skip: Is called for each job that `skip_existing` leaves out.
        on_summary: Is called after each job.

    Returns:
        What was done, one summary for each output.

    Raises:
        SentscoreError: Something is wrong with the options, an input, a model, the device or an output. Outputs that
            were finished before remain.
    """
    record = recorder or Recorder()
    with record.recording(inputs):
        began = time.perf_counter()
        # An interrupt ends the command at once here, unless there is a report to write.
        with nullcontext() if record.is_wanted else nothing_begun():
            jobs, scorers = _prepare(
                inputs,
                models=models,
                options=options,
                column=column,
                output=output,
                prefix=prefix,
                whole=whole,
                format=format,
                force=force,
                skip_existing=skip_existing,
                on_skip=lambda job: _leave_out(job, record, on_skip),
                explain=explain,
            )
            from sentscore.cli.console import progress_bar
            from sentscore.jobs import run_job
        for scorer in scorers:
            if scorer.device == "cuda":
                scorer.engine.encode_in_processes()
        record.add_models(scorers, time.perf_counter() - began)
        if on_models is not None:
            on_models(scorers)
        done: list[Summary] = []
        waiting = iter(jobs)
        try:
            for job in waiting:
                with (
                    record.recording_job(job, waiting),
                    progress_bar() if show_progress else nullcontext(on_progress) as show,
                ):
                    done.append(
                        run_job(
                            job, scorers, column=column, prefix=prefix, resume=resume, explain=explain, on_progress=show
                        )
                    )
                record.add_scored(done[-1])
                if on_summary is not None:
                    on_summary(done[-1])
        except KeyboardInterrupt as error:
            if done:
                remedy = "leave them out" if force else "--skip-existing leaves them out"
                error.add_note(f"inputs finished: the first {len(done)}; {remedy}")
            raise
        return done


def _leave_out(job: Job, record: Recorder, on_skip: Callable[[Job], None] | None) -> None:
    """Tells the report and the caller of a job whose output exists."""
    record.add_left_out(job)
    if on_skip is not None:
        on_skip(job)


def _prepare(
    inputs: Sequence[str],
    *,
    models: Sequence[str],
    options: ModelOptions,
    column: str | None,
    output: str | None,
    prefix: str,
    whole: bool,
    format: str | None,
    force: bool,
    skip_existing: bool,
    on_skip: Callable[[Job], None] | None,
    explain: int | None,
) -> tuple[list[Job], list[Scorer]]:
    """Checks everything that can be checked before the first job, and loads the models if there is a job."""
    from sentscore.columns import added_names
    from sentscore.formats import parse_format
    from sentscore.jobs import check_inputs, plan_jobs, plan_whole
    from sentscore.model.artifact import load_artifacts
    from sentscore.scorer import Scorer

    if whole and (column is not None or format is not None or skip_existing):
        raise UsageError("--whole makes one table of files as they are: leave out --column, --format, --skip-existing")
    if force and skip_existing:
        raise UsageError("--force replaces outputs that exist, --skip-existing leaves them: give one of the two")
    if whole:
        jobs = [plan_whole(inputs, output=output, force=force)]
    else:
        chosen = parse_format(format) if format is not None else None
        jobs = plan_jobs(inputs, output=output, format=chosen, force=force, skip_existing=skip_existing)
    if skip_existing:
        jobs = _without_existing(jobs, on_skip)
        if not jobs:
            return [], []
    artifacts = load_artifacts(models)
    names = [artifact.name for artifact in artifacts]
    check_inputs(jobs, added_names(names, prefix, explained=explain is not None), column=column)
    scorers = [Scorer(artifact, options) for artifact in artifacts]
    for scorer in scorers:
        scorer.score(["."])  # loads the tokenizer, whose time is not the first job's
    return jobs, scorers


def _without_existing(jobs: Sequence[Job], on_skip: Callable[[Job], None] | None) -> list[Job]:
    """Returns the jobs whose outputs do not exist yet; `on_skip` gets the others."""
    for job in jobs:
        if job.target.exists and on_skip is not None:
            on_skip(job)
    return [job for job in jobs if not job.target.exists]
