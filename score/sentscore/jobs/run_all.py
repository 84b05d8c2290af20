"""Runs the jobs of a plan one after the other, and sets inputs aside that cannot be read, if that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from sentscore.errors import InputError, SentscoreError, StoreError, UsageError
from sentscore.files import sweep_folder
from sentscore.jobs.job import Job
from sentscore.jobs.journal import journal_place, remove_journals
from sentscore.jobs.run import ModelSummary, Summary
from sentscore.stores import Place, StorePath

OnError = Literal["stop", "skip"]
"""What happens to the jobs behind an input that cannot be read: they are not done, or they are."""

_MOST_NAMED: Final = 20  # inputs that a one-line message has room for


@dataclass
class RunSummary:
    """What all jobs of a command did.

    Attributes:
        outputs: The outputs that were made.
        rows: The rows that were read and written.
        scored: The rows that have a score; the others have no text.
        models: What each model did.
        seconds: How long the jobs took, without loading the models and opening the inputs.
        kept: The texts whose scores an earlier run had left.
        existing: The inputs that were left out since their outputs exist.
        bad: The inputs that were skipped since they cannot be read.
        bad_names: The first of their names.
    """

    outputs: int = 0
    rows: int = 0
    scored: int = 0
    models: tuple[ModelSummary, ...] = ()
    seconds: float = 0.0
    kept: int = 0
    existing: int = 0
    bad: int = 0
    bad_names: list[str] = field(default_factory=list)

    @property
    def empty(self) -> int:
        """The rows without a text, whose results are null."""
        return self.rows - self.scored

    @property
    def rate(self) -> float:
        """The texts that this run scored in a second."""
        return (self.scored - self.kept) / self.seconds if self.seconds > 0 else 0.0

    def add(self, summary: Summary) -> None:
        """Adds what one job did."""
        if self.models:
            self.models = tuple(map(ModelSummary.plus, self.models, summary.models))
        else:
            self.models = summary.models
        self.outputs += 1
        self.rows += summary.rows
        self.scored += summary.scored
        self.seconds += summary.seconds
        self.kept += summary.kept

    def add_bad(self, name: str) -> None:
        """Adds an input that was skipped."""
        self.bad += 1
        if len(self.bad_names) < _MOST_NAMED:
            self.bad_names.append(name)

    def name_bad(self) -> str:
        """Returns the names of the inputs that were skipped, for a message: the first 20 of them."""
        more = self.bad - len(self.bad_names)
        return ", ".join(self.bad_names) + (f" and {more:,} more" if more else "")


def run_all(
    jobs: Iterable[Job],
    run: Callable[[Job], Summary],
    *,
    skip_existing: bool = False,
    on_error: OnError = "stop",
    max_bad: int | None = None,
    remedy: str = "the first {}; --skip-existing leaves them out",
    on_existing: Callable[[Job], None] | None = None,
    on_bad: Callable[[Job, SentscoreError], None] | None = None,
    on_summary: Callable[[Summary], None] | None = None,
) -> RunSummary:
    """Runs jobs in order.

    Args:
        jobs: The jobs, of which one is taken at a time.
        run: Runs one.
        skip_existing: Whether to leave out those whose outputs exist.
        on_error: Whether to stop at an input that cannot be read, or to skip it. What is skipped leaves no file. A
            store that does not answer is a stop.
        max_bad: The most inputs that are skipped before one is an error; None for no bound.
        remedy: What an error says of the inputs that are finished, with `{}` for their number.
        on_existing: Is called for each job that `skip_existing` leaves out.
        on_bad: Is called for each input that is skipped, with its error.
        on_summary: Is called after each job.

    Raises:
        SentscoreError: A job failed, and its input was not to be skipped. Outputs that were finished before remain.
    """
    done = RunSummary()
    swept: set[Place] = set()
    try:
        for job in jobs:
            if skip_existing and job.target.exists:
                done.existing += 1
                if on_existing is not None:
                    on_existing(job)
                continue
            _sweep(job, swept)
            try:
                summary = run(job)
            except (InputError, UsageError) as error:  # the second where a column has the name of a new one
                if on_error == "stop" or done.bad == max_bad or isinstance(error, StoreError):
                    raise
                _leave_nothing(job)
                done.add_bad(job.name)
                if on_bad is not None:
                    on_bad(job, error)
                continue
            done.add(summary)
            if on_summary is not None:
                on_summary(summary)
    except (KeyboardInterrupt, SentscoreError) as error:
        for note in _describe_stop(error, done, max_bad, remedy):
            error.add_note(note)
        raise
    return done


def first_readable(jobs: Iterable[Job], check: Callable[[Sequence[Job]], None], *, most: int = 100) -> None:
    """Looks for a job whose input can be read, so that an error of all inputs shows before a model is loaded.

    Args:
        jobs: The jobs.
        check: Raises an error if an input of the jobs cannot be read.
        most: How many inputs are tried; then they have to be found bad one by one.

    Raises:
        StoreError: A store does not answer.
    """
    for number, job in enumerate(jobs):
        try:
            check([job])
        except StoreError:
            raise
        except (InputError, UsageError):
            if number + 1 < most:
                continue
        return


def _sweep(job: Job, swept: set[Place]) -> None:
    """Removes what killed processes have left in the folder of a job's output, once for each folder of a tree."""
    path = job.target.path
    if path is None or isinstance(path, StorePath):  # writing to a store does that itself
        return
    if job.target.in_tree and path.parent not in swept:
        swept.add(path.parent)
        sweep_folder(path.parent)


def _leave_nothing(job: Job) -> None:
    """Removes the scores that would have been kept for the next run: a tree holds outputs alone."""
    place = journal_place(job.target)
    if place is not None:
        remove_journals(place)


def _describe_stop(error: BaseException, done: RunSummary, max_bad: int | None, remedy: str) -> list[str]:
    notes = []
    if done.bad and done.bad == max_bad and isinstance(error, InputError | UsageError):
        notes.append(f"skipped before: {done.name_bad()}, the most that --max-bad {max_bad} allows")
    if done.outputs and isinstance(error, KeyboardInterrupt | InputError | UsageError):
        notes.append(f"inputs finished: {remedy.format(f'{done.outputs:,}')}")
    return notes
