"""Files and folders that are there whole or not at all: made beside their place, then renamed into it."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from sentscore.errors import OutputError, first_line

_AT_FDCWD: Final = -100  # of Linux: names are looked up in the current folder
_RENAME_NOREPLACE: Final = 1

_HIDDEN_PREFIX: Final = ".sentscore-"


@contextmanager
def new_file(path: Path, *, parents: bool = False, replace: bool = True, sweep: bool = True) -> Iterator[BinaryIO]:
    """Opens a new file that takes its place when the body of the `with` ends well, and is removed otherwise.

    A symbolic link stays, and the file that it points to is the one that is made. The mode follows the umask. What
    killed processes left of the same file is removed.

    Args:
        path: The file's place.
        parents: Whether to make the folders above it.
        replace: Whether to replace a file that is there. Otherwise it stays, even one that another process makes while
            the body runs.
        sweep: Whether to look in the folder for what killed processes have left of the file. That takes time with the
            number of files there, so who makes many uses `sweep_folder` once.

    Raises:
        OutputError: The folder cannot be written to, the disk is full, at any write inside the body too, or a file
            is there that is not to be replaced.
    """
    place = Path(os.path.realpath(path))
    with ExitStack() as stack:
        with output_errors(str(path)):
            if parents:
                place.parent.mkdir(parents=True, exist_ok=True)
            if not replace and os.path.lexists(place):
                raise _appeared(path)
            if sweep:
                _remove_leftovers(path)
            # Names are looked up in the open folder, so that the part can be removed after the folder was moved away.
            folder = stack.enter_context(_open_folder(place.parent))
        part = _Part(path, folder)
        try:
            with output_errors(str(path)):
                file = part.open()
            yield file
            file.flush()
            with output_errors(str(path)):
                os.fsync(file.fileno())
                folder.check_place(path)
                if os.name == "nt":  # an open file cannot be renamed there
                    file.close()
                if replace:
                    folder.replace(part.name, place)
                elif not folder.rename_if_free(part.name, place):
                    raise _appeared(path)
        except BaseException:
            part.discard()
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


def sweep_folder(folder: Path) -> None:
    """Removes the parts of files that killed processes have left in a folder; a process at work has locked its own."""
    with suppress(OSError):
        for left in folder.glob(f"{_HIDDEN_PREFIX}*.part"):
            with suppress(OSError), _open_own(left) as descriptor:
                if left.is_file() and lock(descriptor):
                    left.unlink()


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
        if os.path.lexists(path) and not (replace and path.is_dir()):
            kind = "exists already" if path.is_dir() else "is no folder"
            raise OutputError(f"{path}: {kind}: remove it or choose another folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        part = _make_part_folder(path, stack)
        yield part
        if os.path.lexists(place) and not replace:
            raise OutputError(f"{path}: exists already, made meanwhile: remove it or choose another folder")
        old = hidden_sibling(path, f"{secrets.token_hex(4)}.old")
        try:
            if replace and place.exists():
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
    return place.parent / f"{_HIDDEN_PREFIX}{digits}.{suffix}"


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


@contextmanager
def wait_for_lock(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keeps other processes out of the body. They wait for the lock file, which is there only meanwhile.

    On a file system without such locks nobody waits.

    Args:
        path: The lock file.
        on_wait: Is called before this process waits for another one.

    Raises:
        OutputError: The file cannot be written.
    """
    with output_errors(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with output_errors(str(path)):
            file = path.open("wb")
        with file:
            if lock(file) is False:
                on_wait()
                _await_lock(file)
            # One that was removed by its holder is another file than the one of this name, if there is one.
            if has_name(file, path):
                try:
                    yield
                finally:
                    with suppress(OSError):
                        path.unlink()
                return


def _await_lock(file: BinaryIO) -> None:
    """Waits until this process holds the lock of an open file, or finds that it can't have it."""
    import fcntl

    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


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
    """A file whose failed writes are `OutputError`s that name the output."""

    def __init__(self, descriptor: int, output: Path) -> None:
        super().__init__(descriptor, "wb")
        self._output = output

    def write(self, content: Any, /) -> int:  # noqa: ANN401 - any buffer
        with output_errors(str(self._output)):
            return super().write(content)


class _Folder:
    """An open folder whose files are named in it, wherever it is moved to.

    Args:
        path: The folder.
        descriptor: The open folder; None where a system names files by their paths alone.
    """

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self._path = path
        self.descriptor = descriptor

    def locate(self, file: Path) -> str:
        """Returns what to call a file of this folder beside the descriptor."""
        return str(file) if self.descriptor is None else file.name

    def check_place(self, output: Path) -> None:
        """Checks that the folder still is where it was.

        Raises:
            OutputError: It was moved or removed.
        """
        there = self.descriptor is None
        with suppress(OSError):
            there = there or os.path.samestat(os.fstat(self.descriptor or 0), self._path.stat())
        if not there:
            raise OutputError(f"{output}: the folder {self._path} was moved or removed meanwhile: bring it back")

    def replace(self, name: str, place: Path) -> None:
        """Renames a file, and replaces what has the new name."""
        os.replace(name, self.locate(place), src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def rename_if_free(self, name: str, place: Path) -> bool:
        """Renames a file. Returns False if something has the new name; then nothing is changed."""
        new = self.locate(place)
        try:
            if os.name == "nt":  # renaming replaces nothing there
                os.rename(name, new)  # noqa: PTH104 - the same call as below
            else:
                self._rename_without_replacing(name, new)
        except FileExistsError:
            return False
        return True

    def _rename_without_replacing(self, name: str, new: str) -> None:
        fd = self.descriptor
        # The system's call for it is one step. A kill between a link and the removal of the first name leaves both.
        if _call_renameat2(fd, name, new):
            return
        try:
            os.link(name, new, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
        except FileExistsError:
            # A network file system may say so when it repeats a call whose answer was lost.
            if not os.path.samestat(os.lstat(name, dir_fd=fd), os.lstat(new, dir_fd=fd)):
                raise
        except OSError:
            # FAT and some others give a file only one name. Nothing is left but to look once more.
            with suppress(FileNotFoundError):
                os.lstat(new, dir_fd=fd)
                raise FileExistsError(new) from None
            os.rename(name, new, src_dir_fd=fd, dst_dir_fd=fd)
            return
        os.unlink(name, dir_fd=fd)


class _Part:
    """A file on its way to its place, with a name of its own beside it.

    Attributes:
        name: What it is called in its folder.
    """

    def __init__(self, path: Path, folder: _Folder) -> None:
        self._path = path
        self._folder = folder
        self._file: BinaryIO | None = None
        self.name = ""

    def open(self) -> BinaryIO:
        """Opens and locks a new file; a lock keeps other processes from removing it."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        while True:
            place = hidden_sibling(self._path, f"{secrets.token_hex(4)}.part")
            self.name = self._folder.locate(place)
            descriptor = os.open(self.name, flags, 0o666, dir_fd=self._folder.descriptor)
            self._file = io.BufferedWriter(_OutputFile(descriptor, self._path))
            lock(self._file)
            if has_name(self._file, place):
                return self._file
            self._file.close()  # another process removed it before it was locked

    def discard(self) -> None:
        """Closes and removes the file. The error that led here counts, and not one from this."""
        if self._file is not None:
            with suppress(OSError, OutputError):
                self._file.close()
        if self.name:  # an interrupt may come when the file is made and not yet known here
            with suppress(OSError):
                os.unlink(self.name, dir_fd=self._folder.descriptor)


@contextmanager
def _open_folder(path: Path) -> Iterator[_Folder]:
    if not {os.open, os.link, os.rename, os.unlink, os.stat} <= os.supports_dir_fd:  # as on Windows
        yield _Folder(path, None)
        return
    # O_PATH asks for no right to list the folder, for one can write to it without.
    descriptor = os.open(path, getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0))
    try:
        yield _Folder(path, descriptor)
    finally:
        os.close(descriptor)


def _call_renameat2(folder: int | None, name: str, new: str) -> bool:
    """Renames a file by the system call of Linux that replaces nothing. Returns False where that is not possible.

    Raises:
        FileExistsError: Something has the new name.
    """
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    descriptor = _AT_FDCWD if folder is None else folder
    if renameat2(descriptor, os.fsencode(name), descriptor, os.fsencode(new), _RENAME_NOREPLACE) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(new)
    return False


def _appeared(path: Path) -> OutputError:
    return OutputError(f"{path}: exists already, made meanwhile: move it away, or give --force to replace it")


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
            with suppress(OSError), _open_own(left) as descriptor:
                if lock(descriptor):
                    if left.suffix == ".old" and not place.exists():
                        left.rename(place)
                    elif left.is_dir():
                        shutil.rmtree(left)
                    else:
                        left.unlink()


@contextmanager
def _open_own(path: Path) -> Iterator[int]:
    """Opens a file or folder, but not one of another user, nor a link, a pipe or a device.

    Others who can write to the folder could have put those there, and a pipe would be waited for.

    Raises:
        OSError: It cannot be opened, or is to be left alone.
    """
    status = path.lstat()  # before it is opened: some devices do something when they are
    own = os.name == "nt" or status.st_uid == os.geteuid()
    if not own or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
    with _open_descriptor(path) as descriptor:
        if not os.path.samestat(status, os.fstat(descriptor)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        yield descriptor


@contextmanager
def _open_descriptor(path: Path) -> Iterator[int]:
    """Opens a file or folder; a link is not followed, and a pipe not waited for."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        yield descriptor
    finally:
        os.close(descriptor)
