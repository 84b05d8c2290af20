"""Keeps the results of slow steps on disk, keyed by what they were made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from sentscore.files import write_file

Arrays = dict[str, npt.NDArray[Any]]


class ArrayCache:
    """A folder of safetensors files, one for each key. A damaged file is made again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str, key: dict[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """Returns the arrays made from what `key` says: from the disk if they are there, else from `make`.

        Raises:
            OutputError: The folder cannot be written to.
        """
        from safetensors import SafetensorError, safe_open  # here, for who only hashes texts needs none of it
        from safetensors.numpy import save

        made_from = json.dumps(key, sort_keys=True)
        path = self.folder / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.safetensors"
        if path.exists():
            try:
                with safe_open(path, "np") as file:
                    if file.metadata() == {"made_from": made_from}:
                        return {tensor: file.get_tensor(tensor) for tensor in file.keys()}  # noqa: SIM118 - no dict
            except (OSError, SafetensorError):
                pass  # made again below
        arrays = make()
        write_file(path, save(arrays, {"made_from": made_from}))
        return arrays


def hash_texts(texts: Iterable[str]) -> str:
    """Returns the sha256 of texts and of the borders between them, in hexadecimal digits."""
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
