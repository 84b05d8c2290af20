"""Shows what a training reports: a bar for each phase with loss, accuracy, reviews/s and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from sentscore.cli.lines import clean_line, echo_line
from sentscore.progress import Progress, Report

_LOG_EVERY_S = 60.0  # between two lines of a phase if stderr is not a terminal


@contextmanager
def progress_bars() -> Iterator[Report]:
    """Gives a function that shows reports on stderr, as bars on a terminal and as a line a minute elsewhere."""
    if not sys.stderr.isatty():
        yield _print_lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    started: dict[str, tuple[float, int]] = {}
    with Bars(*columns, console=Console(stderr=True)) as bars:

        def show(progress: Progress) -> None:
            if progress.phase not in tasks:
                tasks[progress.phase] = bars.add_task(clean_line(progress.phase), total=progress.total, figures="")
                started[progress.phase] = (time.monotonic(), progress.done)
            bars.update(
                tasks[progress.phase],
                completed=progress.done,
                total=progress.total,
                figures=_format_figures(progress, *started[progress.phase]),
            )

        yield show


def epoch_line(entry: dict[str, float]) -> str:
    """Returns a line about one epoch of a history."""
    line = (
        f"epoch {entry['epoch']}: train loss {entry['train_loss']:.4f}, accuracy {entry['train_accuracy']:.2%}; "
        f"validation loss {entry['validation_loss']:.4f}, accuracy {entry['validation_accuracy']:.2%}; "
        f"{entry['seconds']:,.0f} s"
    )
    if "test_accuracy" in entry:
        line += f"; test loss {entry['test_loss']:.4f}, accuracy {entry['test_accuracy']:.2%}"
    return line


def _format_figures(progress: Progress, started: float, first: int) -> str:
    seconds = time.monotonic() - started
    parts = []
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.4f}")
    if progress.accuracy is not None:
        parts.append(f"accuracy {progress.accuracy:.2%}")
    if seconds > 0 and (progress.total or 0) > 1:
        parts.append(f"{(progress.done - first) / seconds:,.0f}/s")
    return " ".join(parts)


def _print_lines() -> Report:
    phase, started, first, last = "", 0.0, 0, 0.0

    def show(progress: Progress) -> None:
        nonlocal phase, started, first, last
        now = time.monotonic()
        if progress.phase != phase:
            phase, started, first, last = progress.phase, now, progress.done, now
        elif now - last < _LOG_EVERY_S and progress.done < (progress.total or 0):
            return
        last = now
        share = f"{progress.done:,}/{progress.total:,}"
        echo_line(f"{phase} {share} {_format_figures(progress, started, first)}".rstrip(), err=True)

    return show
