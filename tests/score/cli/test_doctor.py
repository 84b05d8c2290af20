from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from sentscore.cli.doctor import doctor
from sentscore.errors import SentscoreError
from sentscore.model.cpu import CpuLimits
from sentscore.model.cuda import Gpu


def test_all_is_well(shipped: Path, invoke) -> None:
    result = invoke("doctor")
    assert result.exit_code == 0, result.stdout
    assert "CPUExecutionProvider: works" in result.stdout
    assert f"{shipped}: works" in result.stdout
    assert result.stdout.endswith("all is well\n")


def test_what_bounds_the_threads(shipped: Path, monkeypatch: pytest.MonkeyPatch, invoke) -> None:
    monkeypatch.setattr("sentscore.model.cpu.read_cpu_limits", lambda: CpuLimits(64, 1.5))
    assert json.loads(invoke("doctor", "--json").stdout)["threads"] == {
        "default": 2, "affinity": 64, "cgroup_quota": 1.5,
    }  # fmt: skip
    shown = invoke("doctor").stdout
    assert "by default: 2\n  processors this process may run on: 64\n" in shown
    assert "CPU quota of its control group: 1.50 processors\n" in shown
    monkeypatch.setattr("sentscore.model.cpu.read_cpu_limits", lambda: CpuLimits(4, None))
    assert "CPU quota of its control group: none\n" in invoke("doctor").stdout


def test_json(shipped: Path, invoke) -> None:
    found = json.loads(invoke("doctor", "--json").stdout)
    assert found["versions"]["pyarrow"] == pa.__version__
    assert (found["problems"], found["exit_code"]) == ([], 0)


def test_a_damaged_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, invoke) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [tmp_path])
    result = invoke("doctor")
    assert result.exit_code == 4
    assert "problem: " in result.stdout


def test_no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [])
    assert doctor().exit_code == 4


def test_both_onnxruntime_packages(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda package: "1.31.1")
    found = doctor()
    assert found.exit_code == 5
    assert "overwrite each other" in found.problems[0]


@pytest.mark.parametrize("error", [ImportError, SentscoreError, RuntimeError])
def test_no_provider_works(shipped: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def fail(artifact: object) -> dict[str, str]:
        raise error("broken\nfor good")

    monkeypatch.setattr("sentscore.model.session.check_providers", fail)
    found = doctor()
    assert found.exit_code == 5
    assert found.providers == {"onnxruntime": f"cannot be used: {error.__name__}: broken for good"}


def test_a_gpu_and_its_libraries(shipped: Path, monkeypatch: pytest.MonkeyPatch, invoke) -> None:
    gpu = Gpu("NVIDIA H100", "580.82.07", "13.0", "9.14.0", 80 << 30, 79 << 30)
    monkeypatch.setattr("sentscore.model.cuda.find_gpu", lambda: gpu)
    shown = invoke("doctor").stdout
    assert (
        "GPU\n  name: NVIDIA H100\n  memory: 80.0 GiB, 79.0 GiB free\n"
        "  driver: 580.82.07, supports CUDA 13.0\n  cuDNN: 9.14.0\n" in shown
    )
    assert json.loads(invoke("doctor", "--json").stdout)["gpu"] == {
        "name": "NVIDIA H100", "driver": "580.82.07", "cuda": "13.0", "cudnn": "9.14.0", "memory": 80 << 30,
        "free_memory": 79 << 30,
    }  # fmt: skip
    monkeypatch.setattr("sentscore.model.cuda.find_gpu", lambda: replace(gpu, cudnn="", driver=""))
    shown = invoke("doctor").stdout
    assert (
        "  driver: of an unknown version, supports CUDA 13.0\n  cuDNN: missing: pip install 'sentscore[cuda]'" in shown
    )


def test_no_gpu(shipped: Path, monkeypatch: pytest.MonkeyPatch, invoke) -> None:
    monkeypatch.setattr("sentscore.model.cuda.find_gpu", lambda: None)
    assert "GPU\n  NVIDIA GPU: none is found\n" in invoke("doctor").stdout
    assert json.loads(invoke("doctor", "--json").stdout)["gpu"] is None
