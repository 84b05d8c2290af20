"""What the arguments of a job stand for: the files of a folder or of a glob, sorted, and listed one by one."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from sentscore.errors import InputError
from sentscore.formats import parse_file_name
from sentscore.sources.streams import STDIN, cannot_read
from sentscore.stores import Entry, Place, StorePath, is_uri, parse_store_path

SCORED: Final = ".scored"
"""What the names of our outputs have before their ending, and those of our output folders at their end."""

_HIDDEN: Final = (".", "_")
_WILDCARD: Final = re.compile(r"[*?\[]")
_FILE_URI: Final = re.compile(r"file:/", re.IGNORECASE)
_ANY_DEPTH: Final = "**"


@dataclass(frozen=True, slots=True)
class Input:
    """A file to score.

    Attributes:
        name: Its path or URI as it is opened and named in messages, or `-` for stdin.
        relative: Its path below the root, with `/` between folders; for a file that is named itself, its name.
        size: Its bytes; 0 where that is not known.
        version: What changes when the file does: its time of modification in nanoseconds; empty where not known.
        root: The folder whose tree the outputs repeat; empty for a file that is named itself.
    """

    name: str
    relative: str
    size: int = 0
    version: str = ""
    root: str = ""


@dataclass
class LeftOut:
    """How many files and folders a listing has left out, and why."""

    hidden: int = 0
    unknown: int = 0
    own: int = 0
    looped: int = 0

    @property
    def total(self) -> int:
        """How many there are of all kinds."""
        return sum(getattr(self, each.name) for each in fields(self))

    def add(self, other: LeftOut) -> None:
        """Adds what another listing has left out."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def describe(self) -> str:
        """Returns what was left out, for a message; empty if nothing was."""
        kinds = {
            f"{self.hidden:,} with names that begin with . or _": self.hidden,
            f"{self.unknown:,} of unknown formats": self.unknown,
            f"{self.own:,} outputs of sentscore": self.own,
            f"{self.looped:,} links to a folder above them": self.looped,
        }
        return ", ".join(kind for kind, count in kinds.items() if count)


@dataclass(frozen=True)
class Argument:
    """An argument of a job: a file, a folder, or a glob.

    Attributes:
        name: The path, the URI of something in a store, or `-` for stdin.
        root: The folder whose tree the outputs repeat: the folder itself, or the glob's last one before a wildcard.
            None for a file.
        pattern: The parts of a glob behind its root; empty for a folder.
    """

    name: str
    root: Place | None = None
    pattern: tuple[str, ...] = ()


def parse_argument(name: str) -> Argument:
    """Returns what an argument stands for. What exists under its very name is no glob.

    Raises:
        InputError: It is a `file:` URI of another machine, or its store cannot be reached.
        UsageError: It is a URI that names no bucket.
    """
    if is_uri(name):
        return _parse_uri(name)
    name = local_path(name)
    if name == STDIN:
        return Argument(name)
    path = Path(name)
    try:
        if path.is_dir():
            return Argument(name, path)
        is_glob = _WILDCARD.search(name) is not None and not os.path.lexists(path)
    except (OSError, ValueError):  # opening it says what is wrong with it
        return Argument(name)
    if not is_glob:
        return Argument(name)
    fixed = next(number for number, part in enumerate(path.parts) if _WILDCARD.search(part))
    return Argument(name, Path(*path.parts[:fixed]), path.parts[fixed:])


def local_path(name: str) -> str:
    """Returns the path that a `file:` URI stands for; a path stays as it is.

    Raises:
        InputError: It is a URI of another host.
    """
    if not _FILE_URI.match(name) or os.path.lexists(name):
        return name
    parts = urlsplit(name)
    if parts.netloc not in {"", "localhost"}:
        raise InputError(f"{name}: is on the host {parts.netloc}: a file: URI has three slashes, as in file:///data")
    return unquote(name[len("file:") :].removeprefix(f"//{parts.netloc}"), errors="surrogateescape")


