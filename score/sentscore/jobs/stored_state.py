"""The state of a folder of outputs in a store, where no file can be appended to: it is written here, and copied there.

The file here is in the user's cache folder, and is locked as that of a folder here would be. Its copy in the store is
what another machine goes on with, so it is sent when a run begins and ends, and now and then between. A kill on a
machine that never comes back loses what was not sent.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from sentscore.errors import OutputError
from sentscore.jobs.places import asking_output_store
from sentscore.stores import Entry, Place, StorePath, is_uri, local_place, new_object, open_object, parse_store_path

_SEND_EVERY_S: Final = 30.0
_SHARE_OF_SENDING: Final = 0.02  # of the time of a run; the copy of a folder of a million files has 300 MB
_CHUNK: Final = 1 << 20


class StoredState:
    """The copy in the store of a file that is appended to here.

    Args:
        path: The copy's path.
        clock: Returns the seconds since some time.
    """

    def __init__(self, path: StorePath, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._local = local_state(path)
        self._path = replace(path, listing=None)
        self._clock = clock
        self._known: Entry | None = None
        self._send_after = 0.0

    def fetch(self, file: BinaryIO) -> None:
        """Brings the file up to date. It stays if it goes on where the copy ends, as after a kill on this machine.

        Args:
            file: The file, open to read and write.

        Raises:
            OutputError: The store cannot be asked.
        """
        with asking_output_store():
            self._known = self._find()
            if self._known is None:  # somebody has removed all outputs, or none was made
                file.truncate(0)
                return
            with open_object(str(self._path)) as copy:
                file.seek(0)
                while chunk := copy.read(_CHUNK):
                    if file.read(len(chunk)) != chunk:
                        copy.seek(0)
                        file.seek(0)
                        file.truncate()
                        shutil.copyfileobj(copy, file, _CHUNK)
                        return

    def send(self, *, now: bool = False) -> None:
        """Sends the file, if the last time is long enough ago or it is wanted now.

        Raises:
            OutputError: It cannot be sent, or another machine has sent one meanwhile.
        """
        began = self._clock()
        if began < self._send_after and not now:
            return
        with asking_output_store():
            if self._find() != self._known:
                raise OutputError(
                    f"{self._path.parent}: a run on another machine is writing there: wait for it, or give another "
                    "--output"
                )
            with self._local.open("rb") as file, new_object(self._path) as copy:
                shutil.copyfileobj(file, copy, _CHUNK)
            self._known = self._find()
        ended = self._clock()
        self._send_after = ended + max(_SEND_EVERY_S, (ended - began) / _SHARE_OF_SENDING)

    def _find(self) -> Entry | None:
        return self._path.store.find(self._path.key)


def local_state(path: StorePath) -> Path:
    """Returns the file here that the copy at a path in a store is of."""
    return local_place(path, "folders")


def relate(root: str, folder: Place) -> str:
    """Returns the folder of an input as it is seen from a folder of outputs: relative, if both are in one place.

    Args:
        root: The input's folder, a path or a URI; empty for the current one.
        folder: The folder of outputs.
    """
    if is_uri(root):
        path = parse_store_path(root)
        if isinstance(folder, StorePath) and (path.scheme, path.host) == (folder.scheme, folder.host):
            return posixpath.relpath(f"/{path.key}", f"/{folder.key}")
        return str(path)
    real = os.path.realpath(root or ".")
    return real if isinstance(folder, StorePath) else os.path.relpath(real, os.path.realpath(folder))


def find_related(folder: Place, root: str, name: str) -> Place:
    """Returns the path of an input.

    Args:
        folder: The folder of outputs.
        root: What `relate` has returned.
        name: The input's path below its folder.
    """
    if is_uri(root):
        return parse_store_path(root) / name
    if isinstance(folder, Path):
        return folder.joinpath(root, name)
    if os.path.isabs(root):  # noqa: PTH117 - a string that was never a path object
        return Path(root, name)
    key = posixpath.normpath(posixpath.join("/", folder.key, root, name))
    return replace(folder, key=key.lstrip("/"), listing=None)
