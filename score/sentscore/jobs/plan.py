"""Plans jobs: decides and checks where each input's scores go, before anything is read or loaded."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sentscore.errors import OutputError, UsageError
from sentscore.formats import KNOWN_FORMATS, Format, Kind, parse_file_name, scored_name
from sentscore.sinks.targets import STDOUT, Target
from sentscore.sources.streams import cannot_read, open_stream


@dataclass(frozen=True)
class Job:
    """What to score, and where the scores go.

    Attributes:
        inputs: One path, or `-` for stdin; several where each file is one text.
        format: The format of the input; None to tell it from the first bytes.
        target: Where the scores go.
        whole: Whether each input is one text, and a row of one table.
    """

    inputs: tuple[str, ...]
    format: Format | None
    target: Target
    whole: bool = False

    @property
    def name(self) -> str:
        """What messages call the inputs."""
        return self.inputs[0] if len(self.inputs) == 1 else f"{len(self.inputs)} files"


def plan_jobs(
    inputs: Sequence[str],
    *,
    output: str | None,
    format: Format | None,
    force: bool,
    skip_existing: bool = False,
) -> list[Job]:
    """Plans a job for each input that is a table.

    Args:
        inputs: Paths, or `-` for stdin.
        output: The value of `--output`: a file, an existing folder, or `-` for stdout. None stands for
            `NAME.scored.EXT` beside each input, and for stdout where the input is stdin.
        format: The format of every input; None to go by the names.
        force: Whether a file that exists may be replaced.
        skip_existing: Whether one may exist because its job is going to be left out.

    Raises:
        UsageError: The options do not fit together, or a name does not tell a format.
        InputError: A name does not tell a format, and there is no such file.
        OutputError: An output exists already, or its folder does not.
    """
    if len(set(inputs)) < len(inputs):
        twice = next(name for name in inputs if inputs.count(name) > 1)
        raise UsageError(f"{twice}: given twice: name each input once")
    _check_names(inputs, output)
    folder = Path(output) if output not in {None, STDOUT} and Path(str(output)).is_dir() else None
    if len(inputs) > 1 and output is not None and folder is None:
        raise UsageError(f"--output {output}: {len(inputs)} inputs need a folder that exists, or no --output")
    jobs = [_plan_job(name, output, folder, format) for name in inputs]
    _check_distinct(jobs)
    for job in jobs:
        _check_target(job.target, inputs, may_exist=force or skip_existing, or_else="--skip-existing to leave it out, ")
    return [_allow_replacing(job) for job in jobs] if force else jobs


def plan_whole(inputs: Sequence[str], *, output: str | None, force: bool) -> Job:
    """Plans the job of `--whole`: each input is one text, and all become one table, on stdout as CSV or in `output`.

    Raises:
        UsageError: The name of the output does not tell a format.
        OutputError: The output exists already, or its folder does not.
    """
    _check_names(inputs, output)
    csv = Format(Kind.CSV)
    target = Target(None, csv) if output in {None, STDOUT} else _named_target(Path(str(output)), csv)
    _check_target(target, inputs, may_exist=force)
    job = Job(tuple(inputs), None, target, whole=True)
    return _allow_replacing(job) if force else job


def _allow_replacing(job: Job) -> Job:
    """Returns the job with an output that may be replaced."""
    return job if job.target.device else replace(job, target=replace(job.target, replace=True))


def _check_names(inputs: Sequence[str], output: str | None) -> None:
    """Checks that it can be told of the inputs and the value of `--output` whether they exist.

    Raises:
        UsageError: The output's name is empty, which a path would take for the current folder.
        InputError: The name of an input is too long, its folder may not be looked into, or its links form a loop.
        OutputError: So it is with the output.
    """
    if output == "":
        raise UsageError("--output is empty: name a file or a folder, or - for stdout")
    for name in inputs:
        error = _why_unknown(Path(name)) if name != STDOUT else None
        if error is not None:
            raise cannot_read(name, error) from error
    if output not in {None, STDOUT}:
        _check_output(Path(str(output)))


def _check_output(path: Path) -> None:
    error = _why_unknown(path)
    if error is not None and error.errno == errno.ENAMETOOLONG:
        raise OutputError(f"{path}: the name is too long for the file system: give a shorter --output") from error
    if error is not None:
        raise OutputError(f"{path}: cannot be written ({error.strerror}): choose another place") from error


def _why_unknown(path: Path) -> OSError | None:
    """Returns why it cannot be told whether a path exists; None where it can be."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error
    return None


