from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest

from sentscore.model import runtime
from sentscore.model.runtime import load_onnxruntime, preload_cuda

SWITCHES = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
LOOK_UP_S = 13  # ONNX Runtime 1.31 looks for its telemetry host 10 s after it was imported

# Has the kernel end a process that makes a socket, as each look-up of a name and each connection does. What it starts
# inherits that. See seccomp(2): a program for a virtual machine that gets the number of each system call.
SANDBOX = """
import ctypes, os, platform, struct, sys
number, machine = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}[platform.machine()]
instructions = [
    (0x20, 0, 0, 4), (0x15, 0, 3, machine),  # load the machine; another one is allowed
    (0x20, 0, 0, 0), (0x15, 0, 1, number),  # load the number; another one is allowed
    (0x06, 0, 0, 0x80000000),  # end the process
    (0x06, 0, 0, 0x7FFF0000),  # allow
]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in instructions))
description = struct.pack("HP", len(instructions), ctypes.addressof(program))
prctl = ctypes.CDLL(None, use_errno=True).prctl
if prctl(38, 1, 0, 0, 0) or prctl(22, 2, description, 0, 0):
    raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Python without a socket, with a home folder of its own, and as if neither CI nor a user had set anything.

    ONNX Runtime sends nothing where it finds itself in a CI.
    """
    started = []

    def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        home = tmp_path / f"home{len(started)}"
        home.mkdir()
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH", "OMP_NUM_THREADS"}}
        command = [sys.executable, "-c", SANDBOX, *map(str, arguments)]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=tmp_path,
            env={**kept, "HOME": str(home), **environment},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="system calls are filtered on Linux alone")
class TestPrivacy:
    def test_the_sandbox_notices_a_look_up(self, start) -> None:
        process = start("-c", "import socket; socket.getaddrinfo('localhost', 80)")
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGSYS

    def test_no_command_writes_into_the_home_folder_or_looks_anything_up(self, start, tmp_path, tiny_artifact) -> None:
        (tmp_path / "reviews.csv").write_text("review\na great film\nawful\n")
        model = ["--model", tiny_artifact, "--device", "cpu"]
        use = f"from sentscore import Scorer; Scorer.load({str(tiny_artifact)!r}).score(['a great film'])"
        commands: dict[str, Sequence[object]] = {
            "script that stays": ["-c", f"{use}; import time; time.sleep({LOOK_UP_S})"],
            "script": ["-c", use],
            "script that asks for CUDA": [
                "-c",
                "from sentscore import DeviceError, Scorer\n"
                f"try: Scorer.load({str(tiny_artifact)!r}, device='cuda')\n"
                "except DeviceError: pass"
            ],
            "arithmetic": ["-c", "from sentscore.model.cpu import describe_arithmetic; describe_arithmetic()"],
            "file": ["-m", "sentscore", "file", "reviews.csv", "-o", "scored.parquet", *model],
            "text": ["-m", "sentscore", "text", "a great film", "--model", tiny_artifact],
            "models": ["-m", "sentscore", "models"],
            "doctor": ["-m", "sentscore", "doctor"],
            "bench": ["-m", "sentscore", "bench", "reviews.csv", "--repetitions", "1", *model],
            "help": ["-m", "sentscore", "--help"],
        }  # fmt: skip
        homes = {}
        processes = {}
        for name, command in commands.items():
            homes[name] = tmp_path / f"home{len(processes)}"
            processes[name] = start(*command)
            if name != "script that stays":
                processes[name].communicate(timeout=60)
        processes["script that stays"].communicate(timeout=60)
        assert {name: process.returncode for name, process in processes.items()} == dict.fromkeys(commands, 0)
        assert {name: list(home.rglob("*")) for name, home in homes.items()} == {name: [] for name in commands}

    def test_a_home_folder_that_cannot_be_written_is_no_matter(self, start, tiny_artifact) -> None:
        process = start("-m", "sentscore", "text", "--json", "film", "--model", tiny_artifact, HOME="/proc/nowhere")
        _, stderr = process.communicate(timeout=60)
        assert (process.returncode, stderr) == (0, "")

    @pytest.mark.parametrize("value", ["0", "1", ""])
    def test_what_the_user_has_set_stays(self, start, value) -> None:
        script = f"import os; from sentscore.model.runtime import load_onnxruntime as load; load(); \
            print([os.environ[name] for name in {SWITCHES}])"
        stdout, _ = start("-c", script, ORT_TELEMETRY_DISABLED=value, CI="1").communicate(timeout=60)
        assert stdout == f"{['1', value]}\n"


