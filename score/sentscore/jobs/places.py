"""The places of outputs: whether each can be written, and is not one of the inputs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sentscore.errors import InputError, OutputError, UsageError
from sentscore.formats import KNOWN_FORMATS, Format, parse_file_name
from sentscore.jobs.inputs import local_path
from sentscore.sinks.targets import STDOUT, Target
from sentscore.sources.streams import cannot_read
from sentscore.stores import Place, StorePath, check_writable, is_uri, parse_store_path


class Files:
    """Files that are told from others by what they are, not by what they are called.

    Args:
        names: Their paths; those of files that do not exist count too.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._places: set[str] = set()
        self._numbers: set[tuple[int, int]] = set()
        for name in names:
            if name != STDOUT:
                self._places.add(name if is_uri(name) else os.path.realpath(name))
                with suppress(OSError, ValueError):
                    status = Path(name).stat()
                    self._numbers.add((status.st_dev, status.st_ino))

    def __bool__(self) -> bool:
        return bool(self._places)

    def __contains__(self, path: Place) -> bool:
        """Returns whether a path leads to one of the files."""
        if real_name(path) in self._places:
            return True
        if isinstance(path, StorePath):
            return False
        with suppress(OSError, ValueError):
            status = path.stat()
            return (status.st_dev, status.st_ino) in self._numbers
        return False


class Tree:
    """A folder of inputs, which no output may lie in, except in a folder of outputs there.

    Args:
        root: The folder.
        outputs: The folder that the outputs of these inputs go to.

    Raises:
        UsageError: They are the same.
    """

    def __init__(self, root: Place, outputs: Place) -> None:
        self._name = root
        self._root, place = real_name(root), real_name(outputs)
        if self._root == place:
            raise UsageError(f"{root}: is the folder of the inputs itself: give another --output")
        self._outputs = place if _is_below(place, self._root) else None

    def check(self, path: Place, place: str) -> None:
        """Checks an output's place, given as it is named and without links.

        Raises:
            UsageError: It is among the inputs.
        """
        allowed = self._outputs is not None and _is_below(place, self._outputs)
        if not allowed and _is_below(place, self._root):
            raise UsageError(f"{path}: would lie among the inputs in {self._name}: give another --output")


def check_names(inputs: Sequence[str], output: str | None) -> None:
    """Checks that it can be told of the inputs and the value of `--output` whether they exist.

    Raises:
        UsageError: The output's name is empty, which a path would take for the current folder.
        InputError: The name of an input is too long, its folder may not be looked into, or its links form a loop.
        OutputError: So it is with the output.
    """
    if output == "":
        raise UsageError("--output is empty: name a file or a folder, or - for stdout")
    for name in inputs:
        error = _why_unknown(Path(name)) if name != STDOUT and not is_uri(name) else None
        if error is not None:
            raise cannot_read(name, error) from error
    if output is not None and output != STDOUT and not is_uri(output):
        _check_output(Path(output))


def check_target(target: Target, inputs: Files, *, may_exist: bool, or_else: str = "") -> None:
    """Checks that an output can be made; `or_else` is a remedy beside `--force` for one that exists.

    Raises:
        UsageError: The output is one of the inputs.
        OutputError: The output exists already and must not, it is a folder, its folder is missing or may not be looked
            into, or its name is too long.
    """
    path = target.path
    if path is None or target.device:
        return
    if inputs and path in inputs:
        raise UsageError(f"{path}: is the input itself: give another --output")
    if isinstance(path, StorePath):
        with asking_output_store():
            if not may_exist and path.exists():
                raise _exists(path, or_else)
        return
    _check_output(path)
    if path.is_dir():
        raise OutputError(f"{path}: is a folder: name a file in it with --output")
    if not may_exist and os.path.lexists(path):
        raise _exists(path, or_else)
    if not target.in_tree and not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}: make it first")


def parse_output(name: str) -> Place:
    """Returns the path of an output, or of a folder of outputs, that is named by its path or URI.

    Raises:
        UsageError: Nothing can be written to such a store, or a package for it is missing.
        OutputError: It is a `file:` URI of another machine.
    """
    if not is_uri(name):
        try:
            return Path(local_path(name))
        except InputError as error:
            raise OutputError(f"--output {name}: only file: URIs of this machine are paths: choose another") from error
    try:
        path = parse_store_path(name)
    except InputError as error:
        raise UsageError(f"--output {error}") from error
    check_writable(path)
    return path


@contextmanager
def asking_output_store() -> Iterator[None]:
    """Turns the errors of a store that is asked about outputs into `OutputError`s.

    Raises:
        OutputError: The store cannot be asked.
    """
    try:
        yield
    except InputError as error:
        raise OutputError(*error.args) from error


def real_name(path: Place) -> str:
    """Returns a path without links, by which others can be compared with it."""
    return str(path) if isinstance(path, StorePath) else os.path.realpath(path)


def check_folder(folder: Place) -> None:
    """Checks that outputs can go into a folder, which need not exist yet.

    Raises:
        OutputError: It is a file, or below one.
    """
    if isinstance(folder, StorePath):
        with asking_output_store():
            if folder.is_file():
                raise OutputError(f"{folder}: is an object and no folder: choose another --output")
        return
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise OutputError(f"{folder}: cannot be made ({place} is no folder): choose another --output")


def has_no_place(path: Path) -> bool:
    """Returns whether a path stands for something that is open, such as `/dev/stdin` or the shell's `<(…)`."""
    folder = os.path.realpath(path.parent)
    return folder in {"/dev", "/dev/fd"} or folder.startswith("/proc/")


def default_target(path: Place, source: Format | None, *, in_tree: bool = False) -> Target:
    """Returns the target of a file whose name need not tell a format; that of the input counts then."""
    return Target(path, parse_file_name(path.name) or source, in_tree=in_tree)


def named_target(path: Place, fallback: Format | None) -> Target:
    """Returns the target of a file or device that the user has named.

    Raises:
        UsageError: The name of the file does not tell a format.
    """
    if isinstance(path, Path) and path.exists() and not path.is_file() and not path.is_dir():
        return Target(path, parse_file_name(path.name) or fallback, device=True)
    found = parse_file_name(path.name)
    if found is None and (isinstance(path, StorePath) or not path.is_dir()):
        raise UsageError(f"--output {path}: its name does not tell a format: end it in {KNOWN_FORMATS}")
    return Target(path, found)


def _exists(path: Place, or_else: str) -> OutputError:
    return OutputError(f"{path}: exists already: give --force to replace it, {or_else}or another --output")


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


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
