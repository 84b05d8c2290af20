from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest

from sentscore import ArtifactError, InputError, OutputError, Scorer
from sentscore.model.artifact import load_artifact
from sentscore_export import export as export_module
from sentscore_export.export import ParityError, export, read_checkpoint
from sentscore_export.parity import Parity, ParityConfig
from sentscore_train.evaluation.evaluate import LabelledReviews
from sentscore_train.training import checkpoint

SMALL = ParityConfig(batches=8, max_batch=6, max_tokens=50)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", [("max",), ("mean",), ("last",), ("max", "mean", "last")])
def test_the_graph_agrees_with_torch(make_run, tmp_path, kind, pooling) -> None:
    manifest = export(make_run(kind, pooling=pooling), tmp_path / "out", parity=SMALL)
    assert manifest.parity["worst_logit"] < 1e-6
    assert manifest.parity["worst_probability"] < 1e-6
    assert manifest.parity["batches"] == 8
    assert manifest.parity["real_texts"] > 0


def test_the_folder_holds_what_the_manifest_says(make_run, tmp_path) -> None:
    run = make_run("gru")
    manifest = export(run, tmp_path / "out", parity=SMALL)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "manifest.json", "model.onnx", "vocab.json",
    ]  # fmt: skip
    artifact = load_artifact(tmp_path / "out")
    assert artifact.manifest == manifest
    assert manifest.name == "gru"
    assert manifest.calibration["temperature"] == 1.25
    validation = checkpoint.read_validation(run)
    rows = np.flatnonzero(validation.encoded.lengths)
    scores = Scorer(artifact, device="cpu").score_encoded(validation.encoded.take(rows))
    assert manifest.metrics["validation"]["reviews"] == len(rows)
    assert manifest.metrics["validation"]["accuracy"] == ((scores >= 0.5) == (validation.labels[rows] == 1)).mean()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_graph_has_dynamic_axes_and_no_external_data(make_run, tmp_path) -> None:
    export(make_run("lstm"), tmp_path / "out", parity=SMALL)
    model = onnx.load(tmp_path / "out" / "model.onnx")
    shapes = {
        value.name: [dimension.dim_param for dimension in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "token_ids": ["batch", "tokens"], "lengths": ["batch"], "logit": ["batch"], "probability": ["batch"],
    }  # fmt: skip
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_the_same_checkpoint_gives_the_same_bytes(make_run, tmp_path) -> None:
    run = make_run("lstm")
    for name in ("a", "b"):
        export(run, tmp_path / name, parity=SMALL)
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()
    assert (tmp_path / "a/manifest.json").read_bytes() == (tmp_path / "b/manifest.json").read_bytes()


def test_a_wrong_graph_is_refused_and_nothing_is_written(make_run, tmp_path, monkeypatch) -> None:
    from sentscore_train.models import weights

    monkeypatch.setattr(weights, "_GATES", {"lstm": (0, 1, 2, 3), "gru": (0, 1, 2)})
    with pytest.raises(ParityError, match=r"off torch's, 1e-05 is allowed: nothing was written") as error:
        export(make_run("lstm"), tmp_path / "out", parity=SMALL)
    assert error.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_a_logit_that_is_not_a_number_is_refused(make_run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(export_module, "compare", lambda *_, **__: Parity(1, 1, 0, float("nan"), 0.0))
    with pytest.raises(ParityError):
        export(make_run("lstm"), tmp_path / "out", parity=SMALL)


def test_an_artifact_that_is_there_is_replaced_only_by_force(make_run, tmp_path) -> None:
    run = make_run("lstm")
    export(run, tmp_path / "out", parity=SMALL)
    (tmp_path / "out" / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(OutputError, match="exists already: replace it with --force"):
        export(run, tmp_path / "out", parity=SMALL)
    export(run, tmp_path / "out", parity=SMALL, force=True)
    load_artifact(tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_the_test_reviews_give_the_accuracy(make_run, tmp_path) -> None:
    run = make_run("lstm")
    export(run, tmp_path / "first", parity=SMALL)
    texts = ["a great film", "awful , boring", "i loved this story !", "too long"]
    scores = Scorer.load(tmp_path / "first").score(texts)
    labels = (scores >= 0.5).astype(np.int8)
    labels[0] ^= 1
    manifest = export(run, tmp_path / "second", parity=SMALL, test=LabelledReviews("test", pa.array(texts), labels))
    right = np.where(labels == 1, scores, 1 - scores)
    assert manifest.metrics["test"]["accuracy"] == 0.75
    assert manifest.metrics["test"]["reviews"] == 4
    assert manifest.metrics["test"]["loss"] == pytest.approx(-np.log(right).mean(), abs=1e-6)
    card = (tmp_path / "second/README.md").read_text()
    low, high = manifest.metrics["test"]["accuracy_interval"]
    assert f"| test | 75.00% | {low:.2%} to {high:.2%} | {manifest.metrics['test']['auc']:.4f} |" in card
    assert "\n## What was tried\n\n" in card
    assert f"| test | 1.2500 | {manifest.metrics['test']['loss']:.4f} |" in card
    assert f"| test | 1.0000 | {manifest.metrics['test']['uncalibrated']['loss']:.4f} |" in card


def test_a_test_review_without_a_text_stops_the_export(make_run, tmp_path) -> None:
    reviews = LabelledReviews("test.parquet", pa.array(["good", None]), np.array([1, 0], np.int8))
    with pytest.raises(InputError, match=r"test\.parquet"):
        export(make_run("lstm"), tmp_path / "out", parity=SMALL, test=reviews)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_checkpoint_is_an_input_error(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no best\.json in it"):
        read_checkpoint(tmp_path)


def test_files_that_do_not_fit_each_other_are_an_input_error(make_run, tmp_path) -> None:
    run = Path(shutil.copytree(make_run("lstm"), tmp_path / "run"))
    content = json.loads((run / "best.json").read_text())
    checkpoint.write_json(run / "best.json", {**content, "architecture": {**content["architecture"], "hidden_size": 9}})
    with pytest.raises(InputError, match="do not fit each other"):
        read_checkpoint(run)
    (run / "best.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_checkpoint(run)


def test_a_vocabulary_of_another_size_is_an_input_error(make_run, tmp_path) -> None:
    run = Path(shutil.copytree(make_run("lstm"), tmp_path / "run"))
    content = json.loads((run / "vocab.json").read_text())
    (run / "vocab.json").write_text(json.dumps({**content, "tokens": content["tokens"][:-1]}))
    with pytest.raises(InputError, match="has 35 tokens, the weights 36"):
        read_checkpoint(run)


def test_the_artifact_keeps_the_case_of_the_vocabulary(make_artifact) -> None:
    cased = Scorer.load(make_artifact("lstm", lowercase=False)).score(["GREAT FILM", "great film"])
    lower = Scorer.load(make_artifact("lstm", lowercase=True)).score(["GREAT FILM", "great film"])
    assert cased[0] != cased[1]
    assert lower[0] == lower[1]


def test_a_parity_error_is_an_artifact_error() -> None:
    assert issubclass(ParityError, ArtifactError)
