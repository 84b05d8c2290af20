"""Night after night: which jobs of a plan are still to be done, by what its folders of outputs hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from sentscore.errors import OutputError
from sentscore.jobs.job import Job
from sentscore.jobs.plan import Plan
from sentscore.jobs.run import Summary
from sentscore.jobs.state import Change, MadeBy

_MOST_NAMED: Final = 20  # outputs that a one-line message has room for


@dataclass
class Changes:
    """How the inputs of a plan differ from those that the outputs were made of.

    Attributes:
        new: Those that have no output.
        changed: Those that have changed since.
        by_another: Those whose outputs were made by another model or precision, or with other options.
        same: Those whose outputs are as they would be made now.
        gone: The outputs whose inputs are not there any more.
        gone_names: The paths of the first of these.
    """

    new: int = 0
    changed: int = 0
    by_another: int = 0
    same: int = 0
    gone: int = 0
    gone_names: list[str] = field(default_factory=list)

    @property
    def to_do(self) -> int:
        """How many jobs there are to do."""
        return self.new + self.changed + self.by_another

    def add(self, change: Change) -> None:
        """Counts an input."""
        name = {"made by another": "by_another"}.get(change, change)
        setattr(self, name, getattr(self, name) + 1)

    def add_gone(self, output: str) -> None:
        """Counts an output whose input is gone."""
        self.gone += 1
        if len(self.gone_names) < _MOST_NAMED:
            self.gone_names.append(output)


class Night:
    """A run of a plan's jobs, of which those are left out that need not be done again.

    Args:
        plan: The plan.
        made_by: What outputs are made by now.

    Attributes:
        goes_on: Whether a run that was not finished goes on.
    """

    def __init__(self, plan: Plan, made_by: MadeBy) -> None:
        self._plan = plan
        self._made_by = made_by
        self.goes_on = not plan.skip_existing and any(state.unfinished == made_by for state in plan.states.values())

    def check(self) -> None:
        """Checks that a run that was not finished was one like this, where nothing says what its outputs are for.

        Raises:
            OutputError: It has made outputs by another model or with other options.
        """
        plan = self._plan
        if plan.incremental or plan.force or plan.skip_existing:
            return
        for folder, state in plan.states.items():
            if state.unfinished not in (None, self._made_by) and not state.is_empty:
                raise OutputError(
                    f"{folder}: the run that was not finished there had another model or other options: repeat it, "
                    "or give --incremental, --skip-existing, --force or another --output"
                )

    def begin(self) -> None:
        """Begins the run, or goes on with the one that was not finished.

        Raises:
            OutputError: A folder cannot be written to, or another run is writing there.
        """
        for state in self._plan.states.values():
            state.begin_run(self._made_by, incremental=self._plan.incremental)

    def end(self) -> None:
        """Says that the run is finished."""
        for state in self._plan.states.values():
            state.end_run()

    def compare(self) -> Changes:
        """Lists all inputs, and returns how they differ from those that the outputs were made of."""
        changes = Changes()
        for job in self._plan:
            changes.add(self._compare(job))
        for state in self._plan.states.values():
            for output in state.gone():
                changes.add_gone(output)
        return changes

    def jobs(self, on_same: Callable[[Job], None] | None = None) -> Iterator[Job]:
        """Yields the jobs that are to be done. Outputs that are ours may be replaced.

        Args:
            on_same: Is called for each job whose output is as it would be made now.
        """
        for job in self._plan:
            state = self._plan.state_of(job)
            if self._compare(job) == "same":
                if on_same is not None:
                    on_same(job)
                continue
            owned = state is not None and not self._plan.skip_existing and state.owns(job.place)
            yield replace(job, target=replace(job.target, replace=True)) if owned else job

    def recorded(self, run: Callable[[Job], Summary]) -> Callable[[Job], Summary]:
        """Returns a function that runs a job and keeps what it has done."""

        def run_and_record(job: Job) -> Summary:
            state = self._plan.state_of(job)
            if state is None or job.input is None:
                return run(job)
            state.begin(job.place, job.input)
            summary = run(job)
            state.end(job.place)
            return summary

        return run_and_record

    def _compare(self, job: Job) -> Change:
        state = self._plan.state_of(job)
        if state is None or job.input is None or self._plan.skip_existing:
            return "new"
        change = state.compare(job.place, job.input, self._made_by)
        goes_on = state.incremental and state.unfinished == self._made_by
        if self._plan.incremental or goes_on or state.is_done_now(job.place, job.input):
            return change
        return "new"
