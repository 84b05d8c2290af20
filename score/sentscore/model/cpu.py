"""Facts about the CPU: how many processors this process may use, and what they compute with."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from sentscore.model.cgroup import read_cpu_quota
from sentscore.model.runtime import load_onnxruntime

_CPU_FACTS: Final = {"model name", "flags", "CPU implementer", "CPU part", "Features"}  # of /proc/cpuinfo


@dataclass(frozen=True)
class CpuLimits:
    """What bounds the processors of this process.

    Attributes:
        affinity: The number of processors that it may run on.
        quota: The processors that its control group may keep busy on average, such as 1.5; None without such a quota.
    """

    affinity: int
    quota: float | None

    @property
    def cpus(self) -> int:
        """The number of processors that the process may use. A part of one is worth a thread, too."""
        return self.affinity if self.quota is None else max(1, min(self.affinity, math.ceil(self.quota)))


def read_cpu_limits(root: Path = Path("/")) -> CpuLimits:
    """Returns what bounds the processors of this process.

    Args:
        root: The folder below which `/proc` and the control groups are.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return CpuLimits(affinity, read_cpu_quota(root))


def available_cpus() -> int:
    """Returns the number of processors that this process may use, by its affinity and its control group's quota.

    OMP_NUM_THREADS and its like do not count: they are about libraries that make threads of their own.
    """
    return read_cpu_limits().cpus


@cache
def multiplies_int8() -> bool:
    """Returns whether the CPU has instructions that sum products of uint8 and int8 in 32 bits.

    Older x86-64 CPUs add pairs of products in 16 bits, which can overflow, and gain little speed. Only Linux says
    what the CPU has; elsewhere it is False.
    """
    return bool({"avx512_vnni", "avx_vnni", "asimddp"} & set(_cpu_facts().split()))


def describe_arithmetic() -> str:
    """Returns the version of ONNX Runtime and a digest of the CPU's kind: the last bits of a score depend on both."""
    cpu = hashlib.sha256(f"{platform.machine()} {platform.processor()} {_cpu_facts()}".encode()).hexdigest()
    return f"onnxruntime {load_onnxruntime().__version__}, CPU {cpu[:16]}"


@cache
def _cpu_facts() -> str:
    """Returns the CPU's model and features, a line each; empty where the system does not say."""
    try:
        content = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = (line.partition(":") for line in content.splitlines())
    facts = {f"{key.strip()} {value.strip()}" for key, _, value in lines if key.strip() in _CPU_FACTS}
    return "\n".join(sorted(facts))
