"""Asks the NVIDIA driver for what ONNX Runtime does not tell: the GPUs, their memory, and memory to copy from."""

from __future__ import annotations

import ctypes
import sys
import weakref
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_NAME_BYTES: Final = 256
_PORTABLE: Final = 1  # page-locked for every context, also ONNX Runtime's own


def cuda_devices() -> int:
    """How many GPUs the NVIDIA driver offers; 0 without a driver."""
    driver = _driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def device_memory() -> int:
    """Bytes of the first GPU's memory; 0 where there is none."""
    driver = _driver()
    device, size = ctypes.c_int(0), ctypes.c_size_t(0)
    if driver is None or driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return 0
    if driver.cuDeviceTotalMem_v2(ctypes.byref(size), device) != 0:
        return 0
    return size.value


def device_name() -> str:
    """The first GPU's name and the CUDA version of its driver, as `NVIDIA H100, 13000`; empty where there is none."""
    driver = _driver()
    device, release, name = ctypes.c_int(0), ctypes.c_int(0), ctypes.create_string_buffer(_NAME_BYTES)
    if driver is None or driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return ""
    if driver.cuDeviceGetName(name, _NAME_BYTES, device) != 0 or driver.cuDriverGetVersion(ctypes.byref(release)) != 0:
        return ""
    return f"{name.value.decode(errors='replace')}, {release.value}"


def page_locked(count: int) -> npt.NDArray[np.int32]:
    """Memory for int32 [count] that a GPU copies from without a detour; plain memory where the driver gives none."""
    driver = _driver()
    pointer = ctypes.c_void_p()
    size = ctypes.c_size_t(4 * count)
    with _PrimaryContext(driver) as usable:
        if not usable or driver is None or driver.cuMemHostAlloc(ctypes.byref(pointer), size, _PORTABLE) != 0:
            return np.empty(count, np.int32)
    memory = (ctypes.c_int32 * count).from_address(pointer.value or 0)
    weakref.finalize(memory, driver.cuMemFreeHost, pointer)  # the array that is returned keeps `memory` alive
    return np.ctypeslib.as_array(memory)


class _PrimaryContext:
    """Makes the first GPU's context, which ONNX Runtime uses too, this thread's own for a while."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401 - ctypes libraries are untyped
        self._driver = driver
        self._entered = False

    def __enter__(self) -> bool:
        if self._driver is None:
            return False
        device, context = ctypes.c_int(0), ctypes.c_void_p()
        self._entered = (
            self._driver.cuDeviceGet(ctypes.byref(device), 0) == 0
            and self._driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) == 0
            and self._driver.cuCtxPushCurrent_v2(context) == 0
        )
        return self._entered

    def __exit__(self, *_: object) -> None:
        if self._entered:
            self._driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))


@cache
def _driver() -> Any | None:  # noqa: ANN401
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    return driver if driver.cuInit(0) == 0 else None
