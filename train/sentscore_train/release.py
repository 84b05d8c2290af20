"""Makes the shipped models anew, by a list of commands that can be killed and carried on.

    sentscore-train release artifacts --imdb aclImdb_v1.tar.gz --table reviews-products.parquet

Each stage runs a command of `sentscore-train` or `sentscore-export` in a process of its own, which gives its memory
back at its end. Each can also be run by hand. The file `release.json` in the work folder says which stages are done.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from sentscore.errors import InputError, OutputError, SentscoreError, UsageError
from sentscore.files import lock, output_errors, write_file

FORMAT_VERSION: Final = 1
_STATE: Final = "release.json"
_POLL_S: Final = 0.1
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


DEFAULT_SHAPE: Final = {"hidden_size": 128, "num_layers": 2}
"""The options of a run that says nothing of its shape: those of `TrainConfig`, without the import of torch."""

_PRETRAINED: Final = {"pretrain": 1, "epochs": 2}  # a second pass of pre-training brought nothing
_SMALL: Final = {"hidden_size": 64, "num_layers": 1, "epochs": 5}  # what is narrow learns slowly
_LARGE: Final = ("lstm", "gru")

RUNS: Final = (
    Run("gru-labelled", "gru", {**_PRETRAINED, "epochs": 1}),
    Run("lstm", "lstm", _PRETRAINED, ("gru-labelled",), is_shipped=True, purpose="For the most accurate scores."),
    Run(
        "gru",
        "gru",
        _PRETRAINED,
        ("gru-labelled",),
        is_shipped=True,
        purpose="For accurate scores, beside or in place of the LSTM.",
    ),
    Run("lstm-small", "lstm", _SMALL, _LARGE, is_shipped=True, purpose="For many reviews a second with an LSTM."),
    Run("gru-small", "gru", _SMALL, _LARGE, is_shipped=True, purpose="For the most reviews a second."),
)
"""The trainings of a release in their order.

One model learns from the labelled reviews. Together with NB-SVM and the models of an earlier release it teaches two
models that also learn from the unlabelled reviews. These two are shipped, and teach two small ones. A shipped model
starts from the one of its shape in the earlier release. Without one, and in the model that is not shipped, the layers
of all but the small models are language models of all reviews first. Shipped models are measured on the test reviews,
whose labels nothing has looked at before.
"""


class StageError(SentscoreError):
    """A stage's command failed. What the command wrote to stderr says why."""

    def __init__(self, stage: str, exit_code: int, log: Path | None = None) -> None:
        said = "as said above" if log is None else f"as {log} says"
        super().__init__(f"stage {stage} failed with exit code {exit_code}, {said}: run it again to carry on")
        self.exit_code = exit_code  # type: ignore[misc]  # the command's own, in place of the class's


@dataclass(frozen=True)
class Earlier:
    """A model of an earlier release.

    Attributes:
        path: Its folder.
        cell: Its recurrent cell, `lstm` or `gru`.
        hidden_size: Its units in each direction.
        num_layers: Its recurrent layers.
    """

    path: Path
    cell: str
    hidden_size: int
    num_layers: int

    def has_shape_of(self, run: Run) -> bool:
        """Whether a run can start from its weights."""
        shape = {**DEFAULT_SHAPE, **run.options}
        return (self.cell, self.hidden_size, self.num_layers) == (run.cell, shape["hidden_size"], shape["num_layers"])


