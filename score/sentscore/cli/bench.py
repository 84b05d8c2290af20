"""`sentscore bench`: measures how fast a model scores on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentscore.cli.lines import echo_json, echo_line
from sentscore.cli.options import (
    DEFAULT_MODELS,
    BatchTokensOption,
    ColumnOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    ThreadsOption,
)
from sentscore.model.options import DEFAULT_OPTIONS, ModelOptions

if TYPE_CHECKING:
    from sentscore.jobs.benchmark import Benchmark


def bench_cli(
    *,
    table: Annotated[
        Path | None,
        typer.Argument(metavar="INPUT", help="A file of texts.  [default: made-up texts as long as film reviews]"),
    ] = None,
    model: ModelOption = None,
    column: ColumnOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    batch_tokens: BatchTokensOption = None,
    threads: ThreadsOption = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many texts to make up without an INPUT.")] = 2_000,
    repetitions: Annotated[int, typer.Option("--repetitions", min=1, help="How many jobs to measure.")] = 5,
    warm_up: Annotated[int, typer.Option("--warm-up", min=0, help="How many jobs to run before, unmeasured.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure how many texts a model scores in a second.

    sentscore bench reviews.parquet --model lstm --model gru
    """
    options = ModelOptions(device, precision, batch_tokens, threads)
    for name in model or DEFAULT_MODELS:
        found = bench(
            table,
            model=name,
            column=column,
            options=options,
            rows=rows,
            repetitions=repetitions,
            warm_up=warm_up,
        )
        if as_json:
            echo_json(found.to_dict())
        else:
            for line in _format_report(found).splitlines():
                echo_line(line)


def bench(
    table: Path | None,
    *,
    model: str = DEFAULT_MODELS[0],
    column: str | None = None,
    options: ModelOptions = DEFAULT_OPTIONS,
    rows: int = 2_000,
    repetitions: int = 5,
    warm_up: int = 1,
) -> Benchmark:
    """Measures one model on a table, or on made-up texts.

    Raises:
        SentscoreError: The model cannot be loaded, or the table cannot be read.
    """
    from sentscore.jobs.benchmark import benchmark, write_reviews
    from sentscore.model.artifact import load_artifact
    from sentscore.scorer import Scorer

    scorer = Scorer(load_artifact(model), options, in_processes=True)
    with tempfile.TemporaryDirectory() as folder:
        if table is None:
            table, column = Path(folder) / "reviews.parquet", None
            write_reviews(table, scorer.vocabulary, rows)
        return benchmark(scorer, table, column=column, repetitions=repetitions, warm_up=warm_up)


def _format_report(found: Benchmark) -> str:
    rate, tokens = found.reviews_per_s, found.tokens_per_s
    stages = ", ".join(f"{name} {share:.1%}" for name, share in found.stages.items())
    lines = [
        f"{found.model} in {found.precision} on {found.device}, {found.threads} threads, "
        f"batches of {found.batch_tokens:,} tokens: {found.rows:,} rows, {found.repetitions} jobs",
        f"  reviews/s: {rate.median:,.1f}, 95 % interval {rate.low:,.1f} to {rate.high:,.1f}",
        f"  tokens/s:  {tokens.median:,.0f}, 95 % interval {tokens.low:,.0f} to {tokens.high:,.0f}",
        f"  time:      {stages}",
    ]
    arithmetic = f"  GFLOP/s:   {found.gflop_per_s:,.1f}"
    if found.machine_gflop_per_s is not None:
        share = found.gflop_per_s / found.machine_gflop_per_s
        arithmetic += f", {share:.2f} of this machine's float32 matrix products ({found.machine_gflop_per_s:,.1f})"
    lines.append(arithmetic)
    if found.peak_mebibytes is not None:
        lines.append(f"  peak:      {found.peak_mebibytes:,.0f} MiB")
    return "\n".join(lines)
