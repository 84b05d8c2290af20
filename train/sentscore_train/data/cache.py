"""Keeps the results of slow steps on disk, keyed by what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from sentscore.files import wait_for_lock, write_file
from sentscore.progress import Progress, Report, silent

Arrays = dict[str, npt.NDArray[Any]]


class ArrayCache:
    """A folder of safetensors files, one for each key. A damaged file is made again.

    Several processes may share it. What one of them makes, the others wait for.

    Args:
        folder: The folder, which is made if need be.
        report: The function that is told when this process waits for another one.
    """

    def __init__(self, folder: Path, report: Report = silent) -> None:
        self.folder = folder
        self._report = report

    def path(self, name: str, key: dict[str, Any]) -> Path:
        """Returns the file of the arrays made from what `key` says, whether or not it is there."""
        digest = hashlib.sha256(_write_key(key).encode()).hexdigest()[:16]
        return self.folder / f"{name}-{digest}.safetensors"

    def get(self, name: str, key: dict[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """Returns the arrays made from what `key` says: from the disk if they are there, else from `make`.

        Raises:
            OutputError: The folder cannot be written to.
        """
        from safetensors.numpy import save  # here, for who only hashes texts needs none of it

        made_from = _write_key(key)
        path = self.path(name, key)
        found = _read(path, made_from)
        if found is not None:
            return found
        waiting = Progress("waiting for another process that makes the same", 0, 1)
        with wait_for_lock(path.with_suffix(".lock"), lambda: self._report(waiting)):
            found = _read(path, made_from)  # another process may have made it meanwhile
            if found is None:
                found = make()
                write_file(path, save(found, {"made_from": made_from}))
        return found


def _write_key(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)


def _read(path: Path, made_from: str) -> Arrays | None:
    """Returns the arrays of a file; None if it is missing, damaged or made from something else."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, "np") as file:
            if file.metadata() == {"made_from": made_from}:
                return {tensor: file.get_tensor(tensor) for tensor in file.keys()}  # noqa: SIM118 - no dict
    except (OSError, SafetensorError):
        pass
    return None


def hash_texts(texts: Iterable[str]) -> str:
    """Returns the sha256 of texts and of the borders between them, in hexadecimal digits."""
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
