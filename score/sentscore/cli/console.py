"""Shows a job: a progress bar on a terminal, and one line that sums it up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentscore.jobs.run import Summary
    from sentscore.progress import Progress


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """Shows a bar on stderr while the body runs, where stderr is a terminal.

    Yields:
        The function to report progress to; None where there is no bar. The bar shows the rows, the rows a second and
        the time left. It grows by rows, or by bytes where the number of rows is not known.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from sentscore.cli.lines import clean_line

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} reviews, {task.fields[rate]:,.0f}/s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None, rows=0, rate=0.0)
        kept = 0

        def show(progress: Progress) -> None:
            nonlocal kept
            if progress.kept > kept:  # rows of an earlier run count for neither the speed nor the time left
                kept = progress.kept
                bar.reset(task)
            by_rows = progress.total is not None
            elapsed = bar.tasks[task].elapsed or 0.0
            bar.update(
                task,
                description=clean_line(progress.phase),
                completed=progress.done if by_rows else progress.position,
                total=progress.total if by_rows else progress.size,
                rows=progress.done,
                rate=(progress.done - kept) / elapsed if elapsed else 0.0,
            )

        yield show


def format_summary(summary: Summary) -> str:
    """Returns the line that sums a job up: rows, speed, the share of positive texts, and the output."""
    models = ", ".join(
        f"{_percent(model.positive, summary.scored)} positive ({model.name} in {model.precision} on {model.device})"
        for model in summary.models
    )
    kept = f" ({summary.kept:,} by the run before)" if summary.kept else ""
    return (
        f"{summary.name}: {summary.rows:,} rows, {summary.scored:,} scored{kept}, {summary.empty:,} empty, "
        f"{summary.rate:,.0f} reviews/s, {models} -> {summary.output}"
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
