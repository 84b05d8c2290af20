from __future__ import annotations

import ctypes
from typing import Any

import pytest

from sentscore.model import cuda

GIB = 1 << 30


def put(pointer: Any, kind: type, value: int) -> None:
    ctypes.cast(pointer, ctypes.POINTER(kind))[0] = value


class Driver:
    """A driver with one GPU, or one whose calls fail."""

    def __init__(self, result: int = 0, release: int = 13_000) -> None:
        self.result = result
        self.release = release
        self.contexts = 0

    def cuDeviceGetCount(self, count: Any) -> int:
        put(count, ctypes.c_int, 1)
        return self.result

    def cuDeviceGet(self, device: Any, ordinal: int) -> int:
        return self.result

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:
        name.value = b"NVIDIA H100"
        return self.result

    def cuDriverGetVersion(self, version: Any) -> int:
        put(version, ctypes.c_int, self.release)
        return self.result

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:
        self.contexts += 1
        return self.result

    def cuDevicePrimaryCtxRelease_v2(self, device: Any) -> int:
        self.contexts -= 1
        return self.result

    def cuCtxPushCurrent_v2(self, context: Any) -> int:
        self.contexts += 1
        return self.result

    def cuCtxPopCurrent_v2(self, context: Any) -> int:
        self.contexts -= 1
        return self.result

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:
        put(free, ctypes.c_size_t, 70 * GIB)
        put(total, ctypes.c_size_t, 80 * GIB)
        return self.result


class Libraries:
    """NVML and cuDNN in one."""

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlShutdown(self) -> int:
        return 0

    def nvmlSystemGetDriverVersion(self, version: Any, size: int) -> int:
        version.value = b"580.82.07"
        return 0

    class cudnnGetVersion:
        def __new__(cls) -> int:  # type: ignore[misc] - it is called as a function that has a `restype`
            return 91_402


@pytest.mark.parametrize(("driver", "expected"), [(Driver(), "NVIDIA H100, 13000"), (Driver(100), ""), (None, "")])
def test_the_name_of_the_gpu(monkeypatch: pytest.MonkeyPatch, driver: Driver | None, expected: str) -> None:
    monkeypatch.setattr(cuda, "_driver", lambda: driver)
    assert cuda.device_name() == expected


def test_the_facts_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setattr(cuda, "_driver", lambda: driver)
    monkeypatch.setattr(cuda, "_load", lambda *names: Libraries())
    assert cuda.find_gpu() == cuda.Gpu("NVIDIA H100", "580.82.07", "13.0", "9.14.2", 80 * GIB, 70 * GIB)
    assert cuda.free_memory() == 70 * GIB
    assert driver.contexts == 0  # each that was taken is given back


@pytest.mark.parametrize("driver", [Driver(100), None])
def test_without_a_gpu_there_are_no_facts(monkeypatch: pytest.MonkeyPatch, driver: Driver | None) -> None:
    monkeypatch.setattr(cuda, "_driver", lambda: driver)
    assert cuda.find_gpu() is None
    assert cuda.free_memory() == 0


def test_libraries_that_are_not_there_have_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "_load", lambda *names: None)
    assert (cuda.driver_version(), cuda.cudnn_version()) == ("", "")


@pytest.mark.parametrize(
    ("release", "built_with", "expected"),
    [
        (
            12_080,
            "13.0",
            "the NVIDIA driver 570.1 supports CUDA 12.8, but CUDA 13 is needed: update it to 580 or newer",
        ),
        (13_000, "14.1", "the NVIDIA driver 570.1 supports CUDA 13.0, but CUDA 14 is needed: update it"),
        (13_000, "13.1", ""),  # a driver runs all of its major version
        (13_000, "12.9", ""),
        (13_000, "", ""),
    ],
)
def test_a_driver_that_is_too_old(
    monkeypatch: pytest.MonkeyPatch, release: int, built_with: str, expected: str
) -> None:
    monkeypatch.setattr(cuda, "_driver", lambda: Driver(release=release))
    monkeypatch.setattr(cuda, "driver_version", lambda: "570.1")
    assert cuda.explain_old_driver(built_with) == expected