def _parse_uri(uri: str) -> Argument:
    path = parse_store_path(uri)
    if uri.endswith("/") or not path.key:
        return Argument(uri, path)
    found = path.store.find(path.key)
    if found is not None and found.is_folder:
        return Argument(uri, path)
    if found is not None or not _WILDCARD.search(path.key):
        return Argument(uri)
    parts = path.key.split("/")
    fixed = next(number for number, part in enumerate(parts) if _WILDCARD.search(part))
    return Argument(uri, replace(path, key="/".join(parts[:fixed])), tuple(parts[fixed:]))


class Inputs:
    """The files that an argument stands for, in the order of their paths. Each iteration lists them anew.

    Only the names of one folder, and of those above it, are in memory at a time. Links to folders are followed.

    Args:
        argument: The argument.
        any_format: Whether files are taken whose names tell no format.
        excluded: A folder that is left out, since the outputs go there.

    Attributes:
        left_out: What the last iteration has left out so far.
    """

    def __init__(self, argument: Argument, *, any_format: bool = False, excluded: Place | None = None) -> None:
        self.argument = argument
        self.left_out = LeftOut()
        self._any_format = any_format
        self._excluded = excluded
        self._regex = re.compile(_translate(argument.pattern)) if argument.pattern else None

    def __iter__(self) -> Iterator[Input]:
        """Yields the files.

        Raises:
            InputError: A folder cannot be listed.
        """
        self.left_out = LeftOut()
        root = self.argument.root
        if root is None:
            yield _describe_named(self.argument.name)
        elif isinstance(root, StorePath) or root.is_dir():  # that of a glob need not exist
            yield from self._walk(str(root), "", frozenset(), inside=not self.argument.pattern)

    def _walk(self, folder: str, below: str, above: frozenset[tuple[int, int]], *, inside: bool) -> Iterator[Input]:
        """Yields the files in a folder and below it.

        Args:
            folder: The folder's path.
            below: Its path below the root, which ends in `/` if it is not empty.
            above: The folders that it is in, by their device and number.
            inside: Whether all of it is wanted; otherwise what the glob matches is.
        """
        root = self.argument.root
        if isinstance(root, StorePath):
            names = self._list_stored(root, below)
        else:
            own, names = self._list_folder(folder, below, above)
            above |= own
        for name, entry in names.items():
            path, relative = f"{'' if folder == '.' else folder.rstrip('/') + '/'}{name}", below + name
            if name.endswith("/"):
                matches = inside or self._matches(relative[:-1])
                if (matches or self._may_hold(relative)) and self._is_wanted_folder(relative, matches=matches):
                    yield from self._walk(path[:-1], relative, above, inside=matches)
            elif (inside or self._matches(relative)) and self._is_wanted_file(relative):
                yield _describe_file(path, relative, str(root), entry)

    def _list_stored(self, root: StorePath, below: str) -> dict[str, Entry | None]:
        """Returns what is in a store's folder, sorted as that of a folder here; nothing if the folder is left out."""
        path = root / below[:-1] if below else root
        if below and path == self._excluded:
            self.left_out.own += 1
            return {}
        names: dict[str, Entry | None] = {}
        for entry in path.store.list_folder(path.key):
            if entry.name in {"", ".", ".."}:  # of keys like a//b, which are no paths
                self.left_out.unknown += 1
            else:
                names[entry.name + ("/" if entry.is_folder else "")] = entry
        return dict(sorted(names.items()))

    def _list_folder(
        self, folder: str, below: str, above: frozenset[tuple[int, int]]
    ) -> tuple[frozenset[tuple[int, int]], dict[str, Entry | None]]:
        """Returns what tells a folder from others, and what is in it; nothing if the folder is left out."""
        try:
            status = Path(folder).stat()
            names = self._sorted_names(folder)
        except OSError as error:
            raise cannot_read(folder, error) from error
        own = (status.st_dev, status.st_ino)
        if own in above:
            self.left_out.looped += 1
            return frozenset(), {}
        if isinstance(self._excluded, Path) and below and _is_same(status, self._excluded):
            self.left_out.own += 1
            return frozenset(), {}
        return frozenset({own}), dict.fromkeys(names)

    def _sorted_names(self, folder: str) -> list[str]:
        """Returns the names of a folder's files and folders, the latter with a `/` so that whole paths are sorted."""
        names = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    names.append(entry.name + "/")
                elif entry.is_file() or entry.is_symlink():  # a link to nothing is a bad input, not none
                    names.append(entry.name)
                else:
                    self.left_out.unknown += 1
        return sorted(names)

    def _matches(self, relative: str) -> bool:
        return self._regex is not None and self._regex.fullmatch(relative) is not None

    def _may_hold(self, relative: str) -> bool:
        """Returns whether a folder, whose path ends in `/`, may hold what the glob matches."""
        for name, part in zip(relative[:-1].split("/"), self.argument.pattern, strict=False):
            if part == _ANY_DEPTH:
                return True
            if not re.fullmatch(_translate((part,)), name):
                return False
        return relative.count("/") < len(self.argument.pattern)

    def _is_wanted_folder(self, relative: str, *, matches: bool) -> bool:
        name, part = relative[:-1].rpartition("/")[2], self._pattern_part(relative[:-1])
        if name.startswith(_HIDDEN) and not part.startswith(name[0]):
            self.left_out.hidden += matches
            return False
        if name.endswith(SCORED) and SCORED not in part:
            self.left_out.own += matches
            return False
        return True

    def _is_wanted_file(self, relative: str) -> bool:
        name, part = relative.rpartition("/")[2], self._pattern_part(relative)
        if name.startswith(_HIDDEN) and not part.startswith(name[0]):
            self.left_out.hidden += 1
        elif f"{SCORED}." in name and SCORED not in part:
            self.left_out.own += 1
        elif not self._any_format and parse_file_name(name) is None:
            self.left_out.unknown += 1
        else:
            return True
        return False

    def _pattern_part(self, relative: str) -> str:
        """Returns the part of the glob that stands for a path's last name; empty where none does."""
        pattern, depth = self.argument.pattern, relative.count("/")
        if _ANY_DEPTH not in pattern[: depth + 1]:
            return pattern[depth] if depth < len(pattern) else ""
        return pattern[-1] if self._matches(relative) else ""


