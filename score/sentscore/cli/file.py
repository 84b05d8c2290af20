"""`sentscore file`: scores files, row by row or each as one text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from itertools import islice
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
from sentscore.cli.request import FileRequest, check_request
from sentscore.cli.signals import nothing_begun
from sentscore.cli.store_log import telling_of_stores
from sentscore.errors import InputError, SentscoreError
from sentscore.model.options import DEFAULT_OPTIONS, ModelOptions

if TYPE_CHECKING:
    from sentscore.cli.console import Display
    from sentscore.jobs import Job, Night, Plan, RunSummary, Summary
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
            help="Parquet, CSV, TSV, JSONL or text files, also .gz or .zst; folders of them; or patterns such as "
            "'lake/**/*.parquet'; all of these also in a store: s3://BUCKET/KEY, gs, abfs or hdfs. - stands for stdin.",
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
            help="A file, whose name tells its format, a folder, which is made, the URI of one in a store, or - for "
            "stdout.  "
            "[default: NAME.scored.EXT beside a file; NAME.scored/ beside a folder; stdout for stdin]",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="The format of the outputs, such as parquet or csv.gz.  [default: the inputs']"),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="COLUMN,...", help="Write these columns and the scores alone.  [default: all]"),
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
    incremental: Annotated[
        bool,
        typer.Option(
            "--incremental",
            help="Score only what is new in the inputs or has changed, or was scored by another model or option.",
        ),
    ] = False,
    on_error: Annotated[
        Literal["stop", "skip"],
        typer.Option(
            "--on-error", help="What to do about an input that cannot be read. After skip the exit code is 3."
        ),
    ] = "stop",
    max_bad: Annotated[
        int | None,
        typer.Option("--max-bad", min=0, help="Stop if --on-error skip would skip more inputs.  [default: no bound]"),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Use the scores that a stopped run has left beside the output."),
    ] = True,
    explain: ExplainOption = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="A JSON file that says what the run did, also if it fails. Replaces one."),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option("--metrics", help="A .prom file of OpenMetrics text for node_exporter. Replaces older ones."),
    ] = None,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="json: one object a line on stderr, in place of bar and summary.")
    ] = "text",
) -> None:
    """Score files: the outputs have the same rows, with the columns sentiment and score appended.

    sentscore file reviews.parquet --model lstm
    """
    log = JsonLog() if log_format == "json" else None
    recorder = Recorder(report, metrics, _list_options(context))
    done = file(
        inputs,
        models=model or DEFAULT_MODELS,
        options=ModelOptions(device, precision, batch_tokens, threads),
        column=column,
        output=output,
        to=to,
        keep=keep,
        prefix=prefix,
        whole=whole,
        format=format,
        force=force,
        skip_existing=skip_existing,
        incremental=incremental,
        on_error=on_error,
        max_bad=max_bad,
        resume=resume,
        explain=explain,
        recorder=recorder,
        shown=log is None,
        log=log,
    )
    if log:
        log.finished(recorder.run)
    if done.bad:
        raise typer.Exit(InputError.exit_code)


def _list_options(context: typer.Context) -> dict[str, object]:
    """Returns the values of all options by their names, as the report tells them."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in context.params.items()}


