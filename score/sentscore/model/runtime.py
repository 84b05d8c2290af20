"""Imports ONNX Runtime and keeps it from sending telemetry and from printing; no other module imports it."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any, Final

ONLY_FATAL: Final = 4
"""The severity from which ONNX Runtime logs: what goes wrong is raised."""

# ONNX Runtime 1.31 knows the first name, later releases the second. Both count only if they are set before the import.
_NO_TELEMETRY: Final = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")

_STDOUT, _STDERR = 1, 2
_capturing: Final = threading.Lock()


def load_onnxruntime() -> Any:  # noqa: ANN401 - onnxruntime is untyped
    """Imports ONNX Runtime and returns the module.

    Its telemetry is turned off, unless the environment says otherwise, and its logger is silenced. If the program has
    imported ONNX Runtime itself before, neither is touched.
    """
    with _capturing:
        if "onnxruntime" not in sys.modules:
            for name in _NO_TELEMETRY:
                os.environ.setdefault(name, "1")
            with _captured(_STDERR) as lines:  # what it logs before its logger can be silenced
                import onnxruntime

                onnxruntime.set_default_logger_severity(ONLY_FATAL)
            # Other threads may have written meanwhile.
            for line in lines:
                if "onnxruntime" not in line:
                    print(line, file=sys.stderr)
    import onnxruntime

    return onnxruntime


def preload_cuda() -> str:
    """Loads the libraries of the extra `cuda`, where it is installed. Returns the first line that this printed."""
    onnxruntime = load_onnxruntime()
    if not hasattr(onnxruntime, "preload_dlls"):
        return ""
    printed = io.StringIO()
    with _capturing, redirect_stdout(printed), _captured(_STDOUT) as lines:
        onnxruntime.preload_dlls()
    return next(iter([*printed.getvalue().splitlines(), *lines]), "")


@contextmanager
def _captured(descriptor: int) -> Iterator[list[str]]:
    """Captures what the process writes to a file descriptor; the list has the lines afterwards."""
    lines: list[str] = []
    try:
        saved = os.dup(descriptor)
    except OSError:  # it is closed, so nothing can be written to it
        yield lines
        return
    with _open_temporary() as file:
        try:
            os.dup2(file.fileno(), descriptor)
            yield lines
        finally:
            os.dup2(saved, descriptor)
            os.close(saved)
        file.seek(0)
        lines += file.read().decode(errors="replace").splitlines()


def _open_temporary() -> IO[bytes]:
    with suppress(OSError):
        return tempfile.TemporaryFile()
    return Path(os.devnull).open("r+b")  # no folder can be written to
