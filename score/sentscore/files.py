"""Files that are there whole or not at all: written beside their place, synced to disk, then renamed."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sentscore.errors import OutputError


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Opens a new file that takes its place under `path` when the block ends well, and is gone otherwise.

    A symbolic link stays; what it points to is replaced. The file's mode follows the umask. What a process that was
    killed has left of the same file is removed.

    Raises:
        OutputError: The folder cannot be written to, or the disk is full.
    """
    place = Path(os.path.realpath(path))
    _remove_parts(path)
    part = hidden_sibling(path, f"{secrets.token_hex(4)}.part")
    file: BinaryIO | None = None
    try:
        with output_errors(str(path)):
            file = _held(part)
        yield file
        with output_errors(str(path)):
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":  # an open file cannot be renamed there
                file.close()
            part.replace(place)
    except BaseException:
        # The error that led here counts, not one from closing a file that is thrown away.
        with suppress(OSError):
            if file is not None:
                file.close()
        with suppress(OSError):
            part.unlink()
        raise
    # The file is in its place by now, and its content on disk. Some file systems cannot sync folders.
    with suppress(OSError):
        file.close()
    with suppress(OSError):
        _sync_folder(place.parent)


def hidden_sibling(path: Path, suffix: str) -> Path:
    """A file beside the one that a path leads to: `.sentscore-`, 16 digits that stand for that one's name, a suffix."""
    place = Path(os.path.realpath(path))
    # Digits, for a longer name than the file's could be too long for the file system.
    digits = hashlib.blake2b(os.fsencode(place.name), digest_size=8).hexdigest()
    return place.parent / f".sentscore-{digits}.{suffix}"


def hold(file: BinaryIO) -> bool | None:
    """Keeps a file for this process until it is closed.

    Returns:
        Whether this process has it, and no other; None where the system or the file system has no such locks.
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


def stands_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat(follow_symlinks=False))
    except OSError:
        return False


def _held(part: Path) -> BinaryIO:
    """A new file, which no other process removes as long as it is held."""
    while True:
        file = part.open("xb")
        hold(file)
        if stands_at(file, part):
            return file
        file.close()  # removed before it was held


def _remove_parts(path: Path) -> None:
    """Removes what is left of a file by processes that are no more; those at work hold theirs."""
    for part in hidden_sibling(path, "").parent.glob(hidden_sibling(path, "*.part").name):
        with suppress(OSError), part.open("rb") as file:
            if hold(file):
                part.unlink()


@contextmanager
def output_errors(name: str) -> Iterator[None]:
    """Turns a failed write into an `OutputError`; a closed pipe stays what it is, for that is no failure.

    Raises:
        OutputError: Writing failed.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(name, error) from error


def cannot_write(name: str, error: OSError) -> OutputError:
    """Makes the one-line error for a failed open or write."""
    reason = error.strerror or (str(error).splitlines() or [type(error).__name__])[0]
    return OutputError(f"{name}: cannot be written ({reason}): free space there or give another --output")


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there, and a rename is durable without
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
