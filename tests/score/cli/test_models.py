from __future__ import annotations

import hashlib
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
    assert (info["name"], info["path"], info["purpose"]) == ("lstm", str(shipped), "")
    assert hashlib.sha256((shipped / "manifest.json").read_bytes()).hexdigest()[:12] == info["digest"]
    listed = json.loads((shipped / "manifest.json").read_text())["files"]
    assert info["size"] == sum(entry["size"] for entry in listed.values())


def test_the_digest_and_the_purpose_are_shown(shipped: Path, invoke) -> None:
    manifest = json.loads((shipped / "manifest.json").read_text())
    (shipped / "manifest.json").write_text(json.dumps({**manifest, "purpose": "the most accurate one"}))
    lines = invoke("models").stdout.splitlines()
    assert lines[-2:] == ["", "lstm: the most accurate one"]
    digest = hashlib.sha256((shipped / "manifest.json").read_bytes()).hexdigest()[:12]
    assert lines[2].split()[:2] == ["lstm", digest]
    assert invoke("text", "A film.", "--model", f"lstm@{digest}").exit_code == 0
    assert invoke("text", "A film.", "--model", "lstm@0000000").exit_code == 4


def test_none(monkeypatch: pytest.MonkeyPatch, invoke) -> None:
    monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [])
    result = invoke("models")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no models come with this installation" in result.stderr