def file(
    inputs: Sequence[str],
    *,
    models: Sequence[str] = DEFAULT_MODELS,
    options: ModelOptions = DEFAULT_OPTIONS,
    column: str | None = None,
    output: str | None = None,
    to: str | None = None,
    keep: Sequence[str] | None = None,
    prefix: str = "",
    whole: bool = False,
    format: str | None = None,
    force: bool = False,
    skip_existing: bool = False,
    incremental: bool = False,
    on_error: Literal["stop", "skip"] = "stop",
    max_bad: int | None = None,
    resume: bool = True,
    explain: int | None = None,
    recorder: Recorder | None = None,
    shown: bool = False,
    log: JsonLog | None = None,
) -> RunSummary:
    """Scores files. Errors in the options or the first input are raised before a model is loaded.

    Args:
        inputs: Files, folders, patterns of files, URIs of these in a store, or `-` for stdin.
        models: The names of shipped models, or the paths of artifact folders.
        options: How to run the models.
        column: The column of texts; None to find it.
        output: A file, a folder, or `-` for stdout; None for `NAME.scored.EXT` beside each file and the folder
            `NAME.scored` beside each folder.
        to: The format of the outputs; None for that of the inputs.
        keep: The columns of the inputs that the outputs have, also several with commas between them; None for all.
        prefix: What to put before the names of the new columns.
        whole: Whether each file is one text, and all of them together one table.
        format: The format of the inputs; None to go by their names.
        force: Whether outputs that exist may be replaced.
        skip_existing: Whether to leave out inputs whose outputs exist.
        incremental: Whether to leave out inputs whose outputs were made from the same input by the same models and
            options, and to replace the outputs of those that have changed.
        on_error: Whether to stop at an input that cannot be read, or to skip it.
        max_bad: The most inputs that are skipped; None for no bound.
        resume: Whether to carry on with the scores that a stopped run has left, and to leave them if this one stops.
        explain: How many words a row to explain the scores with; None for no explanations.
        recorder: Keeps the report of the run, and writes it and the metrics.
        shown: Whether to show a progress bar, where stderr is a terminal, and lines that say what was done.
        log: Logs what was done in JSON, in place of bar and lines.

    Returns:
        What was done, in all.

    Raises:
        SentscoreError: Something is wrong with the options, an input, a model, the device or an output. Outputs that
            were finished before remain.
    """
    request = FileRequest(
        column=column,
        output=output,
        to=to,
        keep=keep,
        prefix=prefix,
        whole=whole,
        format=format,
        force=force,
        skip_existing=skip_existing,
        incremental=incremental,
        on_error=on_error,
        max_bad=max_bad,
        resume=resume,
        explain=explain,
    )
    record = recorder or Recorder()
    with ExitStack() as stack:
        stack.enter_context(record.recording(inputs))
        tell: list[Callable[[str], object]] = [record.run.warnings.append]
        if log is not None or shown:
            tell.append(log.show_warning if log is not None else partial(echo_line, err=True))
        stack.enter_context(telling_of_stores(*tell))
        began = time.perf_counter()
        # An interrupt ends the command at once here, unless there is a report to write.
        with nullcontext() if record.is_wanted else nothing_begun():
            check_request(request)
            jobs, plan = _plan(inputs, request)
            if plan is not None:
                stack.callback(plan.close)
            scorers = _prepare(jobs, plan, models, options, request)
            from sentscore.cli.console import Display

            display = log or (Display(plan) if shown else None)
            night = _begin_night(plan, scorers, request, display)
        record.add_models(scorers, time.perf_counter() - began)
        if log is not None:
            log.models(scorers)
        done = _run(jobs, night, scorers, request, display, record)
        if done.bad:
            record.exit_code = InputError.exit_code
        return done


def _plan(inputs: Sequence[str], request: FileRequest) -> tuple[Iterable[Job], Plan | None]:
    """Returns the jobs, and the plan that they are of; None for the one job of `--whole`."""
    from sentscore.formats import parse_format
    from sentscore.jobs import plan_jobs, plan_whole

    _ = request.kept  # what is wrong with it shows first
    if request.whole:
        return [plan_whole(inputs, output=request.output, force=request.force)], None
    plan = plan_jobs(
        inputs,
        output=request.output,
        format=parse_format(request.format) if request.format is not None else None,
        to=parse_format(request.to, option="--to") if request.to is not None else None,
        force=request.force,
        skip_existing=request.skip_existing,
        incremental=request.incremental,
    )
    return plan, plan


