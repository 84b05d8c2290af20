"""Asks the NVIDIA driver for what ONNX Runtime does not say: how many GPUs there are, and the first one's facts."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any, Final

_NAME_BYTES: Final = 256


def cuda_devices() -> int:
    """Returns the number of GPUs that the NVIDIA driver offers; 0 without a driver."""
    driver = _driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def device_memory() -> int:
    """Returns the memory of the first GPU in bytes; 0 where there is none."""
    driver = _driver()
    device, size = ctypes.c_int(0), ctypes.c_size_t(0)
    if driver is None or driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return 0
    if driver.cuDeviceTotalMem_v2(ctypes.byref(size), device) != 0:
        return 0
    return size.value


def device_name() -> str:
    """Returns the first GPU's name and its driver's CUDA version, like `NVIDIA H100, 13000`; empty without a GPU."""
    driver = _driver()
    device, release, name = ctypes.c_int(0), ctypes.c_int(0), ctypes.create_string_buffer(_NAME_BYTES)
    if driver is None or driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return ""
    if driver.cuDeviceGetName(name, _NAME_BYTES, device) != 0 or driver.cuDriverGetVersion(ctypes.byref(release)) != 0:
        return ""
    return f"{name.value.decode(errors='replace')}, {release.value}"


@cache
def _driver() -> Any | None:  # noqa: ANN401
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    return driver if driver.cuInit(0) == 0 else None