def _describe_named(name: str) -> Input:
    relative = Path(name).name
    if not is_uri(name):
        return _describe_file(name, relative, "")
    path = parse_store_path(name)
    return _describe_file(name, relative, "", path.store.find(path.key) or Entry(relative, is_folder=False))


def _describe_file(path: str, relative: str, root: str, entry: Entry | None = None) -> Input:
    if entry is not None:
        return Input(path, relative, entry.size, entry.version, root)
    try:
        status = Path(path).stat() if path != STDIN else None
    except (OSError, ValueError):  # opening it says what is wrong with it
        status = None
    if status is None:
        return Input(path, relative, root=root)
    return Input(path, relative, status.st_size, str(status.st_mtime_ns), root)


def _is_same(status: os.stat_result, folder: Path) -> bool:
    try:
        return os.path.samestat(status, folder.stat())
    except OSError:
        return False


def _translate(pattern: tuple[str, ...]) -> str:
    r"""Returns the regular expression of a glob: `("**", "*.csv")` becomes `(?:[^/]+/)*[^/]*\.csv`."""
    out = ""
    for number, part in enumerate(pattern):
        last = number == len(pattern) - 1
        if part == _ANY_DEPTH:
            out += "(?s:.*)" if last else "(?:[^/]+/)*"
        else:
            out += _translate_part(part) + ("" if last else "/")
    return out


def _translate_part(part: str) -> str:
    signs = {"*": "[^/]*", "?": "[^/]"}
    out = ""
    for token in re.findall(r"\[!?+\]?+[^\]]*+\]|(?s:.)", part):
        if len(token) > 1:  # characters in brackets, which Python's own expression of them stands for
            out += "(?!/)" + fnmatch.translate(token).removeprefix("(?s:")[: -len(r")\Z")]
        else:
            out += signs.get(token) or re.escape(token)
    return out
