from __future__ import annotations

import ctypes
from typing import Any

import pytest

from sentscore.model import cuda


class Driver:
    """A driver with one GPU, or one whose calls fail."""

    def __init__(self, result: int) -> None:
        self.result = result

    def cuDeviceGet(self, device: Any, ordinal: int) -> int:
        return self.result

    def cuDeviceGetName(self, name: Any, size: int, device: Any) -> int:
        name.value = b"NVIDIA H100"
        return self.result

    def cuDriverGetVersion(self, version: Any) -> int:
        ctypes.cast(version, ctypes.POINTER(ctypes.c_int))[0] = 13_000
        return self.result


@pytest.mark.parametrize(("driver", "expected"), [(Driver(0), "NVIDIA H100, 13000"), (Driver(100), ""), (None, "")])
def test_the_name_of_the_gpu(monkeypatch: pytest.MonkeyPatch, driver: Driver | None, expected: str) -> None:
    monkeypatch.setattr(cuda, "_driver", lambda: driver)
    assert cuda.device_name() == expected
