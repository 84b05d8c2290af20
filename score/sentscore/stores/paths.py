"""Paths of objects, which URIs such as `s3://bucket/lake/a.parquet` name, with the methods that jobs need of paths."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

from sentscore.errors import InputError, UsageError
from sentscore.stores.cache import cache_folder, digest_name
from sentscore.stores.filesystems import Store, open_store, s3_settings

_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


@dataclass
class Listing:
    """The names in the folders that were looked into last, so that a question about each file is no request each.

    Attributes:
        names: The names of objects in each of these folders, the latest one last.
    """

    names: dict[StorePath, frozenset[str]] = field(default_factory=dict)

    def has(self, path: StorePath) -> bool:
        """Returns whether there was an object when its folder was listed."""
        folder = path.parent
        if folder not in self.names:
            if len(self.names) == _LISTED_FOLDERS:
                self.names.pop(next(iter(self.names)))
            entries = folder.store.list_folder(folder.key)
            self.names[folder] = frozenset(entry.name for entry in entries if not entry.is_folder)
        return path.name in self.names[folder]


_LISTED_FOLDERS: Final = 4  # files come in the order of their paths


@dataclass(frozen=True)
class StorePath:
    """The path of an object or of a folder in a store. A folder is what the keys of objects begin with.

    Attributes:
        scheme: The URI's scheme in lower case, such as `s3`.
        host: What stands between the scheme and the key: a bucket, or a host.
        key: The rest as it is, without slashes at its ends: nothing is percent-encoded in it.
        listing: Answers whether objects exist; None to ask the store each time.
    """

    scheme: str
    host: str
    key: str = ""
    listing: Listing | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}/{self.key}"

    def __truediv__(self, name: str) -> StorePath:
        return replace(self, key=f"{self.key}/{name}" if self.key else name)

    @property
    def store(self) -> Store:
        """The connection to its store.

        Raises:
            InputError: There is no such store, or it cannot be reached.
        """
        return open_store(self.scheme, self.host)

    @property
    def name(self) -> str:
        """The last name of the key; the host where there is no key."""
        return self.key.rpartition("/")[2] or self.host

    @property
    def parent(self) -> StorePath:
        """The folder that it is in."""
        return replace(self, key=self.key.rpartition("/")[0])

    def with_name(self, name: str) -> StorePath:
        """Returns the path of another object in the same folder."""
        return self.parent / name

    def relative_to(self, folder: StorePath) -> PurePosixPath:
        """Returns the path below a folder.

        Raises:
            ValueError: It is not in the folder.
        """
        prefix = f"{folder.key}/" if folder.key else ""
        if (self.scheme, self.host) != (folder.scheme, folder.host) or not self.key.startswith(prefix):
            raise ValueError(f"{self} is not in {folder}")
        return PurePosixPath(self.key.removeprefix(prefix))

    def exists(self) -> bool:
        """Returns whether there is an object.

        Raises:
            InputError: The store cannot be asked.
        """
        if self.listing is not None:
            return self.listing.has(self)
        return self.is_file()

    def is_file(self) -> bool:
        """Returns whether there is an object now.

        Raises:
            InputError: The store cannot be asked.
        """
        found = self.store.find(self.key)
        return found is not None and not found.is_folder

    def is_dir(self) -> bool:
        """Returns whether there are objects in the folder.

        Raises:
            InputError: The store cannot be asked.
        """
        if not self.key:
            return True
        found = self.store.find(self.key)
        return found is not None and found.is_folder

    def listed(self) -> StorePath:
        """Returns the path with a listing of its own, which paths made of it share."""
        return replace(self, listing=Listing())


def local_place(path: StorePath, kind: str) -> Path:
    """Returns the path in the user's cache folder for what belongs to an object or a folder of a store.

    Args:
        path: The path in the store.
        kind: The folder for such files there, which is made if that is possible.
    """
    folder = cache_folder() / kind
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder / digest_name(s3_settings()[0] or "" if path.scheme == "s3" else "", str(path))


Place = Path | StorePath
"""Where a file is: on this machine, or in a store."""


def is_uri(name: str) -> bool:
    """Returns whether a name is the URI of something in a store; what exists here under the name is none."""
    scheme = _SCHEME.match(name)
    return scheme is not None and scheme.group(1).lower() != "file" and not os.path.lexists(name)


def parse_store_path(uri: str) -> StorePath:
    """Returns the path that a URI names. What stands behind the host is a key as it is, also `%`, `?` and `#`.

    Raises:
        UsageError: It has no host, or holds a password or key.
        InputError: It has a part that is empty, `.` or `..`.
    """
    scheme = _SCHEME.match(uri)
    if scheme is None:
        raise UsageError(f"{uri}: is no URI: it has to begin like s3://")
    host, _, key = uri[scheme.end() :].partition("/")
    if not host and scheme.group(1).lower() in {"s3", "gs", "abfs", "abfss"}:
        raise UsageError(f"{uri}: names no bucket: write {scheme.group(0)}BUCKET/KEY")
    if ":" in host.rpartition("@")[0]:
        raise UsageError(f"{scheme.group(0)}…: holds a password: leave it out, and give it by the environment")
    key = key.strip("/")
    if key and not set(key.split("/")).isdisjoint({"", ".", ".."}):
        raise InputError(f"{uri}: a name between two slashes is empty, . or ..: write the path without it")
    return StorePath(scheme.group(1).lower(), host, key)
