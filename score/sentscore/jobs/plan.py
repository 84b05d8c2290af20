"""Where each input's scores go, decided and checked before anything is read or loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sentscore.errors import OutputError, UsageError
from sentscore.formats import KNOWN_FORMATS, Format, Kind, parse_file_name, scored_name
from sentscore.sinks.targets import STDOUT, Target
from sentscore.sources.streams import open_stream


@dataclass(frozen=True)
class Job:
    """One input, its format (None to tell it from its first bytes), and where its scores go."""

    input: str
    format: Format | None
    target: Target


def plan_jobs(
    inputs: Sequence[str],
    *,
    output: str | None,
    format: Format | None,
    force: bool,
) -> list[Job]:
    """Decides where the scores of each input go.

    Args:
        inputs: paths, or `-` for stdin.
        output: the value of `--output`: a file, an existing folder, or `-` for stdout; None for
            `NAME.scored.EXT` beside each input, and stdout for stdin.
        format: the value of `--format`, the format of every input; None to go by the names.
        force: whether a file that exists may be replaced.

    Raises:
        UsageError: The options do not fit together, or a name stands for no format.
        InputError: A name stands for no format, and there is no file of that name.
        OutputError: An output exists already, or its folder does not.
    """
    if len(set(inputs)) < len(inputs):
        twice = next(name for name in inputs if inputs.count(name) > 1)
        raise UsageError(f"{twice}: given twice: name each input once")
    folder = Path(output) if output not in {None, STDOUT} and Path(str(output)).is_dir() else None
    if len(inputs) > 1 and output is not None and folder is None:
        raise UsageError(f"--output {output}: {len(inputs)} inputs need a folder that exists, or no --output")
    jobs = [_plan(name, output, folder, format) for name in inputs]
    _check_distinct(jobs)
    for job in jobs:
        check_target(job.target, inputs, force=force, or_else="--skip-existing to leave it out, ")
    return jobs


def plan_whole(inputs: Sequence[str], *, output: str | None, force: bool) -> Target:
    """Decides where the one table of `--whole` goes: stdout as CSV, or the file named by `output`.

    Raises:
        UsageError: The name stands for no format.
        OutputError: The output exists already, or its folder does not.
    """
    csv = Format(Kind.CSV)
    target = Target(None, csv) if output in {None, STDOUT} else _named_target(Path(str(output)), csv)
    check_target(target, inputs, force=force)
    return target


def check_target(target: Target, inputs: Sequence[str], *, force: bool, or_else: str = "") -> None:
    """Checks that an output can be made where it is to go; `or_else` is what else than `--force` to give if it exists.

    Raises:
        UsageError: It is one of the inputs.
        OutputError: It exists already and `force` is not given, it is a folder, or it has no folder to go to.
    """
    path = target.path
    if path is None or target.device:
        return
    for name in inputs:
        if name != STDOUT and _same(path, Path(name)):
            raise UsageError(f"{path}: is the input itself: give another --output")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder: name a file in it with --output")
    if not force and os.path.lexists(path):
        raise OutputError(f"{path}: exists already: give --force to replace it, {or_else}or another --output")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}: make it first")


def _plan(name: str, output: str | None, folder: Path | None, format: Format | None) -> Job:
    stdin = name == STDOUT
    # Without --format, stdin is told by its first bytes.
    source = format or (None if stdin else parse_file_name(name))
    if source is None and not stdin:
        if Path(name).is_dir() or not Path(name).exists():
            with open_stream(name):  # an error that says more than one about its name
                pass
        raise UsageError(f"{name}: its name does not tell a format ({KNOWN_FORMATS}): give --format")
    plain = Format(source.kind) if source else None
    if folder is not None:
        if stdin:
            raise UsageError(f"--output {folder}: scores of stdin have no name there: name a file")
        return Job(name, source, _default_target(folder / scored_name(Path(name).name), source))
    if output is None and not stdin:
        path = Path(name)
        return Job(name, source, _default_target(path.with_name(scored_name(path.name)), source))
    if output is None or output == STDOUT:
        return Job(name, source, Target(None, plain))
    return Job(name, source, _named_target(Path(output), plain))


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
            raise UsageError(f"{path}: {seen[path]} and {job.input} would both go there: score them apart")
        seen[path] = job.input


def _same(first: Path, second: Path) -> bool:
    if first.resolve() == second.resolve():
        return True
    return first.exists() and second.exists() and first.samefile(second)
