"""Makes the shipped models anew: a list of commands, each run once, that can be killed and carried on.

    sentscore-train release artifacts --imdb aclImdb_v1.tar.gz

Every stage is a command of `sentscore-train` or `sentscore-export` in a process of its own, so that a stage's memory is
given back, and so that any of them can be run by hand. `release.json` in the work folder says which are done.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sentscore.errors import InputError, OutputError, SentscoreError, UsageError
from sentscore.files import output_errors, write_file
from sentscore_train.data.imdb import URL
from sentscore_train.training.config import TEACHER_HIDDEN_SIZE

FORMAT_VERSION: Final = 1
KINDS: Final = ("gru", "lstm")
_STATE: Final = "release.json"
_LOCK: Final = "lock"
_FAST_BATCHES: Final = 20  # compared between torch and ONNX Runtime with `fast`

Announce = Callable[[int, int, "Stage"], None]
"""Called before a stage with its number from 1, how many there are, and the stage."""


class StageError(SentscoreError):
    """A stage's command failed; what it wrote to stderr says why."""

    def __init__(self, stage: str, exit_code: int) -> None:
        super().__init__(f"stage {stage} failed with exit code {exit_code}, as said above: run it again to carry on")
        self.exit_code = exit_code  # type: ignore[misc]  # the command's own, in place of the class's


@dataclass(frozen=True)
class ReleaseConfig:
    """How the models are made.

    Attributes:
        out_dir: the folder that `lstm` and `gru` are written to.
        work_dir: of the runs, the teachers and the state.
        imdb: as `--imdb` of the training takes it; None downloads.
        data_dir: where downloads and prepared data are kept.
        device: to train on.
        threads: of torch on the CPU; None leaves torch's own choice.
        seed: of everything.
        fast: one epoch a run and any number of reviews: to try the way, not to score with.
        force: replace models that are in `out_dir`.
    """

    out_dir: Path
    work_dir: Path
    imdb: Path | None
    data_dir: Path
    device: str = "auto"
    threads: int | None = None
    seed: int = 1234
    fast: bool = False
    force: bool = False


@dataclass(frozen=True)
class Stage:
    """One step of a release.

    Attributes:
        name: of the step.
        program: `sentscore-train` or `sentscore-export`.
        arguments: of the program.
        output: the folder that is there when the step is done.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    output: Path

    @property
    def command(self) -> list[str]:
        """The process to start: this Python, whatever the PATH says."""
        return [sys.executable, "-m", self.program.replace("-", "_"), *self.arguments]


def stages(config: ReleaseConfig) -> list[Stage]:
    """What is run, in order.

    Two large models learn from the labelled reviews. They, NB-SVM and a classifier on document vectors teach two half
    as wide, which learn from the unlabelled reviews too and are better than any of these teachers. Those take the
    place of the large ones and teach the last two, which are exported in every precision and measured, on the test
    reviews for the first and last time.
    """
    work = config.work_dir
    partial = ["--allow-partial"] if config.fast else []
    source = [*_options(imdb=config.imdb, data_dir=config.data_dir), *partial]
    learning = [*source, *_options(seed=config.seed, device=config.device, threads=config.threads), "--resume"]
    exporting = ["--force", *_options(parity_batches=_FAST_BATCHES if config.fast else None)]

    def training(name: str, kind: str, further: Sequence[str] = ()) -> Stage:
        run_dir = work / name
        epochs = _options(epochs=1 if config.fast else None)
        arguments = (kind, *_options(run_dir=run_dir), *learning, *epochs, *further)
        return Stage(name, "sentscore-train", arguments, run_dir)

    def export(name: str, run: str, out_dir: Path, further: Sequence[str] = ()) -> Stage:
        return Stage(name, "sentscore-export", (str(work / run), str(out_dir), *exporting, *further), out_dir)

    listed: list[Stage] = []
    further = _options(hidden_size=TEACHER_HIDDEN_SIZE)
    for generation in ("labelled", "taught"):
        teachers = {kind: work / "teachers" / generation / kind for kind in KINDS}
        for kind, teacher in teachers.items():
            run = f"{kind}-{generation}"
            listed += training(run, kind, further), export(f"{run}-export", run, teacher)
        further = [option for teacher in teachers.values() for option in _options(teacher=teacher)]
    for kind in KINDS:
        listed.append(training(kind, kind, further))
        # The training has left its download there.
        test = config.imdb or config.data_dir / PurePosixPath(URL).name
        measured = ["--precision", "int8", "--precision", "fp16", *_options(test=test), *partial]
        listed.append(export(f"{kind}-export", kind, config.out_dir / kind, measured))
    return listed


def release(config: ReleaseConfig, announce: Announce = lambda number, of, stage: None) -> None:
    """Runs the stages that are not done yet.

    Raises:
        UsageError: another release is at work in the folder, or the one in it has other settings.
        OutputError: the work folder cannot be written, or there is a model where one is to be written.
        StageError: a stage failed; what was done before it stays.
    """
    listed = stages(config)
    with _locked(config.work_dir) as lock:
        done = _read_state(config.work_dir)
        for stage in listed:
            if done.get(stage.name, list(stage.arguments)) != list(stage.arguments):
                raise UsageError(
                    f"{config.work_dir / _STATE}: stage {stage.name} was run with other settings: "
                    "use the same ones or another --work-dir"
                )
            replaces = stage.output.parent == config.out_dir and stage.output.exists() and stage.name not in done
            if replaces and not config.force:
                raise OutputError(f"{stage.output}: exists already: replace it with --force or name another folder")
        for number, stage in enumerate(listed, 1):
            if stage.name in done and stage.output.is_dir():
                continue
            announce(number, len(listed), stage)
            _run(stage, lock)
            done[stage.name] = list(stage.arguments)
            content = {"format_version": FORMAT_VERSION, "done": done}
            write_file(config.work_dir / _STATE, json.dumps(content, indent=2).encode())


def _run(stage: Stage, lock: int) -> None:
    with subprocess.Popen(stage.command, pass_fds=[lock]) as process:
        try:
            exit_code = process.wait()
        except BaseException:  # Ctrl-C reaches the stage by itself, SIGTERM does not
            process.terminate()
            raise
    if exit_code:
        raise StageError(stage.name, exit_code)


def _read_state(work_dir: Path) -> dict[str, list[str]]:
    path = work_dir / _STATE
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, done = content["format_version"], content["done"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not readable ({error!r}): remove it, or use another --work-dir") from error
    if found != FORMAT_VERSION or not isinstance(done, dict):
        raise InputError(f"{path}: is of format version {found}, not {FORMAT_VERSION}: use another --work-dir")
    return done


@contextmanager
def _locked(work_dir: Path) -> Iterator[int]:
    """Holds the work folder; gives the lock's file descriptor.

    A stage inherits it, so that a stage that outlives a killed release is not joined by a second one.
    """
    import fcntl  # not on Windows, which nobody trains on here

    path = work_dir / _LOCK
    with output_errors(str(path)):
        work_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"{work_dir}: another release, or a stage of one, is at work there: wait for its end or stop it"
            ) from error
        yield lock
    finally:
        os.close(lock)


def _options(**values: object) -> list[str]:
    """Command-line options of those that have a value."""
    return [
        word
        for name, value in values.items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
