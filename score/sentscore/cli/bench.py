"""`sentscore bench`: how fast a model scores on this machine."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sentscore.cli.options import (
    DEFAULT_MODELS,
    DeviceChoice,
    DeviceOption,
    JsonOption,
    ModelOption,
    PrecisionChoice,
    PrecisionOption,
    ThreadsOption,
)

if TYPE_CHECKING:
    from sentscore.jobs.benchmark import Benchmark


def bench_cli(
    *,
    table: Annotated[
        Path | None,
        typer.Argument(metavar="[INPUT]", help="A file of reviews.  [default: texts as long as film reviews]"),
    ] = None,
    model: ModelOption = None,
    column: Annotated[str | None, typer.Option("--column", "-c", help="The column of texts.")] = None,
    device: DeviceOption = DeviceChoice.AUTO,
    precision: PrecisionOption = PrecisionChoice.AUTO,
    batch_tokens: Annotated[
        int | None, typer.Option("--batch-tokens", min=1, help="Tokens of a batch.  [default: by the device]")
    ] = None,
    threads: ThreadsOption = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Texts, where no INPUT is given.")] = 2_000,
    repetitions: Annotated[int, typer.Option("--repetitions", min=1, help="Jobs that are measured.")] = 5,
    warm_up: Annotated[int, typer.Option("--warm-up", min=0, help="Jobs before them that are not.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure whole jobs: reviews/s, where the time goes, and how near that is to the machine's limit.

    sentscore bench reviews.parquet --model lstm --model gru
    """
    for name in model or DEFAULT_MODELS:
        found = bench(
            table,
            model=name,
            column=column,
            device=device.value,
            precision=precision.value,
            batch_tokens=batch_tokens,
            threads=threads,
            rows=rows,
            repetitions=repetitions,
            warm_up=warm_up,
        )
        typer.echo(json.dumps(found.to_dict()) if as_json else _report(found))


def bench(
    table: Path | None,
    *,
    model: str = DEFAULT_MODELS[0],
    column: str | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "int8", "fp16"] = "auto",
    batch_tokens: int | None = None,
    threads: int | None = None,
    rows: int = 2_000,
    repetitions: int = 5,
    warm_up: int = 1,
) -> Benchmark:
    """Measures one model on a table, or on texts made for it.

    Raises:
        SentscoreError: One of its kinds.
    """
    from sentscore.jobs.benchmark import benchmark, write_reviews
    from sentscore.scorer import Scorer

    scorer = Scorer.load(model, device=device, precision=precision, batch_tokens=batch_tokens, threads=threads)
    if scorer.device == "cuda":
        scorer.encode_in_processes()
    with tempfile.TemporaryDirectory() as folder:
        if table is None:
            table, column = Path(folder) / "reviews.parquet", None
            write_reviews(table, scorer.vocabulary, rows)
        return benchmark(scorer, table, column=column, repetitions=repetitions, warm_up=warm_up)


def _report(found: Benchmark) -> str:
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
