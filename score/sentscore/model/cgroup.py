"""Reads how much processor time this process may use: the CPU quota of its control group, as containers set it.

A container with two CPUs on a machine of 64 sees all 64: only its control group (cgroup) says that it may not use them.
Two files say where that is. `/proc/self/cgroup` names the group, `/proc/self/mountinfo` the folder that shows it:

    0::/pods/a/score                               the group's path, in version 2
    35 25 0:30 /pods /sys/fs/cgroup … - cgroup2 …  what lies in /pods is shown in /sys/fs/cgroup

So the group's folder is /sys/fs/cgroup/a/score. Its quota and those of all groups above it hold, so the least counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")  # mountinfo writes a space as \040


class _Mount(NamedTuple):
    """A folder that shows control groups: which group lies there, where the folder is, and the groups' version."""

    group: PurePosixPath
    folder: PurePosixPath
    version: int


def read_cpu_quota(root: Path = Path("/")) -> float | None:
    """Returns how many CPUs this process may use at a time on average, such as 1.5; None where nothing limits it.

    Both versions of control groups count, also where a system uses them side by side.

    Args:
        root: The folder below which `/proc` and the folders that it names are.
    """
    paths = _read_paths(root)
    quotas = []
    for mount in _read_mounts(root):
        for folder in _list_folders(mount, paths.get(mount.version)):
            quotas += _read_quota(root / folder.relative_to("/"), mount.version)
    return min(quotas, default=None)


def _read_paths(root: Path) -> dict[int, PurePosixPath]:
    """Returns the path of the process's group in each version that it has one in."""
    paths = {}
    for line in _read_lines(root / "proc/self/cgroup"):
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            paths[2] = PurePosixPath(path)
        elif "cpu" in controllers.split(","):
            paths[1] = PurePosixPath(path)
    return paths


def _read_mounts(root: Path) -> Iterator[_Mount]:
    for line in _read_lines(root / "proc/self/mountinfo"):
        mounted, _, kind = line.partition(" - ")
        fields, (system, _, options) = mounted.split(" "), [*kind.split(" "), "", "", ""][:3]
        is_first = system == "cgroup" and "cpu" in options.split(",")
        if len(fields) > 4 and (is_first or system == "cgroup2"):
            group, folder = (PurePosixPath(_unescape(field)) for field in fields[3:5])
            if folder.is_absolute():
                yield _Mount(group, folder, 1 if is_first else 2)


def _list_folders(mount: _Mount, path: PurePosixPath | None) -> list[PurePosixPath]:
    """Returns the folder of a group and of those above it, as far as a mount shows them."""
    if path is None:
        return []
    # A path that is not below the mount's group, or leads out of it, is as another namespace sees it. What the mount
    # shows is then the best that is known: in a container it is the container's own group.
    inside = path.relative_to(mount.group) if path.is_relative_to(mount.group) else PurePosixPath()
    if ".." in inside.parts:
        inside = PurePosixPath()
    folder = mount.folder / inside
    return [folder, *(above for above in folder.parents if above.is_relative_to(mount.folder))]


def _read_quota(folder: Path, version: int) -> list[float]:
    """Returns the quota of one group in CPUs; nothing if it has none."""
    if version == 1:
        texts = [" ".join(_read_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period")]
    else:
        texts = " ".join(_read_lines(folder / "cpu.max")).split()
    with suppress(ValueError):  # "max", or a file that is not there
        quota, period = map(int, texts)
        if quota > 0 and period > 0:  # -1 is no quota
            return [quota / period]
    return []


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _unescape(field: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
