"""`sentscore file`: scores files, row by row or each as one text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sentscore.cli.options import (
    DEFAULT_MODELS,
    DeviceChoice,
    DeviceOption,
    ModelOption,
    PrecisionChoice,
    PrecisionOption,
    ThreadsOption,
)
from sentscore.errors import UsageError

if TYPE_CHECKING:
    from sentscore.jobs import Job
    from sentscore.jobs.pipeline import Progress
    from sentscore.jobs.run import Summary


def file_cli(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="Parquet, CSV, TSV, JSONL or text files, also .gz or .zst; - is stdin.",
            show_default=False,
        ),
    ],
    model: ModelOption = None,
    column: Annotated[
        str | None, typer.Option("--column", "-c", help="The column of texts.  [default: found by itself]")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A file, whose name tells the format, a folder, or - for stdout.  "
            "[default: NAME.scored.EXT beside the input; stdout for stdin]",
        ),
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Put before the names of the new columns.")] = "",
    device: DeviceOption = DeviceChoice.AUTO,
    precision: PrecisionOption = PrecisionChoice.AUTO,
    batch_tokens: Annotated[
        int | None,
        typer.Option("--batch-tokens", min=1, help="Tokens of a batch.  [default: by the device]"),
    ] = None,
    threads: ThreadsOption = None,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Score each file as one text, into one table."),
    ] = False,
    format: Annotated[
        str | None,
        typer.Option("--format", help="The inputs' format, such as csv or jsonl.gz.  [default: by their names]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace outputs that exist.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out the inputs whose outputs exist.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Carry on where a run that was stopped has left scores beside the output."
        ),
    ] = True,
) -> None:
    """Score files: the same rows come out, with the columns sentiment and score appended.

    sentscore file reviews.parquet --model lstm
    """
    from sentscore.cli.console import summary_line

    file(
        inputs,
        models=model or DEFAULT_MODELS,
        column=column,
        output=output,
        prefix=prefix,
        device=device.value,
        precision=precision.value,
        batch_tokens=batch_tokens,
        threads=threads,
        whole=whole,
        format=format,
        force=force,
        skip_existing=skip_existing,
        resume=resume,
        show_progress=True,
        on_skip=lambda job: typer.echo(f"{job.input}: left out, for {job.target.name} exists", err=True),
        on_summary=lambda summary: typer.echo(summary_line(summary), err=True),
    )


def file(
    inputs: Sequence[str],
    *,
    models: Sequence[str] = DEFAULT_MODELS,
    column: str | None = None,
    output: str | None = None,
    prefix: str = "",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "int8", "fp16"] = "auto",
    batch_tokens: int | None = None,
    threads: int | None = None,
    whole: bool = False,
    format: str | None = None,
    force: bool = False,
    skip_existing: bool = False,
    resume: bool = True,
    show_progress: bool = False,
    on_skip: Callable[[Job], None] | None = None,
    on_summary: Callable[[Summary], None] | None = None,
) -> list[Summary]:
    """Scores files; whatever can be wrong with the options or inputs is told before a model is loaded.

    Args:
        inputs: paths, or `-` for stdin.
        models: names of shipped models, or paths of artifact folders.
        column: the column of texts; None to find it by itself.
        output: a file, an existing folder, or `-` for stdout; None for `NAME.scored.EXT` beside each input.
        prefix: put before the names of the new columns.
        device: what to run on.
        precision: what to compute in.
        batch_tokens: tokens of a batch; None for the device's default.
        threads: batches at work at a time; None for the device's default.
        whole: whether each file is one text, all of them together one table.
        format: the inputs' format; None to go by their names.
        force: whether outputs that exist may be replaced.
        skip_existing: whether to leave out inputs whose outputs exist.
        resume: whether to carry on with the scores that a run that was stopped has left, and to leave them if this one
            is stopped.
        show_progress: whether to show a progress bar, where stderr is a terminal.
        on_skip: called for each input that `skip_existing` leaves out.
        on_summary: called after each job.

    Returns:
        What was done, one an output.

    Raises:
        SentscoreError: One of its kinds; outputs that were finished before it remain.
    """
    from sentscore.cli.console import progress_bar
    from sentscore.columns import result_names
    from sentscore.formats import parse_format
    from sentscore.jobs import plan_jobs, plan_whole
    from sentscore.jobs.run import check_inputs, check_readable, score_file, score_whole
    from sentscore.model.artifact import load_artifact
    from sentscore.scorer import Scorer

    if whole and (column is not None or format is not None or skip_existing):
        raise UsageError("--whole makes one table of files as they are: leave out --column, --format, --skip-existing")
    if force and skip_existing:
        raise UsageError("--force replaces outputs that exist, --skip-existing leaves them: give one of the two")
    if whole:
        target = plan_whole(inputs, output=output, force=force)
    else:
        chosen = parse_format(format) if format is not None else None
        jobs = plan_jobs(inputs, output=output, format=chosen, force=force or skip_existing)
        if skip_existing:
            jobs = _without_existing(jobs, on_skip)
            if not jobs:
                return []
    artifacts = [load_artifact(model) for model in models]
    added = result_names([artifact.name for artifact in artifacts], prefix)
    manifests = {artifact.name: artifact.manifest_sha256 for artifact in artifacts}
    if whole:
        check_readable(inputs)
    else:
        check_inputs(jobs, added, column=column)
    scorers = [
        Scorer(artifact, device=device, precision=precision, batch_tokens=batch_tokens, threads=threads)
        for artifact in artifacts
    ]
    for scorer in scorers:
        if scorer.device == "cuda":
            scorer.encode_in_processes()
        scorer.score(["."])  # loads the tokenizer, which no job's speed should be told by

    if whole:
        work = [partial(score_whole, inputs, target)]
    else:
        work = [partial(score_file, job, column=column) for job in jobs]
    bound = [partial(score, scorers, prefix=prefix, manifests=manifests, resume=resume) for score in work]
    return _summaries(bound, progress_bar if show_progress else nullcontext, on_summary, force=force)


def _summaries(
    work: Sequence[Callable[..., Summary]],
    bar: Callable[[], AbstractContextManager[Callable[[Progress], None] | None]],
    on_summary: Callable[[Summary], None] | None,
    *,
    force: bool,
) -> list[Summary]:
    """What each job did, one after the other; an interrupt says what to do with those that are done."""
    done: list[Summary] = []
    try:
        for score in work:
            with bar() as show:
                done.append(score(on_progress=show))
            if on_summary is not None:
                on_summary(done[-1])
    except KeyboardInterrupt as error:
        if done:
            remedy = "leave them out" if force else "--skip-existing leaves them out"
            error.add_note(f"inputs finished: the first {len(done)}; {remedy}")
        raise
    return done


def _without_existing(jobs: Sequence[Job], on_skip: Callable[[Job], None] | None) -> list[Job]:
    """The jobs whose outputs do not exist yet; `on_skip` gets the others."""
    for job in jobs:
        if job.target.exists and on_skip is not None:
            on_skip(job)
    return [job for job in jobs if not job.target.exists]
