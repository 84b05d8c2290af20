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


def _measured(accuracy: float, **others: object) -> dict[str, object]:
    return {
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - 0.01, accuracy + 0.01],
        "auc": 0.9,
        "ece": 0.02,
        **others,
    }


def _write_metrics(folder: Path, **values: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **values}))


def test_the_figures_of_one_model(shipped: Path, invoke) -> None:
    by = {"source": {"films": _measured(0.93), "kettles": _measured(0.905)}}
    int8 = {"accuracy": 0.9, "accuracy_fp32": 0.9, "test": _measured(0.9144)}
    _write_metrics(
        shipped,
        purpose="For kettles.",
        metrics={"validation": _measured(0.92), "test": _measured(0.9175, by=by)},
        precisions={"int8": int8},
    )
    result = invoke("models", "lstm")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("lstm@")
    assert lines[1:3] == ["For kettles.", ""]
    assert [line.split("  ")[0].strip() for line in lines[5:10]] == [
        "validation",
        "test, all",
        "test, films",
        "test, kettles",
        "test",
    ]
    assert " ".join(lines[8].split()) == "test, kettles fp32 90.50 % 89.50 % to 91.50 % 0.9000 0.0200"
    assert lines[9].split()[:4] == ["test", "int8", "91.44", "%"]
    assert lines[-1].endswith(str(shipped / "README.md")) == (shipped / "README.md").is_file()

    info = json.loads(invoke("models", str(shipped), "--json").stdout)
    assert info["digest"] == lines[0].removeprefix("lstm@").partition(":")[0]
    assert info["figures"][1] == {
        "reviews": "test, all",
        "precision": "fp32",
        "accuracy": 0.9175,
        "interval": [0.9075, 0.9275],
        "auc": 0.9,
        "calibration_error": 0.02,
    }


def test_figures_that_are_none_are_left_out(shipped: Path, invoke) -> None:
    odd = {"accuracy": 0.5, "accuracy_interval": ["low", 1], "auc": True, "by": {"source": {"a\x1b[31m": {}, "b": 3}}}
    _write_metrics(shipped, metrics={"validation": [0.9], "test": odd}, precisions={})
    lines = invoke("models", "lstm").stdout.splitlines()
    shown = [" ".join(line.split()) for line in lines[4:6]]
    assert shown == ["test, all fp32 50.00 % - - -", "test, a\\x1b[31m fp32 - - - -"]
    _write_metrics(shipped, metrics={})
    result = invoke("models", "lstm")
    assert (result.exit_code, "accuracy" in result.stdout) == (0, False)


@pytest.mark.parametrize("accuracy", ["NaN", "Infinity", "1e400", "1" + 400 * "0"])
def test_an_accuracy_that_is_not_finite_is_left_out(shipped: Path, invoke, accuracy: str) -> None:
    _write_metrics(shipped, metrics={"test": {"accuracy": 0.25}})
    manifest = shipped / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"test": {"accuracy": 0.25}', f'"test": {{"accuracy": {accuracy}}}')
    )
    for arguments in (["models"], ["models", "lstm"]):
        result = invoke(*arguments)
        assert (result.exit_code, result.stdout.count("%")) == (0, int(len(arguments) == 2))  # that of a heading
        info = json.loads(invoke(*arguments, "--json").stdout, parse_constant=pytest.fail)
        assert [info["accuracy"], *(each["accuracy"] for each in info.get("figures", []))] == [None] * len(arguments)


def test_names_are_shown_as_text(shipped: Path, invoke) -> None:
    sources = {"[/b]": _measured(0.9), "[red]kettles": _measured(0.8), "tea :smile:": _measured(0.7)}
    _write_metrics(shipped, metrics={"test": _measured(0.8, by={"source": sources})}, precisions={})
    result = invoke("models", "lstm")
    assert result.exit_code == 0
    assert [line.split("  ")[0].strip() for line in result.stdout.splitlines()[5:8]] == [
        f"test, {name}" for name in sources
    ]


def test_a_model_that_is_not_there(shipped: Path, invoke) -> None:
    result = invoke("models", "lstn")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "no such model: use one of lstm" in result.stderr