def _prepare(
    jobs: Iterable[Job], plan: Plan | None, models: Sequence[str], options: ModelOptions, request: FileRequest
) -> list[Scorer]:
    """Checks what can be checked before the first job, and loads the models if there is a job."""
    from sentscore.columns import added_names
    from sentscore.jobs import check_inputs, first_readable
    from sentscore.model.artifact import load_artifacts
    from sentscore.scorer import Scorer

    if plan is not None and not plan.pending:
        return []
    artifacts = load_artifacts(models)
    names = [artifact.name for artifact in artifacts]
    added = added_names(names, request.prefix, explained=request.explain is not None)
    if request.skip_existing:
        jobs = (job for job in jobs if not job.target.exists)
    if request.on_error == "skip":
        first_readable(jobs, lambda some: check_inputs(some, added, column=request.column, keep=request.kept))
    else:  # those that are named are few enough to be looked at all
        first = islice(jobs, 1) if plan is not None and plan.is_tree else jobs
        check_inputs(first, added, column=request.column, keep=request.kept)
    scorers: list[Scorer] = []
    for artifact in artifacts:
        # Models with the same vocabulary share what is encoded, so the first of them has the processes.
        is_first = all(artifact.encoding != scorer.artifact.encoding for scorer in scorers)
        scorers.append(Scorer(artifact, options, in_processes=is_first))
    for scorer in scorers:
        scorer.score(["."])  # loads the tokenizer, whose time is not the first job's
    return scorers


def _begin_night(
    plan: Plan | None, scorers: Sequence[Scorer], request: FileRequest, display: Display | JsonLog | None
) -> Night | None:
    """Begins the run of a plan whose folders of outputs keep what they hold; returns None where none does."""
    from sentscore.jobs import Night, describe_making

    if plan is None or not plan.states or not scorers:
        return None
    night = Night(plan, describe_making(scorers, request.making))
    night.check()
    if display is not None and (plan.incremental or night.goes_on):
        display.show_changes(night.compare())
    night.begin()
    return night


def _run(
    jobs: Iterable[Job],
    night: Night | None,
    scorers: Sequence[Scorer],
    request: FileRequest,
    display: Display | JsonLog | None,
    record: Recorder,
) -> RunSummary:
    from sentscore.jobs import run_all, run_job

    waiting = iter(jobs if night is None else night.jobs(record.add_left_out))
    begun: list[Job] = []  # the job at work

    def run(job: Job) -> Summary:
        begun[:] = [job]
        with display.following(job) if display is not None else nullcontext() as show:
            return run_job(
                job,
                scorers,
                column=request.column,
                prefix=request.prefix,
                keep=request.kept,
                resume=request.resume,
                explain=request.explain,
                on_progress=show,
            )

    def leave_out(job: Job) -> None:
        record.add_left_out(job)
        if display is not None:
            display.show_existing(job)

    def set_aside(job: Job, error: SentscoreError) -> None:
        begun.clear()
        record.add_failed(job, error)
        if display is not None:
            display.show_bad(job, error)

    def sum_up(summary: Summary) -> None:
        begun.clear()
        record.add_scored(summary)
        warnings = record.add_memory_notes(scorers)
        if display is not None:
            display.show_warnings(warnings)
            display.show_summary(summary)

    with (
        display.showing() if display is not None else nullcontext(),
        _recording_failure(record, begun, waiting),
    ):
        done = run_all(
            waiting,
            run if night is None else night.recorded(run),
            skip_existing=request.skip_existing,
            on_error=request.on_error,
            max_bad=request.max_bad,
            remedy=_describe_remedy(night, request),
            on_existing=leave_out,
            on_bad=set_aside,
            on_summary=sum_up,
        )
    if night is not None:
        night.end()
    if display is not None:
        display.show_end(done)
    return done


@contextmanager
def _recording_failure(record: Recorder, begun: Sequence[Job], waiting: Iterable[Job]) -> Iterator[None]:
    """Gives the report an entry of the job at which the body fails, and of those behind it."""
    try:
        yield
    except BaseException as error:
        with suppress(SentscoreError):  # the error that counts is the one that ended the run
            for job in begun:
                record.add_failed(job, error)
            record.add_not_begun(waiting)
        raise


def _describe_remedy(night: Night | None, request: FileRequest) -> str:
    """Returns what an error says of the inputs that are finished, with `{}` for their number."""
    if night is not None:
        return "{}; the same command leaves them out"
    return "the first {}; leave them out" if request.force else "the first {}; --skip-existing leaves them out"
