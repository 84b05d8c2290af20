"""The uploads that this machine has begun, so that the next run ends those of a process that was killed.

Each is a small file in the user's cache folder, which its process has locked: what a store is asked to forget must be
ours, and must not be at work.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from sentscore.files import has_name, lock
from sentscore.stores.cache import cache_folder

Record = dict[str, str]
"""What has to be known of an upload to end it."""

_FOLDER: Final = "uploads"


class Note:
    """The note of an upload that is at work. A folder that cannot be written to holds up no job.

    Args:
        record: What is known before the upload is begun.
    """

    def __init__(self, record: Record) -> None:
        self._record = dict(record)
        self._path = cache_folder() / _FOLDER / f"{secrets.token_hex(8)}.json"
        self._file: BinaryIO | None = None
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb", buffering=0)
            lock(self._file)
        self.add({})

    def add(self, more: Record) -> None:
        """Adds what has become known."""
        self._record |= more
        if self._file is not None:
            with suppress(OSError):
                self._file.write(json.dumps(self._record).encode() + b"\n")

    def remove(self) -> None:
        """Removes the note: the upload has come to its end."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leaves the note to the next run, for the upload could not be ended."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


def sweep(end: Callable[[Record], bool]) -> None:
    """Ends the uploads of processes that were killed.

    Args:
        end: Ends one, and returns whether it is gone. It is not called for those of processes at work.
    """
    with suppress(OSError):
        for path in sorted((cache_folder() / _FOLDER).glob("*.json")):
            with suppress(OSError):
                _sweep_one(path, end)


def _sweep_one(path: Path, end: Callable[[Record], bool]) -> None:
    with path.open("rb") as file:
        if os.name != "nt" and os.fstat(file.fileno()).st_uid != os.geteuid():
            return
        if not lock(file) or not has_name(file, path):
            return
        record = _read_last(file)
        if record is None or end(record):
            path.unlink()


def _read_last(file: BinaryIO) -> Record | None:
    """Returns the last whole line of a note; None where there is none, for its upload was never begun."""
    for line in reversed(file.read().split(b"\n")[:-1]):
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict):
                return {str(key): str(value) for key, value in found.items()}
    return None
