"""Makes the shipped models anew, by a list of commands that can be killed and carried on.

    sentscore-train release artifacts --imdb aclImdb_v1.tar.gz

Each stage runs a command of `sentscore-train` or `sentscore-export` in a process of its own, which gives its memory
back at its end. Each can also be run by hand. The file `release.json` in the work folder says which stages are done.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sentscore.errors import InputError, OutputError, SentscoreError, UsageError
from sentscore.files import lock, output_errors, write_file
from sentscore_train.data.imdb import URL
from sentscore_train.training.config import TEACHER_HIDDEN_SIZE

FORMAT_VERSION: Final = 1
CELLS: Final = ("gru", "lstm")
_STATE: Final = "release.json"
_FAST_BATCHES: Final = 20  # with `fast`, torch and ONNX Runtime are compared on so many batches

Announce = Callable[[int, int, "Stage"], None]
"""A function that is called before each stage with its number from 1, the number of stages, and the stage."""


class StageError(SentscoreError):
    """A stage's command failed. What the command wrote to stderr says why."""

    def __init__(self, stage: str, exit_code: int) -> None:
        super().__init__(f"stage {stage} failed with exit code {exit_code}, as said above: run it again to carry on")
        self.exit_code = exit_code  # type: ignore[misc]  # the command's own, in place of the class's


@dataclass(frozen=True)
class ReleaseConfig:
    """How the models are made.

    Attributes:
        out_dir: The folder in which the model folders `lstm` and `gru` are written.
        work_dir: The folder of the runs, the teachers and the state.
        imdb: The source of the reviews, as the option `--imdb` takes it; None downloads them.
        data_dir: The folder of downloads and prepared data.
        device: The device to train on.
        threads: The number of torch's threads on the CPU; None leaves it to torch.
        seed: The seed of every stage.
        fast: Whether to train each model for one epoch on any number of reviews. This only tests the
            stages; the models are of no use.
        force: Whether to replace models in `out_dir`.
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
        name: The stage's name.
        program: Either `sentscore-train` or `sentscore-export`.
        arguments: The program's arguments.
        output: The folder that exists when the stage is done.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    output: Path

    @property
    def command(self) -> list[str]:
        """The process to start, with this Python whatever the PATH says."""
        return [sys.executable, "-m", self.program.replace("-", "_"), *self.arguments]


def stages(config: ReleaseConfig) -> list[Stage]:
    """Returns the stages in the order in which they run.

    Two large models learn from the labelled reviews. Together with NB-SVM and a classifier on document vectors they
    teach two models of half their width, which also learn from the unlabelled reviews and become better than each of
    their teachers. These two replace the large ones as teachers of the last two models. The last two are exported in
    every precision and measured on the test reviews, which nothing has looked at before.
    """
    work = config.work_dir
    partial = ["--allow-partial"] if config.fast else []
    source = [*_options(imdb=config.imdb, data_dir=config.data_dir), *partial]
    learning = [*source, *_options(seed=config.seed, device=config.device, threads=config.threads), "--resume"]
    exporting = ["--force", *_options(parity_batches=_FAST_BATCHES if config.fast else None)]

    def training(name: str, cell: str, further: Sequence[str]) -> Stage:
        run_dir = work / name
        epochs = _options(epochs=1 if config.fast else None)
        arguments = (cell, *_options(run_dir=run_dir), *learning, *epochs, *further)
        return Stage(name, "sentscore-train", arguments, run_dir)

    def export(run: str, out_dir: Path, further: Sequence[str] = ()) -> Stage:
        return Stage(
            f"{run}-export", "sentscore-export", (str(work / run), str(out_dir), *exporting, *further), out_dir
        )

    listed: list[Stage] = []
    further = _options(hidden_size=TEACHER_HIDDEN_SIZE)
    for generation in ("labelled", "taught"):
        teachers = {cell: work / "teachers" / generation / cell for cell in CELLS}
        for cell, teacher in teachers.items():
            run = f"{cell}-{generation}"
            listed += training(run, cell, further), export(run, teacher)
        further = [option for teacher in teachers.values() for option in _options(teacher=teacher)]
    # The training has left its download in the data folder.
    test = config.imdb or config.data_dir / PurePosixPath(URL).name
    measured = ["--precision", "int8", "--precision", "fp16", *_options(test=test), *partial]
    for cell in CELLS:
        listed += training(cell, cell, further), export(cell, config.out_dir / cell, measured)
    return listed


def release(config: ReleaseConfig, announce: Announce = lambda number, of, stage: None) -> None:
    """Runs the stages that are not done yet.

    Raises:
        UsageError: Another release is at work in the work folder, or the release in it has other settings.
        InputError: The state in the work folder cannot be read.
        OutputError: The work folder cannot be written, or a model exists where one is to be written.
        StageError: A stage failed. The results of the stages before it stay.
    """
    listed = stages(config)
    state = config.work_dir / _STATE
    with _hold(config.work_dir) as descriptor:
        done = _read_state(state)
        for stage in listed:
            if stage.name in done and done[stage.name] != list(stage.arguments):
                raise UsageError(
                    f"{state}: stage {stage.name} was run with other settings: use the same ones or another --work-dir"
                )
            replaces = stage.output.parent == config.out_dir and stage.output.exists() and stage.name not in done
            if replaces and not config.force:
                raise OutputError(f"{stage.output}: exists already: replace it with --force or name another folder")
        for number, stage in enumerate(listed, 1):
            if stage.name in done and stage.output.is_dir():
                continue
            announce(number, len(listed), stage)
            _run(stage, descriptor)
            done[stage.name] = list(stage.arguments)
            write_file(state, json.dumps({"format_version": FORMAT_VERSION, "done": done}, indent=2).encode())


def _run(stage: Stage, descriptor: int) -> None:
    with subprocess.Popen(stage.command, pass_fds=[descriptor]) as process:
        try:
            exit_code = process.wait()
        except BaseException:  # Ctrl-C reaches the stage by itself, SIGTERM does not
            process.terminate()
            raise
    if exit_code:
        raise StageError(stage.name, exit_code)


def _read_state(path: Path) -> dict[str, list[str]]:
    """Returns the arguments of each stage that is done, by its name."""
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
def _hold(work_dir: Path) -> Iterator[int]:
    """Holds the work folder against other releases, and gives the lock's file descriptor.

    A stage inherits the descriptor. Thus a stage that outlives a killed release keeps the next release waiting.
    """
    path = work_dir / "lock"
    with output_errors(str(path)):
        work_dir.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    with file:
        if lock(file) is False:
            raise UsageError(
                f"{work_dir}: another release, or a stage of one, is at work there: wait for its end or stop it"
            )
        yield file.fileno()


def _options(**values: object) -> list[str]:
    """Returns the values that are not None as command-line options."""
    options: list[str] = []
    for name, value in values.items():
        if value is not None:
            options += [f"--{name.replace('_', '-')}", str(value)]
    return options
