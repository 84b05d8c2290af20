from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_a_table(shipped: Path, invoke) -> None:
    result = invoke("models")
    assert result.exit_code == 0
    assert "BiLSTM, 2 x 8" in result.stdout


def test_a_path_stands_on_one_line(shipped: Path, monkeypatch: pytest.MonkeyPatch, invoke) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert str(shipped) in invoke("models").stdout


def test_json(shipped: Path, invoke) -> None:
    result = invoke("models", "--json")
    info = json.loads(result.stdout)
    assert (info["name"], info["path"]) == ("lstm", str(shipped))
    listed = json.loads((shipped / "manifest.json").read_text())["files"]
    assert info["size"] == sum(entry["size"] for entry in listed.values())


def test_none(monkeypatch: pytest.MonkeyPatch, invoke) -> None:
    monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [])
    result = invoke("models")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no models come with this installation" in result.stderr