@dataclass(frozen=True)
class ReleaseConfig:
    """How the models are made.

    Attributes:
        out_dir: The folder in which the models' folders are written, each under its run's name.
        work_dir: The folder of the runs, the teachers and the state.
        sources: The options that name the reviews to learn from, as `sentscore-train lstm` takes them.
        source_shares: The share of each source in an epoch; empty to read every review once.
        tests: What the shipped models are measured on, as the option `--test` of the export takes it.
        data_dir: The folder of downloads and prepared data.
        earlier: The models of an earlier release. They teach beside those of this one, and those that are to be shipped
            start from their weights.
        device: The device to train on.
        threads: The number of torch's threads on the CPU; None leaves it to torch.
        jobs: The most stages that run at the same time. With more than one, what a stage says goes to a log file.
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
    source_shares: tuple[float, ...] = ()
    earlier: tuple[Earlier, ...] = ()
    device: str = "auto"
    threads: int | None = None
    jobs: int = 1
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
        needs: The names of the stages that must be done before.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    output: Path
    needs: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        """The process to start, with this Python whatever the PATH says."""
        return [sys.executable, "-m", self.program.replace("-", "_"), *self.arguments]


def stages(config: ReleaseConfig, runs: Sequence[Run] = RUNS) -> list[Stage]:
    """Returns the stages in the order in which they run: each training and the export of its model."""
    partial = ["--allow-partial"] if config.fast else []
    sources = [*config.sources, *_options(data_dir=config.data_dir), *partial]
    settings = _options(
        source_share=config.source_shares, seed=config.seed, device=config.device, threads=config.threads
    )
    learning = [*sources, *settings, "--resume"]
    exporting = ["--force", *_options(parity_batches=_FAST_BATCHES if config.fast else None)]
    measured = ["--precision", "int8", "--precision", "fp16", *_options(test=config.tests), *partial]

    models = {run.name: (config.out_dir if run.is_shipped else config.work_dir / "teachers") / run.name for run in runs}
    listed: list[Stage] = []
    for run in runs:
        run_dir = config.work_dir / run.name
        options = {**run.options, **({"epochs": 1} if config.fast else {})}
        needs = tuple(f"{name}-export" for name in run.teachers)
        # What only teaches begins anew: beside the earlier models, it is to know other things than they do.
        starts = [each.path for each in config.earlier if run.is_shipped and each.has_shape_of(run)]
        start = starts[0] if starts else None
        if start is not None:
            options = {**{name: value for name, value in options.items() if name != "pretrain"}, "start": start}
        earlier = tuple(each.path for each in config.earlier) if run.teachers else ()
        teachers = _options(teacher=(*(models[name] for name in run.teachers), *earlier))
        arguments = (run.cell, *_options(run_dir=run_dir), *learning, *_options(**options), *teachers)
        listed.append(Stage(run.name, "sentscore-train", arguments, run_dir, needs))
        model = models[run.name]
        shipped = [*measured, *_options(purpose=run.purpose or None)] if run.is_shipped else []
        arguments = (str(run_dir), str(model), *exporting, *shipped)
        listed.append(Stage(f"{run.name}-export", "sentscore-export", arguments, model, (run.name,)))
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
            if stage.name in done and _without_threads(done[stage.name]) != _without_threads(stage.arguments):
                raise UsageError(
                    f"{state}: stage {stage.name} was run with other settings: use the same ones or another --work-dir"
                )
            replaces = stage.output.parent == config.out_dir and stage.output.exists() and stage.name not in done
            if replaces and not config.force:
                raise OutputError(f"{stage.output}: exists already: replace it with --force or name another folder")
        numbers = {stage.name: number for number, stage in enumerate(listed, 1)}

        def begin(stage: Stage) -> None:
            announce(numbers[stage.name], len(listed), stage)

        def end(stage: Stage) -> None:
            done[stage.name] = list(stage.arguments)
            write_file(state, json.dumps({"format_version": FORMAT_VERSION, "done": done}, indent=2).encode())

        waiting = [stage for stage in listed if stage.name not in done or not stage.output.is_dir()]
        logs = None if config.jobs == 1 else config.work_dir / "logs"
        _run_stages(waiting, config.jobs, descriptor, logs, begin, end)


def _run_stages(
    waiting: list[Stage],
    jobs: int,
    descriptor: int,
    logs: Path | None,
    begin: Callable[[Stage], None],
    end: Callable[[Stage], None],
) -> None:
    """Runs stages, at most `jobs` at the same time, each one after those that it needs.

    Args:
        waiting: The stages in their order, which they are begun in as far as they need no other.
        jobs: How many may run at the same time.
        descriptor: The file descriptor that they inherit.
        logs: The folder of what they say; None for this process's own stdout and stderr.
        begin: Is called before a stage.
        end: Is called when a stage is done.

    Raises:
        StageError: A stage failed. Those that ran beside it are stopped.
    """
    missing = {stage.name for stage in waiting}
    running: dict[str, tuple[Stage, subprocess.Popen[bytes]]] = {}
    with ExitStack() as files:
        try:
            while waiting or running:
                for stage in [stage for stage in waiting if missing.isdisjoint(stage.needs)][: jobs - len(running)]:
                    waiting.remove(stage)
                    begin(stage)
                    output = None if logs is None else files.enter_context(_open_log(logs, stage))
                    with _signals_held():
                        process = subprocess.Popen(stage.command, pass_fds=[descriptor], stdout=output, stderr=output)
                        running[stage.name] = (stage, process)
                time.sleep(_POLL_S)
                if failure := _collect(running, missing, end, logs):
                    raise failure
        except BaseException:  # Ctrl-C reaches the stages by itself, SIGTERM does not
            for _, process in running.values():
                process.terminate()
            for _, process in running.values():
                process.wait()
            _collect(running, missing, end, logs)  # one may have been at its end
            raise


@contextmanager
def _signals_held() -> Iterator[None]:
    """Lets SIGINT and SIGTERM wait, so that no stage is started that nobody knows of.

    They are not blocked, for the stage would inherit that.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread is interrupted by signals
        yield
        return
    held: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, lambda found, _: held.append(found)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: it was not set by Python
        for found in held:
            signal.raise_signal(found)


def _collect(
    running: dict[str, tuple[Stage, subprocess.Popen[bytes]]],
    missing: set[str],
    end: Callable[[Stage], None],
    logs: Path | None,
) -> StageError | None:
    """Takes the stages that have ended out of `running`, and those that are done out of `missing`.

    Returns:
        The error of one that failed.
    """
    failure = None
    for stage, process in list(running.values()):
        exit_code = process.poll()
        if exit_code is None:
            continue
        del running[stage.name]
        if exit_code:
            failure = StageError(stage.name, exit_code, None if logs is None else _log_path(logs, stage))
        else:
            missing.remove(stage.name)
            end(stage)
    return failure


def _log_path(logs: Path, stage: Stage) -> Path:
    return logs / f"{stage.name}.log"


def _without_threads(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments but for the number of threads, which may change once a stage is done."""
    found = list(arguments)
    if "--threads" in found:
        place = found.index("--threads")
        del found[place : place + 2]
    return found


def _open_log(logs: Path, stage: Stage) -> BinaryIO:
    """Opens the log of a stage, to which it adds what it says."""
    path = _log_path(logs, stage)
    with output_errors(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")


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
