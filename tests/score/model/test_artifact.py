from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from sentscore import ArtifactError
from sentscore.model import artifact as artifact_module
from sentscore.model.artifact import FileEntry, Manifest, load_artifact, load_artifacts, locate_artifact
from sentscore.model.options import ModelOptions
from sentscore.scorer import Scorer

FORMAT_1 = Path(__file__).parents[2] / "data" / "format-1"
"""Small models of random weights, made when artifacts had no tokenizer.json, and their scores."""

TOLERANCES = {"fp32": 1e-5, "int8": 5e-3, "fp16": 1e-5}  # other CPUs round otherwise


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
    assert artifact.size == sum((copy / name).stat().st_size for name in ("model.onnx", "vocab.json", "tokenizer.json"))
    assert artifact.manifest.files["model.onnx"] == FileEntry.from_content(artifact.graphs["fp32"])


@pytest.mark.parametrize("name", ["model.onnx", "vocab.json", "tokenizer.json"])
def test_a_file_that_was_changed_is_refused(copy, name) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name}: sha256 .*, the manifest says .*: restore the file"):
        load_artifact(copy)


@pytest.mark.parametrize("name", ["model.onnx", "vocab.json", "tokenizer.json"])
def test_a_file_that_is_missing_is_refused(copy, name) -> None:
    (copy / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name}: cannot be read \(No such file or directory\)"):
        load_artifact(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "format version 99, but this sentscore reads 1 and 2: update sentscore"),
        ({"files": {}}, r"does not list model\.onnx"),
        ({"files": None}, "not a manifest"),
        ({"purpose": "two\nlines"}, "purpose 'two"),
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


def test_an_artifact_without_its_tokenizer_rules_is_refused(copy) -> None:
    files = json.loads((copy / "manifest.json").read_text())["files"]
    del files["tokenizer.json"]
    change_manifest(copy, files=files)
    with pytest.raises(ArtifactError, match=r"does not list tokenizer\.json: export the model again"):
        load_artifact(copy)


def test_digits_behind_a_name_pin_the_weights(copy, tiny_gru_artifact) -> None:
    digest = load_artifact(copy).manifest_sha256
    for digits in (digest[:7], digest[:12].upper(), digest):
        assert Scorer.load(f"{copy}@{digits}", device="cpu").manifest_sha256 == digest
    other = load_artifact(tiny_gru_artifact).manifest_sha256[:7]
    with pytest.raises(ArtifactError, match=rf"@{other}': the weights in {copy} are {digest[:12]}: name these"):
        load_artifact(f"{copy}@{other}")
    for digits in (digest[:6], digest + "0", "latest!"):
        with pytest.raises(ArtifactError, match=r"no such model: .* at least 7 hexadecimal digits"):
            load_artifact(f"{copy}@{digits}")


def test_a_change_of_any_file_is_another_digest(copy) -> None:
    pinned = f"{copy}@{load_artifact(copy).manifest_sha256[:7]}"
    change_manifest(copy, commit="another")
    with pytest.raises(ArtifactError, match="the weights in"):
        load_artifact(pinned)


def test_models_of_one_name_take_the_names_of_their_folders(copy, tiny_artifact, tiny_gru_artifact) -> None:
    both = load_artifacts([tiny_artifact, copy])
    assert [artifact.name for artifact in both] == ["lstm", "model"]
    assert [artifact.name for artifact in load_artifacts([copy, tiny_gru_artifact])] == ["lstm", "gru"]
    text = ["a great film"]
    assert Scorer(both[1], ModelOptions("cpu")).score(text) == Scorer.load(tiny_artifact, device="cpu").score(text)


def test_folders_of_one_name_take_as_many_above_them_as_tell_them_apart(tmp_path, tiny_artifact) -> None:
    paths = [tmp_path / month / "lstm" for month in ("2026-11", "2026-12")]
    for path in paths:
        shutil.copytree(tiny_artifact, path)
    assert [artifact.name for artifact in load_artifacts(paths)] == ["2026-11/lstm", "2026-12/lstm"]
    renamed = paths[1].rename(tmp_path / "new")
    found = [artifact.name for artifact in load_artifacts([paths[0], tiny_artifact, renamed])]
    assert found == ["2026-11/lstm", f"{tiny_artifact.parent.name}/lstm", "new"]
    assert [artifact.name for artifact in load_artifacts([paths[0], paths[0]])] == ["lstm", "lstm"]  # is refused later


def test_the_folder_one_stands_in_has_a_name(copy, tiny_artifact, monkeypatch) -> None:
    monkeypatch.chdir(copy)
    assert [artifact.name for artifact in load_artifacts([".", tiny_artifact])] == ["model", "lstm"]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_first_format_gives_the_scores_that_it_always_gave(kind) -> None:
    stored = json.loads((FORMAT_1 / "scores.json").read_text())
    for precision, expected in stored["scores"][kind].items():
        found = Scorer.load(FORMAT_1 / kind, device="cpu", precision=precision)
        assert not found.vocabulary.html_entities
        scores = found.score(stored["texts"])
        np.testing.assert_allclose(scores, np.array(expected, np.float32), rtol=0, atol=TOLERANCES[precision])


def test_a_manifest_of_the_first_format_is_read_and_written_as_it_is() -> None:
    content = (FORMAT_1 / "gru" / "manifest.json").read_bytes()
    manifest = Manifest.from_json(content)
    assert (manifest.name, manifest.architecture["cell"], manifest.format_version) == ("gru", "gru", 1)
    assert manifest.to_json().encode() == content


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
