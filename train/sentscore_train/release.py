"""Makes the shipped models anew, by a list of commands that can be killed and carried on.

    sentscore-train release artifacts --imdb aclImdb_v1.tar.gz --table reviews-products.parquet

Each stage runs a command of `sentscore-train` or `sentscore-export` in a process of its own, which gives its memory
back at its end. Each can also be run by hand. The file `release.json` in the work folder says which stages are done.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sentscore.errors import InputError, OutputError, SentscoreError, UsageError
from sentscore.files import lock, output_errors, write_file

FORMAT_VERSION: Final = 1
_STATE: Final = "release.json"
_FAST_BATCHES: Final = 20  # with `fast`, torch and ONNX Runtime are compared on so many batches

Announce = Callable[[int, int, "Stage"], None]
"""A function that is called before each stage with its number from 1, the number of stages, and the stage."""


@dataclass(frozen=True)
class Run:
    """One training of a release, whose model is then exported.

    Attributes:
        name: The name of the run and of its model.
        cell: The recurrent cell, `lstm` or `gru`.
        options: Further options of the training, by their names with `_` for `-`; a tuple gives an option several
            times.
        teachers: The names of the runs before it whose models teach it. With teachers it also learns from the
            unlabelled reviews.
        is_shipped: Whether the model goes to `out_dir`, in every precision and measured on the test reviews.
        purpose: What a shipped model is for, in one line, for its manifest.
    """

    name: str
    cell: str
    options: Mapping[str, object] = field(default_factory=dict)
    teachers: tuple[str, ...] = ()
    is_shipped: bool = False
    purpose: str = ""


_LARGE: Final = {"hidden_size": 256}  # it labels the reviews only once, so it may be as slow as the notebook's
_SMALL: Final = {"hidden_size": 64, "num_layers": 1}

RUNS: Final = (
    Run("gru-labelled", "gru", _LARGE),
    Run("lstm-labelled", "lstm", _LARGE),
    Run("gru-taught", "gru", teachers=("gru-labelled", "lstm-labelled")),
    Run("lstm-taught", "lstm", teachers=("gru-labelled", "lstm-labelled")),
    Run(
        "gru",
        "gru",
        teachers=("gru-taught", "lstm-taught"),
        is_shipped=True,
        purpose="For accurate scores, beside or in place of the LSTM.",
    ),
    Run(
        "lstm",
        "lstm",
        teachers=("gru-taught", "lstm-taught"),
        is_shipped=True,
        purpose="For the most accurate scores.",
    ),
    Run(
        "gru-small",
        "gru",
        _SMALL,
        teachers=("gru-taught", "lstm-taught"),
        is_shipped=True,
        purpose="For the most reviews a second.",
    ),
    Run(
        "lstm-small",
        "lstm",
        _SMALL,
        teachers=("gru-taught", "lstm-taught"),
        is_shipped=True,
        purpose="For many reviews a second with an LSTM.",
    ),
)
"""The trainings of a release in their order.

Two large models learn from the labelled reviews. Together with NB-SVM and a classifier on document vectors they teach
two models of half their width, which also learn from the unlabelled reviews and become better than each of their
teachers. These two replace the large ones as teachers of the models that are shipped. Those are measured on the test
reviews, which nothing has looked at before.
"""


class StageError(SentscoreError):
    """A stage's command failed. What the command wrote to stderr says why."""

    def __init__(self, stage: str, exit_code: int) -> None:
        super().__init__(f"stage {stage} failed with exit code {exit_code}, as said above: run it again to carry on")
        self.exit_code = exit_code  # type: ignore[misc]  # the command's own, in place of the class's


@dataclass(frozen=True)
class ReleaseConfig:
    """How the models are made.

    Attributes:
        out_dir: The folder in which the models' folders are written, each under its run's name.
        work_dir: The folder of the runs, the teachers and the state.
        sources: The options that name the reviews to learn from, as `sentscore-train lstm` takes them.
        tests: What the shipped models are measured on, as the option `--test` of the export takes it.
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
    sources: tuple[str, ...]
    tests: tuple[Path, ...]
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


def stages(config: ReleaseConfig, runs: Sequence[Run] = RUNS) -> list[Stage]:
    """Returns the stages in the order in which they run: each training and the export of its model."""
    partial = ["--allow-partial"] if config.fast else []
    sources = [*config.sources, *_options(data_dir=config.data_dir), *partial]
    learning = [*sources, *_options(seed=config.seed, device=config.device, threads=config.threads), "--resume"]
    exporting = ["--force", *_options(parity_batches=_FAST_BATCHES if config.fast else None)]
    measured = ["--precision", "int8", "--precision", "fp16", *_options(test=config.tests), *partial]

    models = {run.name: (config.out_dir if run.is_shipped else config.work_dir / "teachers") / run.name for run in runs}
    listed: list[Stage] = []
    for run in runs:
        run_dir = config.work_dir / run.name
        options = {**run.options, **({"epochs": 1} if config.fast else {})}
        teachers = _options(teacher=tuple(models[name] for name in run.teachers))
        arguments = (run.cell, *_options(run_dir=run_dir), *learning, *_options(**options), *teachers)
        listed.append(Stage(run.name, "sentscore-train", arguments, run_dir))
        model = models[run.name]
        shipped = [*measured, *_options(purpose=run.purpose or None)] if run.is_shipped else []
        arguments = (str(run_dir), str(model), *exporting, *shipped)
        listed.append(Stage(f"{run.name}-export", "sentscore-export", arguments, model))
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
    with hold(config.work_dir, "release") as descriptor:
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
            run_stage(stage, descriptor)
            done[stage.name] = list(stage.arguments)
            write_file(state, json.dumps({"format_version": FORMAT_VERSION, "done": done}, indent=2).encode())


def run_stage(stage: Stage, descriptor: int) -> None:
    """Runs a stage's command to its end. It inherits a file descriptor, that of the lock of `hold`.

    Raises:
        StageError: The command failed.
    """
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
def hold(work_dir: Path, what: str) -> Iterator[int]:
    """Holds a folder against others that would work in it, and gives the lock's file descriptor.

    A stage inherits the descriptor. Thus a stage that outlives what was killed keeps the next one from beginning.

    Args:
        work_dir: The folder; it is made if need be.
        what: What is at work in it, for messages.

    Raises:
        UsageError: Another one is at work in the folder.
        OutputError: The folder cannot be written.
    """
    path = work_dir / "lock"
    with output_errors(str(path)):
        work_dir.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    with file:
        if lock(file) is False:
            raise UsageError(
                f"{work_dir}: another {what}, or a stage of one, is at work there: wait for its end or stop it"
            )
        yield file.fileno()


def _options(**values: object) -> list[str]:
    """Returns the values that are not None as command-line options, those in a tuple one after the other."""
    options: list[str] = []
    for name, value in values.items():
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None:
                options += [f"--{name.replace('_', '-')}", str(each)]
    return options
