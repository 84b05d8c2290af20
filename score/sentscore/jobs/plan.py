"""Plans jobs: decides and checks where each input's scores go, before anything is read or loaded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sentscore.errors import InputError, OutputError, UsageError
from sentscore.formats import KNOWN_FORMATS, Format, Kind, converted_name, parse_file_name, scored_name
from sentscore.jobs.inputs import SCORED, Argument, Input, Inputs, LeftOut, local_path, parse_argument
from sentscore.jobs.places import (
    Files,
    Tree,
    check_folder,
    check_names,
    check_target,
    default_target,
    has_no_place,
    named_target,
)
from sentscore.sinks.targets import STDOUT, Target
from sentscore.sources.streams import open_stream


@dataclass(frozen=True)
class Job:
    """What to score, and where the scores go.

    Attributes:
        inputs: One path, or `-` for stdin; several where each file is one text.
        format: The format of the input; None to tell it from the first bytes.
        target: Where the scores go.
        whole: Whether each input is one text, and a row of one table.
        input: What was found of the input when it was listed; None where inputs are texts.
        folder: The folder of all outputs; None where the output has none of its own.
    """

    inputs: tuple[str, ...]
    format: Format | None
    target: Target
    whole: bool = False
    input: Input | None = None
    folder: Path | None = None

    @property
    def name(self) -> str:
        """What messages call the inputs."""
        return self.inputs[0] if len(self.inputs) == 1 else f"{len(self.inputs)} files"


@dataclass
class Plan:
    """The jobs of a command, which are listed anew whenever they are iterated over, so that a million fit.

    Attributes:
        arguments: What the command names.
        output: The folder that `--output` names; None for a file, stdout, or a place for each argument.
        named: The value of `--output` where it is no folder.
        format: The format of every input; None to go by the names.
        to: The format of every output; None for that of its input.
        force: Whether a file that exists may be replaced.
        skip_existing: Whether one may exist because its job is going to be left out.
        files: How many inputs there were when the plan was checked.
        size: How many bytes they have.
        existing: How many of them had an output.
        left_out: What the folders and globs hold besides.
    """

    arguments: Sequence[Argument]
    output: Path | None
    named: str | None
    format: Format | None
    to: Format | None
    force: bool
    skip_existing: bool
    files: int = 0
    size: int = 0
    existing: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def name(self) -> str:
        """What messages call the inputs."""
        return self.arguments[0].name if len(self.arguments) == 1 else f"{len(self.arguments)} inputs"

    @property
    def is_tree(self) -> bool:
        """Whether a folder or a glob is among the arguments."""
        return any(argument.root is not None for argument in self.arguments)

    @property
    def folders(self) -> list[Path]:
        """The folders whose files are the outputs."""
        found = [self.folder_of(argument) for argument in self.arguments]
        return list(dict.fromkeys(folder for folder in found if folder is not None))

    def __iter__(self) -> Iterator[Job]:
        """Yields the jobs in order.

        Raises:
            InputError: A folder cannot be listed.
        """
        self.left_out = LeftOut()
        for argument in self.arguments:
            yield from self._jobs_of(argument)

    @property
    def pending(self) -> int:
        """How many jobs there were to do when the plan was checked."""
        return self.files - (self.existing if self.skip_existing else 0)

    def folder_of(self, argument: Argument) -> Path | None:
        """Returns the folder that an argument's outputs go to; None for a file whose output goes to none.

        Raises:
            UsageError: The folder of the inputs has no name.
        """
        if self.output is not None or argument.root is None:
            return self.output
        root = argument.root
        if root.name in {"", ".."}:
            root = Path(os.path.abspath(root))  # noqa: PTH100 - the folder that it stands for, whose links keep their names
        if not root.name:
            raise UsageError(f"{argument.name}: has no name that the outputs' folder could have: give an --output")
        return root.with_name(root.name + SCORED)

    def _jobs_of(self, argument: Argument) -> Iterator[Job]:
        folder = self.folder_of(argument)
        inputs = Inputs(argument, any_format=self.format is not None, excluded=folder)
        if folder is None:
            [found] = inputs
            yield self._allow_replacing(replace(_plan_alone(found.name, self.named, self.format, self.to), input=found))
            return
        for found in inputs:
            source = self.format or _parse_format_of(found.name)
            path = folder / found.relative
            if self.to is not None:
                path = path.with_name(converted_name(path.name, self.to))
            target = default_target(path, source, in_tree=True)
            yield self._allow_replacing(Job((found.name,), source, target, input=found, folder=folder))
        self.left_out.add(inputs.left_out)

    def _allow_replacing(self, job: Job) -> Job:
        return allow_replacing(job) if self.force else job


def plan_jobs(
    inputs: Sequence[str],
    *,
    output: str | None,
    format: Format | None,
    force: bool,
    skip_existing: bool = False,
    to: Format | None = None,
) -> Plan:
    """Plans a job for each input that is a table, and checks all of them.

    Args:
        inputs: Files, folders, globs, `file:` URIs, or `-` for stdin.
        output: The value of `--output`: a file, a folder, or `-` for stdout. None stands for `NAME.scored.EXT` beside
            each file, for the folder `NAME.scored` beside each folder, and for stdout where the input is stdin.
        format: The format of every input; None to go by the names.
        force: Whether a file that exists may be replaced.
        skip_existing: Whether one may exist because its job is going to be left out.
        to: The format of every output; None for that of its input, or the one that the name of the output tells.

    Raises:
        UsageError: The options do not fit together, or a name does not tell a format.
        InputError: A name does not tell a format and there is no such file, or a folder or a glob holds no input.
        OutputError: An output exists already, or its folder does not.
    """
    twice, count = Counter(inputs).most_common(1)[0]
    if count > 1:
        raise UsageError(f"{twice}: given twice: name each input once")
    output = None if output is None else _local_output(output)
    arguments = [parse_argument(name) for name in inputs]
    check_names([argument.name for argument in arguments if not argument.pattern], output)
    folder = _choose_folder(arguments, output)
    if to is not None and output not in {None, STDOUT} and folder is None:
        raise UsageError(f"--to: the name of --output {output} tells its format: give one of the two")
    plan = Plan(arguments, folder, None if folder else output, format, to, force, skip_existing)
    _check_plan(plan)
    return plan


def plan_whole(inputs: Sequence[str], *, output: str | None, force: bool) -> Job:
    """Plans the job of `--whole`: each input is one text, and all become one table, on stdout as CSV or in `output`.

    A folder or a glob stands for its files of whatever format.

    Raises:
        UsageError: The name of the output does not tell a format.
        InputError: A folder or a glob holds no file.
        OutputError: The output exists already, or its folder does not.
    """
    check_names(inputs, output)
    inputs = [name for each in inputs for name in _list_texts(parse_argument(each))]
    csv = Format(Kind.CSV)
    target = Target(None, csv) if output in {None, STDOUT} else named_target(Path(str(output)), csv)
    check_target(target, Files(inputs), may_exist=force)
    job = Job(tuple(inputs), None, target, whole=True)
    return allow_replacing(job) if force else job


def allow_replacing(job: Job) -> Job:
    """Returns the job with an output that may be replaced."""
    return job if job.target.device else replace(job, target=replace(job.target, replace=True))


def _local_output(output: str) -> str:
    try:
        return local_path(output)
    except InputError as error:
        raise OutputError(f"--output {output}: only file: URIs can be written to: choose a folder here") from error


def _choose_folder(arguments: Sequence[Argument], output: str | None) -> Path | None:
    """Returns the folder that `--output` names; None where it names a file or stdout, or is not given.

    Raises:
        UsageError: One file cannot take the scores of all inputs.
        OutputError: The folder cannot be made.
    """
    if output is None:
        return None
    is_tree = any(argument.root is not None for argument in arguments)
    is_folder = output != STDOUT and (output.endswith(("/", os.sep)) or Path(output).is_dir())
    many = len(arguments) > 1 or is_tree
    if not many and not is_folder:
        return None
    if output == STDOUT or (not is_folder and not is_tree and parse_file_name(output) is not None):
        what = f"{len(arguments)} inputs" if len(arguments) > 1 else "a folder's outputs"
        raise UsageError(f"--output {output}: {what} need a folder: end its name in /, or leave out --output")
    folder = Path(output)
    check_folder(folder)
    if any(argument.name == STDOUT for argument in arguments):
        raise UsageError(f"--output {folder}: scores of stdin have no name there: name a file")
    return folder


def _parse_format_of(name: str) -> Format:
    found = parse_file_name(name)
    if found is None:
        if Path(name).is_dir() or not Path(name).exists():
            with open_stream(name):  # its error says more than one about the name
                pass
        raise UsageError(f"{name}: its name does not tell a format ({KNOWN_FORMATS}): give --format")
    return found


def _plan_alone(name: str, output: str | None, format: Format | None, to: Format | None) -> Job:
    """Plans the job of an input that is named itself, and whose output goes to no folder of outputs."""
    stdin = name == STDOUT
    # Without --format, the first bytes tell the format of stdin.
    source = format or (None if stdin else _parse_format_of(name))
    plain = to or (Format(source.kind) if source else None)
    if output is None and not stdin:
        path = Path(name)
        if has_no_place(path):
            raise UsageError(f"{name}: is no file that another could lie beside: give an --output, such as -o -")
        return Job((name,), source, default_target(path.with_name(scored_name(path.name, to)), to or source))
    if output is None or output == STDOUT:
        return Job((name,), source, Target(None, plain))
    return Job((name,), source, named_target(Path(output), plain))


def _check_plan(plan: Plan) -> None:
    """Lists all inputs once, counts them, and checks each one's output.

    Raises:
        UsageError: Two outputs have one place, or an output's place is an input's.
        InputError: A folder or a glob holds no input.
        OutputError: An output exists already and must not, or cannot be made.
    """
    named = Files(argument.name for argument in plan.arguments if argument.root is None)
    trees = [
        Tree(argument.root, plan.folder_of(argument) or Path())
        for argument in plan.arguments
        if argument.root is not None
    ]
    may_exist = plan.force or plan.skip_existing
    may_meet = len(plan.arguments) > 1 or plan.to is not None
    seen: set[int] = set()  # of hashes, which are smaller than paths
    plan.left_out = LeftOut()
    for argument in plan.arguments:
        files, folder = plan.files, plan.folder_of(argument)
        real = None if folder is None else os.path.realpath(folder)
        is_new = folder is not None and not os.path.lexists(folder)
        for job in plan._jobs_of(argument):
            path = job.target.path
            plan.files += 1
            plan.size += job.input.size if job.input is not None else 0
            if path is None or job.target.device:
                continue
            if may_meet and hash(path) in seen:
                _check_alone(plan, job)
            seen.add(hash(path) if may_meet else 0)
            place = f"{real}/{path.relative_to(folder)}" if real and folder else os.path.realpath(path)
            for tree in trees:
                tree.check(path, place)
            if not is_new:
                check_target(job.target, named, may_exist=may_exist, or_else="--skip-existing to leave it out, ")
                plan.existing += job.target.exists
        if plan.files == files:
            raise _nothing_found(argument, plan.left_out)


def _check_alone(plan: Plan, job: Job) -> None:
    """Checks that no input before a job's has the same output.

    Raises:
        UsageError: One has.
    """
    for other in plan:
        if other.name == job.name:
            return
        if other.target.path == job.target.path:
            raise UsageError(f"{job.target.path}: {other.name} and {job.name} would both go there: score them apart")


def _list_texts(argument: Argument) -> list[str]:
    inputs = Inputs(argument, any_format=True)
    names = [found.name for found in inputs]
    if not names:
        raise _nothing_found(argument, inputs.left_out)
    return names


def _nothing_found(argument: Argument, left_out: LeftOut) -> InputError:
    besides = f"; left out: {left_out.describe()}" if left_out.total else ""
    remedy = " (give --format to read them)" if left_out.unknown else ""
    if argument.pattern:
        return InputError(f"{argument.name}: no such file, and as a pattern it matches none{besides}{remedy}: check it")
    return InputError(f"{argument.name}: holds no file to score ({KNOWN_FORMATS}){besides}{remedy}: check the path")
