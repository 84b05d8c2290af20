"""Shows jobs: a progress bar on a terminal, and a line that sums each of them up, or all files of a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sentscore.cli.lines import echo_line

if TYPE_CHECKING:
    from sentscore.errors import SentscoreError
    from sentscore.jobs import Changes, Job, Plan, RunSummary, Summary
    from sentscore.jobs.run import ModelSummary
    from sentscore.progress import Progress

Show = Callable[["Progress"], None]


@contextmanager
def progress_bar() -> Iterator[Show | None]:
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
        kept, phase = 0, ""

        def show(progress: Progress) -> None:
            nonlocal kept, phase
            # Rows of an earlier run, or of another file, count for neither the speed nor the time left.
            if progress.kept > kept or (phase and progress.phase != phase):
                kept = progress.kept
                bar.reset(task)
            phase = progress.phase
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


class Display:
    """What a command shows on stderr: a line for each input that is named, and one for all files of folders.

    Args:
        plan: What the command does; None for the one job of `--whole`.
    """

    def __init__(self, plan: Plan | None) -> None:
        self._plan = plan
        self._is_tree = plan is not None and plan.is_tree
        self._show: Show | None = None
        self._begun = 0
        self._to_do = 0 if plan is None else plan.pending
        self._same = 0

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Shows one bar for all files of folders while the body runs."""
        if not self._is_tree:
            yield
            return
        with progress_bar() as self._show:
            yield

    @contextmanager
    def following(self, job: Job) -> Iterator[Show | None]:
        """Yields the function to report a job's progress to; None where there is no bar."""
        if not self._is_tree:
            with progress_bar() as show:
                yield show
            return
        self._begun += 1
        if self._show is None:
            yield None
            return
        whole, prefix = self._show, f"{self._begun:,}/{self._to_do:,} "
        yield lambda progress: whole(replace(progress, phase=prefix + progress.phase))

    def show_changes(self, changes: Changes) -> None:
        """Shows how the inputs differ from those that the outputs were made of."""
        self._to_do, self._same = changes.to_do, changes.same
        if self._plan is not None:
            echo_line(format_changes(self._plan, changes), err=True)

    def show_existing(self, job: Job) -> None:
        """Shows that a job was left out since its output exists."""
        if not self._is_tree:
            echo_line(f"{job.name}: left out, for {job.target.name} exists", err=True)

    def show_bad(self, job: Job, error: SentscoreError) -> None:
        """Shows that an input was skipped, and why."""
        message = " ".join(error.to_command_line().split())
        echo_line(f"skipped: {message}" if job.name in message else f"skipped: {job.name}: {message}", err=True)

    def show_warnings(self, warnings: Sequence[str]) -> None:
        """Shows what the user should know, a line each."""
        for warning in warnings:
            echo_line(f"warning: {warning}", err=True)

    def show_summary(self, summary: Summary) -> None:
        """Shows what a job did."""
        if not self._is_tree:
            echo_line(format_summary(summary), err=True)

    def show_end(self, done: RunSummary) -> None:
        """Shows what all jobs did, if not all of it was shown."""
        if self._plan is not None and (self._is_tree or done.bad):
            echo_line(format_run(self._plan, done, same=self._same), err=True)


def format_changes(plan: Plan, changes: Changes) -> str:
    """Returns the line that says what there is to do, and what was done before."""
    if not plan.incremental:
        done = f"{changes.same:,} of {changes.same + changes.to_do:,} files are done"
        return f"{plan.name}: the run that was not finished goes on: {done}"
    more = changes.gone - len(changes.gone_names)
    names = ", ".join(changes.gone_names) + (f" and {more:,} more" if more else "")
    gone = f"; {changes.gone:,} outputs stay whose inputs are gone: {names}" if changes.gone else ""
    return (
        f"{plan.name}: {changes.new:,} new, {changes.changed:,} changed, {changes.by_another:,} made by another model "
        f"or other options, {changes.same:,} as they were{gone}"
    )


def format_run(plan: Plan, done: RunSummary, *, same: int = 0) -> str:
    """Returns the line that sums all jobs up: files, rows, speed, outputs, what was skipped and what was left out."""
    skipped = f"; skipped {done.bad:,} that cannot be read: {done.name_bad()}" if done.bad else ""
    existing = [f"{done.existing:,} whose outputs exist"] if done.existing else []
    existing += [f"{same:,} that were done"] if same else []
    left_out = ", ".join([*existing, *([plan.left_out.describe()] if plan.left_out.total else [])])
    models = [f"{done.rate:,.0f} reviews/s", *([_describe_models(done.models, done.scored)] if done.models else [])]
    folders = plan.folders
    into = f" -> {folders[0] if len(folders) == 1 else f'{len(folders)} folders'}" if folders else ""
    return (
        f"{plan.name}: {done.outputs:,} files, {done.rows:,} rows, {done.scored:,} scored{_describe_kept(done.kept)}, "
        f"{done.empty:,} empty, {', '.join(models)}{into}{skipped}" + (f"; left out {left_out}" if left_out else "")
    )


def format_summary(summary: Summary) -> str:
    """Returns the line that sums a job up: rows, speed, the share of positive texts, and the output."""
    return (
        f"{summary.name}: {summary.rows:,} rows, {summary.scored:,} scored{_describe_kept(summary.kept)}, "
        f"{summary.empty:,} empty, {summary.rate:,.0f} reviews/s, "
        f"{_describe_models(summary.models, summary.scored)} -> {summary.output}"
    )


def _describe_models(models: Sequence[ModelSummary], scored: int) -> str:
    return ", ".join(
        f"{_percent(model.positive, scored)} positive ({model.name} in {model.precision} on {model.device})"
        for model in models
    )


def _describe_kept(kept: int) -> str:
    return f" ({kept:,} by the run before)" if kept else ""


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
