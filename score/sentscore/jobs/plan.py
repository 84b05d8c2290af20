"""Plans jobs: decides and checks where each input's scores go, before anything is read or loaded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sentscore.errors import InputError, UsageError
from sentscore.formats import KNOWN_FORMATS, Format, Kind, converted_name, parse_file_name
from sentscore.jobs.inputs import SCORED, Argument, Inputs, LeftOut, parse_argument
from sentscore.jobs.job import Job, allow_replacing, parse_format_of, place_below, plan_alone
from sentscore.jobs.places import (
    Files,
    Tree,
    asking_output_store,
    check_folder,
    check_names,
    check_target,
    default_target,
    named_target,
    parse_output,
    real_name,
)
from sentscore.jobs.state import STATE_NAME, State
from sentscore.sinks.targets import STDOUT, Target
from sentscore.stores import Place, StorePath, check_writable


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
        incremental: Whether only jobs are wanted that were not done from the same input by the same models and options.
        states: What the folders of outputs hold, which are locked until the plan is closed. Only a single file's folder
            has none, unless `incremental` needs one.
        files: How many inputs there were when the plan was checked.
        size: How many bytes they have.
        existing: How many of them had an output.
        left_out: What the folders and globs hold besides.
    """

    arguments: Sequence[Argument]
    output: Place | None
    named: str | None
    format: Format | None
    to: Format | None
    force: bool
    skip_existing: bool
    incremental: bool = False
    states: dict[Place, State] = field(default_factory=dict)
    files: int = 0
    size: int = 0
    existing: int = 0
    left_out: LeftOut = field(default_factory=LeftOut)
    _beside: dict[StorePath, StorePath] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What messages call the inputs."""
        return self.arguments[0].name if len(self.arguments) == 1 else f"{len(self.arguments)} inputs"

    @property
    def is_tree(self) -> bool:
        """Whether a folder or a glob is among the arguments."""
        return any(argument.root is not None for argument in self.arguments)

    @property
    def folders(self) -> list[Place]:
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

    def close(self) -> None:
        """Lets other runs write to the folders of outputs."""
        for state in self.states.values():
            state.close()

    def state_of(self, job: Job) -> State | None:
        """Returns what the folder of a job's output holds, if that is kept."""
        return None if job.folder is None else self.states.get(job.folder)

    def may_exist(self, job: Job) -> bool:
        """Returns whether a job's output may be there before the job is done."""
        if self.force or self.skip_existing:
            return True
        state = self.state_of(job)
        return state is not None and (self.incremental or state.unfinished is not None) and state.owns(job.place)

    def folder_of(self, argument: Argument) -> Place | None:
        """Returns the folder that an argument's outputs go to; None for a file whose output goes to none.

        Raises:
            UsageError: The folder of the inputs has no name, or nothing can be written to its store.
        """
        if self.output is not None or argument.root is None:
            return self.output
        root = argument.root
        if isinstance(root, StorePath):
            return self._folder_beside(argument, root)
        if root.name in {"", ".."}:
            root = Path(os.path.abspath(root))  # noqa: PTH100 - the folder that it stands for, whose links keep their names
        if not root.name:
            raise UsageError(f"{argument.name}: has no name that the outputs' folder could have: give an --output")
        return root.with_name(root.name + SCORED)

    def _folder_beside(self, argument: Argument, root: StorePath) -> StorePath:
        if root not in self._beside:
            if not root.key:
                raise UsageError(
                    f"{argument.name}: is a whole bucket, beside which no folder can lie: give an --output"
                )
            check_writable(root)
            self._beside[root] = root.with_name(root.name + SCORED).listed()
        return self._beside[root]

    def _jobs_of(self, argument: Argument) -> Iterator[Job]:
        folder = self.folder_of(argument)
        inputs = Inputs(argument, any_format=self.format is not None, excluded=folder)
        if folder is None:
            [found] = inputs
            yield self._allow_replacing(replace(plan_alone(found.name, self.named, self.format, self.to), input=found))
            return
        for found in inputs:
            source = self.format or parse_format_of(found.name)
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
    incremental: bool = False,
    to: Format | None = None,
) -> Plan:
    """Plans a job for each input that is a table, and checks all of them.

    Args:
        inputs: Files, folders, globs, URIs of these, or `-` for stdin.
        output: The value of `--output`: a file, a folder, or `-` for stdout. None stands for `NAME.scored.EXT` beside
            each file, for the folder `NAME.scored` beside each folder, and for stdout where the input is stdin.
        format: The format of every input; None to go by the names.
        force: Whether a file that exists may be replaced.
        skip_existing: Whether one may exist because its job is going to be left out.
        incremental: Whether only jobs are wanted that were not done from the same input by the same models and options.
        to: The format of every output; None for that of its input, or the one that the name of the output tells.

    Returns:
        The plan, which has to be closed.

    Raises:
        UsageError: The options do not fit together, or a name does not tell a format.
        InputError: A name does not tell a format and there is no such file, or a folder or a glob holds no input.
        OutputError: An output exists already, or its folder does not.
    """
    twice, count = Counter(inputs).most_common(1)[0]
    if count > 1:
        raise UsageError(f"{twice}: given twice: name each input once")
    arguments = [parse_argument(name) for name in inputs]
    check_names([argument.name for argument in arguments if not argument.pattern], output)
    folder = _choose_folder(arguments, output)
    if to is not None and output not in {None, STDOUT} and folder is None:
        raise UsageError(f"--to: the name of --output {output} tells its format: give one of the two")
    plan = Plan(arguments, folder, None if folder else output, format, to, force, skip_existing, incremental)
    try:
        _open_states(plan)
        _check_plan(plan)
    except BaseException:
        plan.close()
        raise
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
    target = Target(None, csv) if output is None or output == STDOUT else named_target(parse_output(output), csv)
    check_target(target, Files(inputs), may_exist=force)
    job = Job(tuple(inputs), None, target, whole=True)
    return allow_replacing(job) if force else job


