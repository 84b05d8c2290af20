from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sentscore import ArtifactError
from sentscore.model import artifact as artifact_module
from sentscore.model.artifact import FileEntry, load_artifact, locate_artifact
from sentscore.scorer import Scorer


@pytest.fixture
def copy(tiny_artifact, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_artifact, tmp_path / "model"))


def change_manifest(folder: Path, **changes: object) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**content, **changes}))


def test_an_artifact_is_verified_and_read(copy) -> None:
    artifact = load_artifact(copy)
    assert artifact.name == "lstm"
    assert artifact.graphs["fp32"] == (copy / "model.onnx").read_bytes()
    assert artifact.size == sum((copy / name).stat().st_size for name in ("model.onnx", "vocab.json"))
    assert artifact.manifest.files["model.onnx"] == FileEntry.from_content(artifact.graphs["fp32"])


@pytest.mark.parametrize("name", ["model.onnx", "vocab.json"])
def test_a_file_that_was_changed_is_refused(copy, name) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name}: sha256 .*, the manifest says .*: restore the file"):
        load_artifact(copy)


@pytest.mark.parametrize("name", ["model.onnx", "vocab.json"])
def test_a_file_that_is_missing_is_refused(copy, name) -> None:
    (copy / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name}: cannot be read \(No such file or directory\)"):
        load_artifact(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "format version 99, but this sentscore reads 1: update sentscore"),
        ({"files": {}}, r"does not list model\.onnx"),
        ({"files": None}, "not a manifest"),
        ({"files": {"../model.onnx": {"sha256": "", "size": 0}}}, r"'\.\./model\.onnx' is not a plain file name"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(copy, changes, message) -> None:
    change_manifest(copy, **changes)
    with pytest.raises(ArtifactError, match=message):
        load_artifact(copy)


def test_a_manifest_cannot_name_a_file_elsewhere(copy) -> None:
    files = json.loads((copy / "manifest.json").read_text())["files"]
    change_manifest(copy, files={**files, "../secret": {"sha256": "", "size": 0}})
    with pytest.raises(ArtifactError, match=r"'\.\./secret' is not a plain file name"):
        load_artifact(copy)


def test_a_manifest_that_is_not_json_is_refused(copy) -> None:
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ArtifactError, match="not a manifest"):
        load_artifact(copy)


def test_a_name_stands_for_a_shipped_artifact(tiny_artifact, tmp_path, monkeypatch) -> None:
    shutil.copytree(tiny_artifact, tmp_path / "shipped" / "lstm")
    monkeypatch.setattr(artifact_module, "artifacts_folder", lambda: tmp_path / "shipped")
    assert locate_artifact("lstm") == tmp_path / "shipped" / "lstm"
    with pytest.raises(ArtifactError, match="model 'bert': no such model: use one of lstm"):
        locate_artifact("bert")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError, match=r"a folder without manifest\.json"):
        locate_artifact(tmp_path / "empty")


def test_a_graph_of_another_model_is_refused(copy, tiny_gru_artifact) -> None:
    model = (tiny_gru_artifact / "model.onnx").read_bytes()
    (copy / "model.onnx").write_bytes(model)
    files = json.loads((copy / "manifest.json").read_text())["files"]
    entry = FileEntry.from_content(model)
    change_manifest(copy, files={**files, "model.onnx": {"sha256": entry.sha256, "size": entry.size}})
    with pytest.raises(ArtifactError, match="its metadata has name 'gru', the artifact 'lstm'"):
        Scorer.load(copy)


def test_a_graph_with_external_data_is_refused(copy) -> None:
    import onnx

    model = onnx.load(copy / "model.onnx")
    onnx.save(model, copy / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    content = (copy / "model.onnx").read_bytes()
    files = json.loads((copy / "manifest.json").read_text())["files"]
    entry = FileEntry.from_content(content)
    change_manifest(copy, files={**files, "model.onnx": {"sha256": entry.sha256, "size": entry.size}})
    with pytest.raises(ArtifactError, match=r"a tensor in the file 'weights\.bin'"):
        Scorer.load(copy)
