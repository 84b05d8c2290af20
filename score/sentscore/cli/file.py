"""`sentscore file`: scores files, row by row or each as one text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
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
    from sentscore.jobs import Summary


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
) -> None:
    """Score files: the same rows come out, with the columns sentiment and score appended.

    sentscore file reviews.parquet --model lstm
    """
    from sentscore.progress import summary_line

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
        show_progress=True,
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
    show_progress: bool = False,
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
        show_progress: whether to show a progress bar, where stderr is a terminal.
        on_summary: called after each job.

    Returns:
        What was done, one an output.

    Raises:
        SentscoreError: One of its kinds; outputs that were finished before it remain.
    """
    from sentscore.artifact import load_artifact
    from sentscore.formats import parse_format
    from sentscore.jobs import check_inputs, check_readable, score_file, score_whole
    from sentscore.progress import progress_bar
    from sentscore.results import result_names
    from sentscore.scorer import Scorer
    from sentscore.sinks import plan_jobs, plan_whole

    if whole and (column is not None or format is not None):
        raise UsageError("--whole takes files as they are: leave out --column and --format")
    if whole:
        target = plan_whole(inputs, output=output, force=force)
    else:
        chosen = parse_format(format) if format is not None else None
        jobs = plan_jobs(inputs, output=output, format=chosen, force=force)
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

    summaries = []
    for job in [None] if whole else jobs:
        with progress_bar() if show_progress else nullcontext() as show:
            if job is None:
                summary = score_whole(inputs, target, scorers, prefix=prefix, manifests=manifests, on_progress=show)
            else:
                summary = score_file(job, scorers, column=column, prefix=prefix, manifests=manifests, on_progress=show)
        summaries.append(summary)
        if on_summary is not None:
            on_summary(summary)
    return summaries
