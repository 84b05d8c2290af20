"""Writes what a run did, its report and its metrics, however the run ends."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from sentscore.cli.guard import explain_error
from sentscore.cli.signals import nothing_begun
from sentscore.errors import OutputError, UsageError
from sentscore.files import output_errors

_HEAD_BYTES: Final = 100
_OURS: Final = re.compile(rb'\s*$|\{\s*"format_version": \d+,\s*"status": |# (HELP|TYPE) sentscore_run_|# EOF')
"""How the reports and metrics begin that may be replaced; an empty file may be, too."""

if TYPE_CHECKING:
    from sentscore.jobs import Job, Summary
    from sentscore.jobs.run_report import RunReport
    from sentscore.scorer import Scorer


class Recorder:
    """Keeps the report of a run, and writes it to the files that are asked for.

    Args:
        report: The file of the report; None for none.
        metrics: The file of the metrics; None for none.
        options: What the command was given, by the names of its options.

    Attributes:
        run: The report.
        exit_code: The exit code of a run that ends without an error: that of inputs that were skipped.
    """

    run: RunReport
    exit_code: int = 0

    def __init__(
        self, report: Path | None = None, metrics: Path | None = None, options: dict[str, object] | None = None
    ) -> None:
        self._report = report
        self._metrics = metrics
        self._options = options
        self._noted: set[str] = set()  # models that a warning about memory names

    @property
    def is_wanted(self) -> bool:
        """Whether there is a file to write."""
        return self._report is not None or self._metrics is not None

    @contextmanager
    def recording(self, inputs: Sequence[str]) -> Iterator[None]:
        """Writes the files when the body ends, even by an error or an interrupt; the body's error is passed on.

        They are written at the beginning, too. So a kill leaves no figures of another day, and a place that cannot be
        written to is an error before the work.

        Args:
            inputs: The names that were given: where all files of a folder are inputs, no report may be among them.

        Raises:
            UsageError: A file would replace something else than a report or metrics, would be an input, or has the
                name of a table.
            OutputError: A file cannot be written.
        """
        with nullcontext() if self.is_wanted else nothing_begun():
            from sentscore.jobs.run_report import RunReport
        any_format = bool(self._options and (self._options.get("whole") or self._options.get("format")))
        for option, path in (("--report", self._report), ("--metrics", self._metrics)):
            if path is not None:
                _check_place(option, path, inputs, any_format=any_format)
        if self._report is not None and self._metrics is not None and _is_same(self._report, self._metrics):
            raise UsageError(f"--report and --metrics are both {self._report}: name two files")
        self.run = RunReport(self._options, keep_inputs=self._report is not None)
        self._write()
        try:
            yield
            self.run.end(self.exit_code)
            self._write()
        except BaseException as error:
            if not isinstance(error, typer.Exit):
                message, code = explain_error(error)
                self.run.end(code, message)
            else:
                self.run.end(error.exit_code)
            try:
                self._write()
            except OutputError as failed:
                if failed.args != error.args:
                    error.add_note(str(failed))
            raise

    def add_models(self, scorers: Sequence[Scorer], seconds: float) -> None:
        """Gives the report the models, and the time that it took until they were loaded."""
        self.run.add_models(scorers, seconds)

    def add_scored(self, summary: Summary) -> None:
        """Gives the report the entry of a job that is done."""
        self.run.add_scored(summary)

    def add_memory_notes(self, scorers: Sequence[Scorer]) -> list[str]:
        """Gives the report a warning for each model whose batches a GPU's memory did not hold.

        Returns:
            The warnings of models that had none before.
        """
        warnings = []
        for scorer in scorers:
            if scorer.memory_note and scorer.name not in self._noted:
                self._noted.add(scorer.name)
                warnings.append(f"{scorer.name}: {scorer.memory_note}")
        self.run.warnings += warnings
        return warnings

    def add_failed(self, job: Job, error: BaseException) -> None:
        """Gives the report the entry of a job that has failed, whether the run goes on or not."""
        message, code = explain_error(error)
        self.run.add_failed(job, message or "stdout was closed", code)

    def add_not_begun(self, jobs: Iterable[Job]) -> None:
        """Gives the report the entries of jobs that a failure before them has kept from being begun."""
        for job in jobs:
            self.run.add_not_begun(job)

    def add_left_out(self, job: Job) -> None:
        """Gives the report the entry of a job whose output exists."""
        self.run.add_left_out(job)

    def _write(self) -> None:
        from sentscore.jobs.metrics import write_metrics

        if self._report is not None:
            self.run.write(self._report)
        if self._metrics is not None:
            write_metrics(self.run, self._metrics)


def _check_place(option: str, path: Path, inputs: Iterable[str], *, any_format: bool) -> None:
    """Checks that a file can be written, and replaces nothing but a report or metrics of another run.

    Args:
        option: The option that names it.
        path: The file.
        inputs: The names that were given.
        any_format: Whether files of folders are inputs whatever their names.
    """
    from sentscore.formats import parse_file_name
    from sentscore.jobs.inputs import parse_argument

    if parse_file_name(path.name) is not None or path.name in {"", "-"}:
        raise UsageError(f"{option} {path}: a report must not have the name of a table: end it in .json or .prom")
    with output_errors(str(path)):
        if path.is_dir():
            raise OutputError(f"{path}: is a folder: name a file in it with {option}")
        if not path.parent.is_dir():
            raise OutputError(f"{path}: there is no folder {path.parent}: make it first")
        if os.path.lexists(path):
            if not path.is_file():
                raise OutputError(f"{path}: is no file: name another one with {option}")
            with path.open("rb") as file:
                if not _OURS.match(file.read(_HEAD_BYTES)):
                    raise UsageError(f"{option} {path}: is there and is no report or metrics: name another file")
        for name in inputs if any_format else ():
            root = parse_argument(name).root
            if isinstance(root, Path) and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)):
                raise UsageError(f"{option} {path}: would be an input, for it is in {root}: name another folder")


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)