def _check_target(target: Target, inputs: Sequence[str], *, may_exist: bool, or_else: str = "") -> None:
    """Checks that an output can be made; `or_else` is a remedy beside `--force` for one that exists.

    Raises:
        UsageError: The output is one of the inputs.
        OutputError: The output exists already and must not, it is a folder, its folder is missing or may not be looked
            into, or its name is too long.
    """
    path = target.path
    if path is None or target.device:
        return
    _check_output(path)
    for name in inputs:
        if name != STDOUT and _is_same_file(path, Path(name)):
            raise UsageError(f"{path}: is the input itself: give another --output")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder: name a file in it with --output")
    if not may_exist and os.path.lexists(path):
        raise OutputError(f"{path}: exists already: give --force to replace it, {or_else}or another --output")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}: make it first")


def _plan_job(name: str, output: str | None, folder: Path | None, format: Format | None) -> Job:
    stdin = name == STDOUT
    # Without --format, the first bytes tell the format of stdin.
    source = format or (None if stdin else parse_file_name(name))
    if source is None and not stdin:
        if Path(name).is_dir() or not Path(name).exists():
            with open_stream(name):  # its error says more than one about the name
                pass
        raise UsageError(f"{name}: its name does not tell a format ({KNOWN_FORMATS}): give --format")
    plain = Format(source.kind) if source else None
    if folder is not None:
        if stdin:
            raise UsageError(f"--output {folder}: scores of stdin have no name there: name a file")
        return Job((name,), source, _default_target(folder / scored_name(Path(name).name), source))
    if output is None and not stdin:
        path = Path(name)
        if _has_no_place(path):
            raise UsageError(f"{name}: is no file that another could lie beside: give an --output, such as -o -")
        return Job((name,), source, _default_target(path.with_name(scored_name(path.name)), source))
    if output is None or output == STDOUT:
        return Job((name,), source, Target(None, plain))
    return Job((name,), source, _named_target(Path(output), plain))


def _has_no_place(path: Path) -> bool:
    """Returns whether a path stands for something that is open, such as `/dev/stdin` or the shell's `<(…)`."""
    folder = os.path.realpath(path.parent)
    return folder in {"/dev", "/dev/fd"} or folder.startswith("/proc/")


def _default_target(path: Path, source: Format | None) -> Target:
    return Target(path, parse_file_name(path.name) or source)


def _named_target(path: Path, fallback: Format | None) -> Target:
    if path.exists() and not path.is_file() and not path.is_dir():
        return Target(path, parse_file_name(path.name) or fallback, device=True)
    found = parse_file_name(path.name)
    if found is None and not path.is_dir():
        raise UsageError(f"--output {path}: its name does not tell a format: end it in {KNOWN_FORMATS}")
    return Target(path, found)


def _check_distinct(jobs: Sequence[Job]) -> None:
    seen: dict[Path, str] = {}
    for job in jobs:
        path = job.target.path
        if path is None or job.target.device:
            continue
        if path in seen:
            raise UsageError(f"{path}: {seen[path]} and {job.name} would both go there: score them apart")
        seen[path] = job.name


def _is_same_file(first: Path, second: Path) -> bool:
    if first.resolve() == second.resolve():
        return True
    return first.exists() and second.exists() and first.samefile(second)