class TestQuiet:
    def test_what_an_import_prints_to_stderr_is_dropped_but_not_what_others_print(self, start, tmp_path) -> None:
        """A stand-in for ONNX Runtime, since what it logs depends on the machine."""
        (tmp_path / "onnxruntime.py").write_text(
            "import os\n"
            "os.write(2, b'\\x1b[0;93m2026-11-25 [W:onnxruntime:Default, device_discovery.cc:164] no\\x1b[m\\n')\n"
            "os.write(2, b'a line of another thread\\n')\n"
            "def set_default_logger_severity(severity): print(severity)\n"
        )
        script = "from sentscore.model.runtime import load_onnxruntime as load; load(); print(load().__name__)"
        process = start("-c", script, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
        stdout, stderr = process.communicate(timeout=60)
        assert (stdout, stderr) == ("4\nonnxruntime\n", "a line of another thread\n")

    def test_the_logger_of_a_program_that_has_imported_onnxruntime_itself_is_left_alone(self, monkeypatch) -> None:
        module = ModuleType("onnxruntime")  # without set_default_logger_severity
        monkeypatch.setitem(sys.modules, "onnxruntime", module)
        for name in SWITCHES:
            monkeypatch.delenv(name, raising=False)
        assert load_onnxruntime() is module
        assert not set(SWITCHES) & set(os.environ)

    def test_preloading_prints_nothing_and_the_first_line_is_returned(self, monkeypatch, capfd) -> None:
        def preload() -> None:
            os.write(1, b"Failed to load libcudart.so.13\n")
            print("Please follow https://onnxruntime.ai")

        monkeypatch.setattr(load_onnxruntime(), "preload_dlls", preload, raising=False)
        print("before")
        assert preload_cuda() == "Please follow https://onnxruntime.ai"
        print("after")
        assert capfd.readouterr() == ("before\nafter\n", "")

        monkeypatch.setattr(load_onnxruntime(), "preload_dlls", lambda: os.write(1, b"Failed to load\nagain\n"))
        assert preload_cuda() == "Failed to load"
        monkeypatch.delattr(load_onnxruntime(), "preload_dlls")
        assert preload_cuda() == ""
        assert capfd.readouterr() == ("", "")

    def test_an_error_while_preloading_leaves_stdout_as_it_was(self, monkeypatch, capfd) -> None:
        def preload() -> None:
            raise RuntimeError("no such folder")

        monkeypatch.setattr(load_onnxruntime(), "preload_dlls", preload, raising=False)
        with pytest.raises(RuntimeError, match="no such folder"):
            preload_cuda()
        os.write(1, b"here\n")
        assert capfd.readouterr().out == "here\n"

    def test_without_a_folder_for_temporary_files_it_is_quiet_too(self, monkeypatch, capfd) -> None:
        def fail() -> None:
            raise FileNotFoundError("no usable temporary directory found")

        monkeypatch.setattr(runtime.tempfile, "TemporaryFile", fail)
        monkeypatch.setattr(load_onnxruntime(), "preload_dlls", lambda: os.write(1, b"lost\n"), raising=False)
        assert preload_cuda() == ""
        assert capfd.readouterr() == ("", "")

    def test_a_closed_stdout_stays_closed(self, start) -> None:
        script = "import os, sys; os.close(1); from sentscore.model.runtime import preload_cuda; preload_cuda()\n\
try: os.fstat(1)\nexcept OSError: sys.exit(7)"
        process = start("-c", script, CI="1")
        process.communicate(timeout=60)
        assert process.returncode == 7

    def test_several_threads_may_load_at_once(self, start) -> None:
        script = "import threading; from sentscore.model.runtime import load_onnxruntime as load, preload_cuda\n\
threads = [threading.Thread(target=each) for each in (load, preload_cuda) * 8]\n\
[each.start() for each in threads]; [each.join() for each in threads]; print(threading.active_count())"
        stdout, stderr = start("-c", script).communicate(timeout=60)
        assert (stdout, stderr) == ("1\n", "")
