from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from sentscore.cli.doctor import doctor
from sentscore.errors import SentscoreError


def test_all_is_well(shipped: Path, invoke) -> None:
    result = invoke("doctor")
    assert result.exit_code == 0, result.stdout
    assert "CPUExecutionProvider: works" in result.stdout
    assert f"{shipped}: works" in result.stdout
    assert result.stdout.endswith("all is well\n")


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