def _choose_folder(arguments: Sequence[Argument], output: str | None) -> Place | None:
    """Returns the folder that `--output` names; None where it names a file or stdout, or is not given.

    Raises:
        UsageError: One file cannot take the scores of all inputs.
        OutputError: The folder cannot be made.
    """
    if output is None:
        return None
    is_tree = any(argument.root is not None for argument in arguments)
    folder = None if output == STDOUT else parse_output(output)
    with asking_output_store():
        is_folder = folder is not None and (output.endswith(("/", os.sep)) or folder.is_dir())
    many = len(arguments) > 1 or is_tree
    if not many and not is_folder:
        return None
    if folder is None or (not is_folder and not is_tree and parse_file_name(output) is not None):
        what = f"{len(arguments)} inputs" if len(arguments) > 1 else "a folder's outputs"
        raise UsageError(f"--output {output}: {what} need a folder: end its name in /, or leave out --output")
    if isinstance(folder, StorePath):
        folder = folder.listed()
    check_folder(folder)
    if any(argument.name == STDOUT for argument in arguments):
        raise UsageError(f"--output {folder}: scores of stdin have no name there: name a file")
    return folder


def _open_states(plan: Plan) -> None:
    """Opens what the folders of outputs hold, where the jobs are many or `--incremental` has to know.

    Raises:
        UsageError: There is no folder of outputs, which `--incremental` needs.
        OutputError: Another run is writing to a folder.
    """
    alone = [argument.name for argument in plan.arguments if plan.folder_of(argument) is None]
    if plan.incremental and alone:
        raise UsageError(f"--incremental: the output of {alone[0]} is in no folder of outputs: give -o FOLDER/")
    is_one = not (plan.incremental or plan.is_tree or len(plan.arguments) > 1)
    for folder in plan.folders:
        if not is_one or _has_state(folder):  # one file may not come between another run
            plan.states[folder] = State(folder)


def _has_state(folder: Place) -> bool:
    if isinstance(folder, Path):
        return os.path.lexists(folder / STATE_NAME)
    with asking_output_store():
        return (folder / STATE_NAME).is_file()


def _is_there(folder: Place) -> bool:
    if isinstance(folder, Path):
        return os.path.lexists(folder)
    with asking_output_store():
        return folder.is_dir()


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
    may_meet = len(plan.arguments) > 1 or plan.to is not None
    seen: set[int] = set()  # of hashes, which are smaller than paths
    plan.left_out = LeftOut()
    for argument in plan.arguments:
        files, folder = plan.files, plan.folder_of(argument)
        real = None if folder is None else real_name(folder).rstrip("/")
        is_new = folder is not None and not _is_there(folder)
        for job in plan._jobs_of(argument):
            path = job.target.path
            plan.files += 1
            plan.size += job.input.size if job.input is not None else 0
            if path is None or job.target.device:
                continue
            if path.name == STATE_NAME:
                raise UsageError(f"{job.name}: its output would replace {path}, which says what is there: rename it")
            if may_meet and hash(path) in seen:
                _check_alone(plan, job)
            seen.add(hash(path) if may_meet else 0)
            place = f"{real}/{place_below(path, folder)}" if folder is not None else real_name(path)
            for tree in trees:
                tree.check(path, place)
            if not is_new:
                or_else = "--skip-existing to leave it out, "
                if plan.state_of(job) is not None and not plan.incremental:
                    or_else = f"--incremental to score what is new or changed, {or_else}"
                check_target(job.target, named, may_exist=plan.may_exist(job), or_else=or_else)
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
