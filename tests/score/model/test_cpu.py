from __future__ import annotations

import os
from pathlib import Path

import pytest

from sentscore.model.cpu import CpuLimits, available_cpus, describe_arithmetic, read_cpu_limits
from sentscore.model.runtime import load_onnxruntime


def test_there_is_a_cpu() -> None:
    assert available_cpus() >= 1


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"), [(64, None, 64), (64, 2.0, 2), (64, 1.2, 2), (64, 0.1, 1), (1, 3.0, 1)]
)
def test_the_least_of_affinity_and_quota_counts_rounded_up(affinity: int, quota: float | None, expected: int) -> None:
    assert CpuLimits(affinity, quota).cpus == expected


def test_affinity_and_quota_are_those_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "proc/self/mountinfo").write_text("1 1 0:1 / /groups rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups/cpu.max").write_text("250000 100000\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert read_cpu_limits(tmp_path) == CpuLimits(8, 2.5)


def test_the_threads_of_other_libraries_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentscore.model.cpu.read_cpu_limits", lambda: CpuLimits(8, 5.5))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert available_cpus() == 6


def test_the_arithmetic_is_that_of_onnxruntime_and_the_cpu() -> None:
    assert describe_arithmetic().startswith(f"onnxruntime {load_onnxruntime().__version__}, CPU ")
