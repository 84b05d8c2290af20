from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from sentscore import InputError, OutputError, Scorer
from sentscore.model.artifact import load_artifact
from sentscore_export.card import model_card
from sentscore_export.export import export
from sentscore_export.parity import ParityConfig
from sentscore_train.evaluation.reviews import LabelledReviews
from sentscore_train.training import checkpoint

SMALL = ParityConfig(batches=8, max_batch=6, max_tokens=50)


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
    scores = Scorer.load(artifact, device="cpu").engine.score_encoded(validation.encoded.take(rows))
    assert manifest.metrics["validation"]["reviews"] == len(rows)
    assert manifest.metrics["validation"]["accuracy"] == ((scores >= 0.5) == (validation.labels[rows] == 1)).mean()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


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
    assert (tmp_path / "second/README.md").read_text() == model_card(manifest, has_plot=False)


def test_a_test_review_without_a_text_stops_the_export(make_run, tmp_path) -> None:
    reviews = LabelledReviews("test.parquet", pa.array(["good", None]), np.array([1, 0], np.int8))
    with pytest.raises(InputError, match=r"test\.parquet"):
        export(make_run("lstm"), tmp_path / "out", parity=SMALL, test=reviews)
    assert not (tmp_path / "out").exists()


def test_the_artifact_keeps_the_case_of_the_vocabulary(make_artifact) -> None:
    cased = Scorer.load(make_artifact("lstm", lowercase=False)).score(["GREAT FILM", "great film"])
    lower = Scorer.load(make_artifact("lstm", lowercase=True)).score(["GREAT FILM", "great film"])
    assert cased[0] != cased[1]
    assert lower[0] == lower[1]
