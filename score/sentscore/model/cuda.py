"""Asks the NVIDIA driver and cuDNN for what ONNX Runtime does not say: versions, and the first GPU's facts."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

_NAME_BYTES: Final = 256
_VERSION_BYTES: Final = 80  # NVML's own NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE
_LEAST_DRIVERS: Final = {12: "525", 13: "580"}
"""The oldest driver for each major version of CUDA, by NVIDIA's CUDA compatibility tables."""


@dataclass(frozen=True)
class Gpu:
    """The first GPU and the libraries that it is used with.

    Attributes:
        name: Its name, such as `NVIDIA H100`.
        driver: The version of the NVIDIA driver, such as `580.82.07`; empty where it does not say.
        cuda: The newest version of CUDA that the driver supports, such as `13.0`.
        cudnn: The version of cuDNN, such as `9.14.0`; empty where it cannot be loaded.
        memory: Its memory in bytes.
        free_memory: The part of it that no process uses, in bytes.
    """

    name: str
    driver: str
    cuda: str
    cudnn: str
    memory: int
    free_memory: int


def find_gpu() -> Gpu | None:
    """Returns the first GPU's facts; None where the driver offers none."""
    driver = _driver()
    if driver is None or not cuda_devices():
        return None
    name, release = _device_name(driver), cuda_release()
    free, total = _memory_info(driver)
    cuda = f"{release // 1000}.{release % 1000 // 10}"
    return Gpu(name, driver_version(), cuda, cudnn_version(), total, free)


def cuda_devices() -> int:
    """Returns the number of GPUs that the NVIDIA driver offers; 0 without a driver."""
    driver = _driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def free_memory() -> int:
    """Returns the bytes of the first GPU's memory that no process uses now; 0 where there is no GPU."""
    driver = _driver()
    return 0 if driver is None else _memory_info(driver)[0]


def device_name() -> str:
    """Returns the first GPU's name and its driver's CUDA version, like `NVIDIA H100, 13000`; empty without a GPU."""
    driver = _driver()
    name, release = "" if driver is None else _device_name(driver), cuda_release()
    return f"{name}, {release}" if name and release else ""


def cuda_release() -> int:
    """Returns the newest CUDA version that the driver supports, like 13000 for 13.0; 0 without a driver."""
    driver = _driver()
    release = ctypes.c_int(0)
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(release)) != 0:
        return 0
    return release.value


def explain_old_driver(cuda: str) -> str:
    """Returns why the driver cannot run what is built with a CUDA version, such as `13.0`; empty where it can.

    A driver supports all versions of CUDA that have the major version of its own, and those before.
    """
    major = int(cuda.partition(".")[0]) if cuda.partition(".")[0].isdigit() else 0
    release = cuda_release()
    if not release or release // 1000 >= major:
        return ""
    least = f"update it to {_LEAST_DRIVERS[major]} or newer" if major in _LEAST_DRIVERS else "update it"
    version = " ".join(filter(None, ["the NVIDIA driver", driver_version()]))
    return f"{version} supports CUDA {release // 1000}.{release % 1000 // 10}, but CUDA {major} is needed: {least}"


def driver_version() -> str:
    """Returns the version of the NVIDIA driver, like `580.82.07`; empty where its library NVML does not say."""
    library = _load("nvml.dll", "libnvidia-ml.so.1")
    version = ctypes.create_string_buffer(_VERSION_BYTES)
    if library is None or library.nvmlInit_v2() != 0:
        return ""
    try:
        known = library.nvmlSystemGetDriverVersion(version, _VERSION_BYTES) == 0
    finally:
        library.nvmlShutdown()
    return version.value.decode(errors="replace") if known else ""


def cudnn_version() -> str:
    """Returns the version of cuDNN 9, like `9.14.0`; empty where it cannot be loaded.

    That of the extra `cuda` is found after `preload_cuda` alone, for it is in no folder where the system looks.
    """
    library = _load("cudnn64_9.dll", "libcudnn.so.9")
    if library is None:
        return ""
    library.cudnnGetVersion.restype = ctypes.c_size_t
    number = int(library.cudnnGetVersion())
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"


def _device_name(driver: Any) -> str:  # noqa: ANN401 - a library's functions are untyped
    device, name = ctypes.c_int(0), ctypes.create_string_buffer(_NAME_BYTES)
    if driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return ""
    return name.value.decode(errors="replace") if driver.cuDeviceGetName(name, _NAME_BYTES, device) == 0 else ""


def _memory_info(driver: Any) -> tuple[int, int]:  # noqa: ANN401
    """Returns the free and the whole memory of the first GPU in bytes; 0 and 0 where the driver does not say.

    It is asked in the device's primary context, which the CUDA runtime uses, too: another one would take memory itself.
    """
    device, context = ctypes.c_int(0), ctypes.c_void_p()
    free, total = ctypes.c_size_t(0), ctypes.c_size_t(0)
    if driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return 0, 0
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) != 0:
        return 0, 0
    try:
        if driver.cuCtxPushCurrent_v2(context) != 0:
            return 0, 0
        known = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
        driver.cuCtxPopCurrent_v2(ctypes.byref(context))
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)
    return (free.value, total.value) if known else (0, 0)


@cache
def _driver() -> Any | None:  # noqa: ANN401
    driver = _load("nvcuda.dll", "libcuda.so.1")
    return driver if driver is not None and driver.cuInit(0) == 0 else None


def _load(windows: str, other: str) -> Any | None:  # noqa: ANN401
    try:
        return ctypes.CDLL(windows if sys.platform == "win32" else other)
    except OSError:
        return None
