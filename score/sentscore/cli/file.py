"""`sentscore file`: scores files, row by row or each as one text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sentscore.cli.options import (
    DEFAULT_MODELS,
    BatchTokensOption,
    ColumnOption,
    DeviceOption,
    ModelOption,
    PrecisionOption,
    ThreadsOption,
)
from sentscore.cli.request import FileRequest, check_request
from sentscore.cli.signals import nothing_begun
from sentscore.errors import InputError
from sentscore.model.options import DEFAULT_OPTIONS, ModelOptions

if TYPE_CHECKING:
    from sentscore.cli.console import Display
    from sentscore.jobs import Job, Night, Plan, RunSummary, Summary
    from sentscore.scorer import Scorer


def file_cli(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Parquet, CSV, TSV, JSONL or text files, also .gz or .zst; folders of them; or patterns such as "
            "'lake/**/*.parquet'. - stands for stdin.",
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
            help="A file, whose name tells its format, a folder, which is made, or - for stdout.  "
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
) -> None:
    """Score files: the outputs have the same rows, with the columns sentiment and score appended.

    sentscore file reviews.parquet --model lstm
    """
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
        shown=True,
    )
    if done.bad:
        raise typer.Exit(InputError.exit_code)


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
    shown: bool = False,
) -> RunSummary:
    """Scores files. Errors in the options or the first input are raised before a model is loaded.

    Args:
        inputs: Files, folders, patterns of files, or `-` for stdin.
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
        shown: Whether to show a progress bar, where stderr is a terminal, and lines that say what was done.

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
    )
    with ExitStack() as stack:
        with nothing_begun():
            check_request(request)
            jobs, plan = _plan(inputs, request)
            if plan is not None:
                stack.callback(plan.close)
            scorers = _prepare(jobs, plan, models, options, request)
            from sentscore.cli.console import Display

            display = Display(plan) if shown else None
            night = _begin_night(plan, scorers, request, display)
        for scorer in scorers:
            if scorer.device == "cuda":
                scorer.engine.encode_in_processes()
        return _run(jobs, night, scorers, request, display)


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
    from sentscore.columns import result_names
    from sentscore.jobs import check_inputs, first_readable
    from sentscore.model.artifact import load_artifacts
    from sentscore.scorer import Scorer

    if plan is not None and not plan.pending:
        return []
    artifacts = load_artifacts(models)
    added = result_names([artifact.name for artifact in artifacts], request.prefix)
    if request.skip_existing:
        jobs = (job for job in jobs if not job.target.exists)
    if request.on_error == "skip":
        first_readable(jobs, lambda some: check_inputs(some, added, column=request.column, keep=request.kept))
    else:  # those that are named are few enough to be looked at all
        first = islice(jobs, 1) if plan is not None and plan.is_tree else jobs
        check_inputs(first, added, column=request.column, keep=request.kept)
    scorers = [Scorer(artifact, options) for artifact in artifacts]
    for scorer in scorers:
        scorer.score(["."])  # loads the tokenizer, whose time is not the first job's
    return scorers


def _begin_night(
    plan: Plan | None, scorers: Sequence[Scorer], request: FileRequest, display: Display | None
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
    display: Display | None,
) -> RunSummary:
    from sentscore.jobs import run_all, run_job

    def run(job: Job) -> Summary:
        with display.following(job) if display is not None else nullcontext() as show:
            return run_job(
                job,
                scorers,
                column=request.column,
                prefix=request.prefix,
                keep=request.kept,
                resume=request.resume,
                on_progress=show,
            )

    with display.showing() if display is not None else nullcontext():
        done = run_all(
            jobs if night is None else night.jobs(),
            run if night is None else night.recorded(run),
            skip_existing=request.skip_existing,
            on_error=request.on_error,
            max_bad=request.max_bad,
            remedy=_describe_remedy(night, request),
            on_existing=display.show_existing if display is not None else None,
            on_bad=display.show_bad if display is not None else None,
            on_summary=display.show_summary if display is not None else None,
        )
    if night is not None:
        night.end()
    if display is not None:
        display.show_end(done)
    return done


def _describe_remedy(night: Night | None, request: FileRequest) -> str:
    """Returns what an error says of the inputs that are finished, with `{}` for their number."""
    if night is not None:
        return "{}; the same command leaves them out"
    return "the first {}; leave them out" if request.force else "the first {}; --skip-existing leaves them out"
