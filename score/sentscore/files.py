"""Files and folders that are there whole or not at all: made beside their place, then renamed into it."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from sentscore.errors import OutputError, first_line


@contextmanager
def new_file(path: Path, *, parents: bool = False) -> Iterator[BinaryIO]:
    """Opens a new file that takes its place when the body of the `with` ends well, and is removed otherwise.

    A file that is there is replaced. A symbolic link stays, and the file that it points to is replaced. The mode
    follows the umask. What killed processes left of the same file is removed.

    Args:
        path: The file's place.
        parents: Whether to make the folders above it.

    Raises:
        OutputError: The folder cannot be written to or the disk is full, at any write inside the body too.
    """
    place = Path(os.path.realpath(path))
    file: BinaryIO | None = None
    try:
        with output_errors(str(path)):
            if parents:
                place.parent.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(path)
            file, part = _open_part(path)
        yield file
        file.flush()
        with output_errors(str(path)):
            os.fsync(file.fileno())
            if os.name == "nt":  # an open file cannot be renamed there
                file.close()
            part.replace(place)
    except BaseException:
        # The error that led here counts, not one from closing a file that is thrown away.
        if file is not None:
            with suppress(OSError, OutputError):
                file.close()
            with suppress(OSError):
                part.unlink()
        raise
    # The file is in its place by now, and its content on disk. Some systems cannot sync folders.
    with suppress(OSError):
        file.close()
    with suppress(OSError), _open_descriptor(place.parent) as descriptor:
        os.fsync(descriptor)


def write_file(path: Path, content: bytes) -> None:
    """Writes or replaces a file in one step, and makes the folders above it.

    Raises:
        OutputError: The folder cannot be written to, or the disk is full.
    """
    with new_file(path, parents=True) as file:
        file.write(content)


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Makes a new folder that takes its place when the body of the `with` ends well, and is removed otherwise.

    The folders above it are made too. What killed processes left of the same folder is removed, but a folder that was
    being replaced comes back.

    Args:
        path: The folder's place.
        replace: Whether to replace a folder that is there.

    Yields:
        The folder to fill. An `OSError` inside the body counts as a failed write.

    Raises:
        OutputError: The folder exists and is not to be replaced, or it cannot be written.
    """
    place = Path(os.path.realpath(path))
    with ExitStack() as stack:
        stack.enter_context(output_errors(str(path)))
        _remove_leftovers(path)
        if os.path.lexists(path) and not replace:
            raise OutputError(f"{path}: exists already: remove it or choose another folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        part = _make_part_folder(path, stack)
        yield part
        old = hidden_sibling(path, f"{secrets.token_hex(4)}.old")
        try:
            if place.exists():
                _lock_folder(place, stack)
                place.rename(old)
            part.rename(place)
        except BaseException:
            if old.exists() and not place.exists():
                old.rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)


def hidden_sibling(path: Path, suffix: str) -> Path:
    """Returns the path of a hidden file that belongs to the file `path` and lies beside it.

    Its name is `.sentscore-DIGITS.SUFFIX`. The 16 digits are a hash of the file's name; the name itself could make one
    that is longer than the file system allows.
    """
    place = Path(os.path.realpath(path))
    digits = hashlib.blake2b(os.fsencode(place.name), digest_size=8).hexdigest()
    return place.parent / f".sentscore-{digits}.{suffix}"


def lock(file: BinaryIO | int) -> bool | None:
    """Locks an open file, given as itself or its descriptor, for this process until it is closed.

    Returns:
        True if this process holds the lock, False if another one does, None where the file system has no such locks.
    """
    if os.name == "nt":
        return None
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the second is what some network file systems say
        return False
    except OSError:
        return None
    return True


def has_name(file: BinaryIO, path: Path) -> bool:
    """Returns whether an open file is the one that has this name now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat(follow_symlinks=False))
    except OSError:
        return False


@contextmanager
def output_errors(name: str) -> Iterator[None]:
    """Turns the failed writes of the body into `OutputError`s; a closed pipe is no failure and is passed on.

    Args:
        name: The output, for the message.

    Raises:
        OutputError: Writing failed.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise OutputError(f"{name}: cannot be written ({reason}): free space there or choose another place") from error


class _OutputFile(io.FileIO):
    """A new file whose failed writes are `OutputError`s that name the output."""

    def __init__(self, part: Path, output: Path) -> None:
        super().__init__(part, "xb")
        self._output = output

    def write(self, content: Any, /) -> int:  # noqa: ANN401 - any buffer
        with output_errors(str(self._output)):
            return super().write(content)


def _open_part(path: Path) -> tuple[BinaryIO, Path]:
    """Opens and locks a new file beside `path`; a lock keeps other processes from removing it."""
    while True:
        part = hidden_sibling(path, f"{secrets.token_hex(4)}.part")
        file = io.BufferedWriter(_OutputFile(part, path))
        lock(file)
        if has_name(file, part):
            return file, part
        file.close()  # another process removed it before it was locked


def _make_part_folder(path: Path, stack: ExitStack) -> Path:
    """Makes and locks a new folder beside `path`, which the stack removes at its end."""
    while True:
        part = hidden_sibling(path, f"{secrets.token_hex(4)}.part")
        stack.callback(shutil.rmtree, part, ignore_errors=True)
        part.mkdir()
        _lock_folder(part, stack)
        if part.exists():  # another process may have removed it before it was locked
            return part


def _lock_folder(folder: Path, stack: ExitStack) -> None:
    """Locks a folder until the stack ends."""
    with suppress(OSError):  # Windows cannot open folders
        lock(stack.enter_context(_open_descriptor(folder)))


def _remove_leftovers(path: Path) -> None:
    """Removes what killed processes left of a file or folder; a process at work has locked its own.

    An old folder goes back to its place where a kill came before the new one was there.
    """
    place = Path(os.path.realpath(path))
    for suffix in ("*.part", "*.old"):
        for left in place.parent.glob(hidden_sibling(path, suffix).name):
            with suppress(OSError), _open_descriptor(left) as descriptor:
                if lock(descriptor):
                    if left.suffix == ".old" and not place.exists():
                        left.rename(place)
                    elif left.is_dir():
                        shutil.rmtree(left)
                    else:
                        left.unlink()


@contextmanager
def _open_descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
