from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from sentscore.cli.doctor import doctor
from sentscore.errors import SentscoreError
from sentscore.model.cpu import CpuLimits


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
