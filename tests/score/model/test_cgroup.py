from __future__ import annotations

from pathlib import Path

import pytest

from sentscore.model.cgroup import read_cpu_quota

MOUNT_V2 = "35 25 0:30 {} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
MOUNT_V1 = "40 32 0:35 {} /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
OTHER_MOUNTS = "23 1 8:1 / / rw - ext4 sda rw\n41 32 0:36 / /cgroup/memory rw - cgroup cgroup rw,memory\nbroken line\n"
V2, V1 = Path("sys/fs/cgroup"), Path("sys/fs/cgroup/cpu,cpuacct")


def make_tree(root: Path, groups: str, mounts: str, files: dict[Path, str]) -> Path:
    """Makes a folder that looks like a system's root: the process's groups, the mounts and the groups' files."""
    for path, content in {Path("proc/self/cgroup"): groups, Path("proc/self/mountinfo"): mounts, **files}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def quota_v1(folder: Path, quota: int, period: int = 100_000) -> dict[Path, str]:
    return {folder / "cpu.cfs_quota_us": f"{quota}\n", folder / "cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(("content", "expected"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None)])
def test_the_quota_of_version_2(tmp_path: Path, content: str, expected: float | None) -> None:
    files = {V2 / "jobs/night/cpu.max": content}
    make_tree(tmp_path, "0::/jobs/night\n", OTHER_MOUNTS + MOUNT_V2.format("/"), files)
    assert read_cpu_quota(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [(200_000, 2.0), (-1, None), (0, None)])
def test_the_quota_of_version_1(tmp_path: Path, quota: int, expected: float | None) -> None:
    groups = "12:memory:/other\n4:cpu,cpuacct:/jobs/night\n1:name=systemd:/\n"
    make_tree(tmp_path, groups, OTHER_MOUNTS + MOUNT_V1.format("/"), quota_v1(V1 / "jobs/night", quota))
    assert read_cpu_quota(tmp_path) == expected


def test_the_least_quota_of_the_group_and_those_above_it_holds(tmp_path: Path) -> None:
    files = {
        V2 / "cpu.max": "800000 100000",
        V2 / "jobs/cpu.max": "100000 200000",
        V2 / "jobs/night/cpu.max": "300000 100000",
        V2 / "others/cpu.max": "1000 100000",
    }
    make_tree(tmp_path, "0::/jobs/night\n", MOUNT_V2.format("/"), files)
    assert read_cpu_quota(tmp_path) == 0.5


def test_the_mount_of_a_container_shows_its_own_group_alone(tmp_path: Path) -> None:
    """Without a namespace of its own, the process's path is that of the host, and the mount begins in the middle."""
    files = {**quota_v1(V1, 250_000), **quota_v1(V1 / "inner", 400_000), **quota_v1(V1 / "docker/abc", 1_000)}
    make_tree(tmp_path, "4:cpu,cpuacct:/docker/abc/inner\n", MOUNT_V1.format("/docker/abc"), files)
    assert read_cpu_quota(tmp_path) == 2.5


@pytest.mark.parametrize("path", ["/../outside", "/elsewhere"])
def test_a_path_of_another_namespace_stands_for_what_the_mount_shows(tmp_path: Path, path: str) -> None:
    files = {V2 / "cpu.max": "100000 100000", Path("sys/fs/outside/cpu.max"): "1 100000"}
    make_tree(tmp_path, f"0::{path}\n", MOUNT_V2.format("/docker" if path == "/elsewhere" else "/"), files)
    assert read_cpu_quota(tmp_path) == 1.0


def test_both_versions_side_by_side_hold(tmp_path: Path) -> None:
    files = {**quota_v1(V1 / "a", 300_000), Path("unified/b/cpu.max"): "200000 100000"}
    mounts = MOUNT_V1.format("/") + MOUNT_V2.format("/").replace("/sys/fs/cgroup", "/unified")
    make_tree(tmp_path, "4:cpu,cpuacct:/a\n0::/b\n", mounts, files)
    assert read_cpu_quota(tmp_path) == 2.0


def test_a_mount_may_have_spaces_in_its_name(tmp_path: Path) -> None:
    mounts = MOUNT_V2.format("/").replace("/sys/fs/cgroup", r"/my\040groups")
    make_tree(tmp_path, "0::/\n", mounts, {Path("my groups/cpu.max"): "100000 100000"})
    assert read_cpu_quota(tmp_path) == 1.0


@pytest.mark.parametrize(("groups", "mounts"), [("", ""), ("nonsense\n0\n", "nonsense\n - cgroup2\n"), ("0::/a\n", "")])
def test_where_the_system_does_not_say_there_is_no_quota(tmp_path: Path, groups: str, mounts: str) -> None:
    assert read_cpu_quota(make_tree(tmp_path, groups, mounts, {})) is None
    assert read_cpu_quota(tmp_path / "nothing") is None
