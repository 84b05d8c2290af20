"""Tells about a job in JSON, an object a line on stderr, in place of the bar and the summary."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from sentscore.errors import SentscoreError
    from sentscore.jobs import Changes, Job, RunSummary, Summary
    from sentscore.jobs.run_report import RunReport
    from sentscore.progress import Progress
    from sentscore.scorer import Scorer

_PROGRESS_EVERY_S: Final = 10.0


def format_event(event: str, *, level: str = "info", **fields: Any) -> bytes:  # noqa: ANN401 - whatever is JSON
    """Returns one line of the log, without its end: what happened, when, how bad it is, and more."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    # Half a character, of a name that is not UTF-8, becomes \udcff, which is how JSON writes it, too.
    line = json.dumps({"time": now, "level": level, "event": event, **fields}, ensure_ascii=False)
    return line.encode("utf-8", "backslashreplace")


def log_event(event: str, *, level: str = "info", **fields: Any) -> None:  # noqa: ANN401 - whatever is JSON
    """Writes a line of the log to stderr."""
    typer.echo(format_event(event, level=level, **fields), err=True)


class JsonLog:
    """Logs what a job reports. Progress is logged every ten seconds at most."""

    def __init__(self) -> None:
        self._logged_at = time.monotonic()

    def models(self, scorers: Sequence[Scorer]) -> None:
        """Logs the models that are loaded."""
        for scorer in scorers:
            log_event(
                "model",
                name=scorer.name,
                folder=str(scorer.artifact.path),
                manifest_sha256=scorer.manifest_sha256,
                precision=scorer.precision,
                device=scorer.device,
                threads=scorer.threads,
            )

    def progress(self, progress: Progress) -> None:
        """Logs how far a job is, if the last time is long enough ago."""
        if time.monotonic() - self._logged_at < _PROGRESS_EVERY_S:
            return
        self._logged_at = time.monotonic()
        log_event(
            "progress",
            input=progress.phase,
            rows=progress.done,
            rows_in_all=progress.total,
            bytes=progress.position,
            bytes_in_all=progress.size,
            kept=progress.kept,
        )

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Does nothing before and after all jobs."""
        yield

    @contextmanager
    def following(self, job: Job) -> Iterator[Callable[[Progress], None]]:
        """Yields the function to report a job's progress to."""
        yield self.progress

    def show_changes(self, changes: Changes) -> None:
        """Logs how the inputs differ from those that the outputs were made of."""
        log_event(
            "changes",
            new=changes.new,
            changed=changes.changed,
            made_by_another_model=changes.by_another,
            same=changes.same,
            gone=changes.gone,
        )

    def show_bad(self, job: Job, error: SentscoreError) -> None:
        """Logs an input that was skipped since it cannot be read."""
        message = " ".join(error.to_command_line().split())
        log_event("skipped", level="error", input=job.name, error=message, exit_code=error.exit_code)

    def show_end(self, done: RunSummary) -> None:
        """Does nothing, for `finished` tells more."""

    def show_warning(self, message: str) -> None:
        """Logs a warning while the job goes on."""
        log_event("warning", level="warning", message=message)

    def show_existing(self, job: Job) -> None:
        """Logs an input that is left out because its output exists."""
        log_event("left_out", input=job.name, output=job.target.name)

    def show_warnings(self, warnings: Sequence[str]) -> None:
        """Logs warnings that a job has given rise to."""
        for warning in warnings:
            self.show_warning(warning)

    def show_summary(self, summary: Summary) -> None:
        """Logs what a job did."""
        log_event(
            "scored",
            input=summary.name,
            output=summary.output,
            **summary.to_counts(),
            positive={model.name: model.positive for model in summary.models},
        )

    def finished(self, run: RunReport) -> None:
        """Logs the warnings and the sums of a run that has come to its end."""
        found = run.to_dict()
        for warning in run.find_warnings():  # the others were logged when they came up
            self.show_warning(warning)
        log_event("finished", **{name: found[name] for name in ("exit_code", "totals", "seconds", "reviews_per_s")})
