"""Says what is adapted to what, and checks it before anything slow is imported or done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sentscore.errors import OutputError, UsageError
from sentscore_train.training.run_folder import holds_run


@dataclass(frozen=True)
class Job:
    """What is adapted to what.

    Attributes:
        model: The model to start from: a shipped one's name or an exported one's folder.
        output: The artifact folder to write.
        run_dir: The folder of the training.
        name: The name of the new model; None takes that of the output's folder.
        resume: Whether to carry on from the last checkpoint in the run folder.
        force: Whether to replace the artifact, and to begin a new run where an old one is.
    """

    model: str
    output: Path
    run_dir: Path
    name: str | None = None
    resume: bool = False
    force: bool = False


def check_output(job: Job) -> None:
    """Checks what can be checked before anything slow is done.

    Raises:
        OutputError: The artifact folder exists and is not to be replaced.
        UsageError: The run folder is the artifact folder, or holds a run that is neither carried on nor replaced.
    """
    if job.output.exists() and not job.force:
        raise OutputError(f"{job.output}: exists already: replace it with --force or name another folder")
    if job.run_dir.absolute() == job.output.absolute():
        raise UsageError(f"--run-dir {job.run_dir}: is the --output too: name another folder")
    if holds_run(job.run_dir) and not (job.resume or job.force):
        raise UsageError(
            f"{job.run_dir}: holds a run already: carry it on with --resume, replace it with --force, or name another "
            "--run-dir"
        )
