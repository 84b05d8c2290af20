"""`sentscore file`: scores files, row by row or each as one text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
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
from sentscore.cli.signals import nothing_begun
from sentscore.errors import InputError, UsageError
from sentscore.model.options import DEFAULT_OPTIONS, ModelOptions

if TYPE_CHECKING:
    from sentscore.jobs import Job, Plan, RunSummary, Summary
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
    with nothing_begun():
        plan: Plan | None
        if whole:
            _check_whole(column, format, to, keep, skip_existing=skip_existing, on_error=on_error)
        if force and skip_existing:
            raise UsageError("--force replaces outputs that exist, --skip-existing leaves them: give one of the two")
        if max_bad is not None and on_error == "stop":
            raise UsageError("--max-bad counts the inputs that are skipped: give --on-error skip too")
        jobs, plan = _plan(inputs, output, format, to, whole=whole, force=force, skip_existing=skip_existing)
        scorers, kept = _prepare(jobs, plan, models, options, column, keep, prefix, on_error=on_error)
        from sentscore.cli.console import Display
        from sentscore.jobs import run_all, run_job
    for scorer in scorers:
        if scorer.device == "cuda":
            scorer.engine.encode_in_processes()
    display = Display(plan) if shown else None

    def run(job: Job) -> Summary:
        with display.following(job) if display is not None else nullcontext() as show:
            return run_job(job, scorers, column=column, prefix=prefix, keep=kept, resume=resume, on_progress=show)

    with display.showing() if display is not None else nullcontext():
        done = run_all(
            jobs,
            run,
            skip_existing=skip_existing,
            on_error=on_error,
            max_bad=max_bad,
            on_existing=display.show_existing if display is not None else None,
            on_bad=display.show_bad if display is not None else None,
            on_summary=display.show_summary if display is not None else None,
        )
    if display is not None:
        display.show_end(done)
    return done


def _plan(
    inputs: Sequence[str],
    output: str | None,
    format: str | None,
    to: str | None,
    *,
    whole: bool,
    force: bool,
    skip_existing: bool,
) -> tuple[Iterable[Job], Plan | None]:
    """Returns the jobs, and the plan that they are of; None for the one job of `--whole`."""
    from sentscore.formats import parse_format
    from sentscore.jobs import plan_jobs, plan_whole

    if whole:
        return [plan_whole(inputs, output=output, force=force)], None
    plan = plan_jobs(
        inputs,
        output=output,
        format=parse_format(format) if format is not None else None,
        to=parse_format(to, option="--to") if to is not None else None,
        force=force,
        skip_existing=skip_existing,
    )
    return plan, plan


def _check_whole(
    column: str | None,
    format: str | None,
    to: str | None,
    keep: Sequence[str] | None,
    *,
    skip_existing: bool,
    on_error: str,
) -> None:
    if column is not None or format is not None or skip_existing or to is not None or keep or on_error != "stop":
        raise UsageError(
            "--whole makes one table of files as they are: leave out --column, --format, --to, --keep, "
            "--skip-existing and --on-error"
        )


def _prepare(
    jobs: Iterable[Job],
    plan: Plan | None,
    models: Sequence[str],
    options: ModelOptions,
    column: str | None,
    keep: Sequence[str] | None,
    prefix: str,
    *,
    on_error: str,
) -> tuple[list[Scorer], tuple[str, ...] | None]:
    """Checks what can be checked before the first job, and loads the models if there is a job."""
    from sentscore.columns import parse_keep, result_names
    from sentscore.jobs import check_inputs, first_readable
    from sentscore.model.artifact import load_artifacts
    from sentscore.scorer import Scorer

    kept = parse_keep(keep) if keep else None
    if plan is not None and not plan.pending:
        return [], kept
    artifacts = load_artifacts(models)
    added = result_names([artifact.name for artifact in artifacts], prefix)
    if plan is not None and plan.skip_existing:
        jobs = (job for job in jobs if not job.target.exists)
    if on_error == "skip":
        first_readable(jobs, lambda some: check_inputs(some, added, column=column, keep=kept))
    elif plan is not None and plan.is_tree:
        check_inputs(islice(jobs, 1), added, column=column, keep=kept)
    else:  # they are few enough to be named
        check_inputs(jobs, added, column=column, keep=kept)
    scorers = [Scorer(artifact, options) for artifact in artifacts]
    for scorer in scorers:
        scorer.score(["."])  # loads the tokenizer, whose time is not the first job's
    return scorers, kept
