"""A job: what to score, and where the scores go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import cast

from sentscore.errors import UsageError
from sentscore.formats import KNOWN_FORMATS, Format, parse_file_name, scored_name
from sentscore.jobs.inputs import Input
from sentscore.jobs.places import default_target, has_no_place, named_target, parse_output
from sentscore.sinks.targets import STDOUT, Target
from sentscore.sources.streams import open_stream
from sentscore.stores import Place, StorePath, check_writable, is_uri, parse_store_path


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
    folder: Place | None = None

    @property
    def name(self) -> str:
        """What messages call the inputs."""
        return self.inputs[0] if len(self.inputs) == 1 else f"{len(self.inputs)} files"

    @property
    def place(self) -> str:
        """The output's path in the folder of all outputs, with `/` between folders; empty where it is in none."""
        if self.folder is None or self.target.path is None:
            return ""
        return place_below(self.target.path, self.folder)


def place_below(path: Place, folder: Place) -> str:
    """Returns the path of something in a folder as it is called there, with `/` between folders."""
    if isinstance(path, StorePath):
        return path.relative_to(cast(StorePath, folder)).as_posix()
    return path.relative_to(cast(PurePath, folder)).as_posix()


def allow_replacing(job: Job) -> Job:
    """Returns the job with an output that may be replaced."""
    return job if job.target.device else replace(job, target=replace(job.target, replace=True))


def plan_alone(name: str, output: str | None, format: Format | None, to: Format | None) -> Job:
    """Plans the job of an input that is named itself, and whose output goes to no folder of outputs.

    Args:
        name: The input.
        output: The output, or `-` for stdout; None for a name beside the input.
        format: The format of the input; None to go by the name.
        to: The format of the output; None to go by its name, or by the input's.

    Raises:
        UsageError: A name does not tell a format, or there is no place beside the input.
        InputError: There is no such input.
    """
    stdin = name == STDOUT
    # Without --format, the first bytes tell the format of stdin.
    source = format or (None if stdin else parse_format_of(name))
    plain = to or (Format(source.kind) if source else None)
    if output is None and is_uri(name):
        beside = parse_store_path(name)
        check_writable(beside)
        return Job((name,), source, default_target(beside.with_name(scored_name(beside.name, to)), to or source))
    if output is None and not stdin:
        path = Path(name)
        if has_no_place(path):
            raise UsageError(f"{name}: is no file that another could lie beside: give an --output, such as -o -")
        return Job((name,), source, default_target(path.with_name(scored_name(path.name, to)), to or source))
    if output is None or output == STDOUT:
        return Job((name,), source, Target(None, plain))
    return Job((name,), source, named_target(parse_output(output), plain))


def parse_format_of(name: str) -> Format:
    """Returns the format that an input's name tells.

    Raises:
        UsageError: It tells none.
        InputError: It tells none, and there is no such file.
    """
    found = parse_file_name(name)
    if found is None:
        if is_uri(name) or Path(name).is_dir() or not Path(name).exists():
            with open_stream(name):  # its error says more than one about the name
                pass
        raise UsageError(f"{name}: its name does not tell a format ({KNOWN_FORMATS}): give --format")
    return found
