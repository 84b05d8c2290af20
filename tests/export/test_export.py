from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from sentscore import InputError, OutputError, Scorer, UsageError
from sentscore.model.artifact import load_artifact
from sentscore.text.rules import stored_rules
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
        "README.md", "manifest.json", "model.onnx", "tokenizer.json", "vocab.json",
    ]  # fmt: skip
    artifact = load_artifact(tmp_path / "out")
    assert artifact.manifest == manifest
    assert manifest.name == "out"
    assert (manifest.format_version, manifest.architecture["cell"]) == (2, "gru")
    assert artifact.tokenizer == stored_rules().to_json()
    assert manifest.calibration["temperature"] == 1.25
    validation = checkpoint.read_validation(run)
    rows = np.flatnonzero(validation.encoded.lengths)
    scores = Scorer.load(artifact, device="cpu").engine.score_encoded(validation.encoded.take(rows))
    assert manifest.metrics["validation"]["reviews"] == len(rows)
    assert manifest.metrics["validation"]["accuracy"] == ((scores >= 0.5) == (validation.labels[rows] == 1)).mean()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_name_and_a_purpose_are_in_the_manifest(make_run, tmp_path) -> None:
    run = make_run("lstm")
    export(run, tmp_path / "out", name="kettles 2", purpose="for kettles", parity=SMALL)
    manifest = load_artifact(tmp_path / "out").manifest
    assert (manifest.name, manifest.purpose) == ("kettles 2", "for kettles")
    assert "--model" in (tmp_path / "out" / "README.md").read_text()
    for wrong in ({"name": "a\nb"}, {"name": ""}, {"purpose": "x" * 301}):
        with pytest.raises(UsageError, match="one line of at most"):
            export(run, tmp_path / "other", parity=SMALL, **wrong)


def test_a_run_is_exported_with_the_rules_that_it_was_trained_with(make_run, tmp_path) -> None:
    run = make_run("lstm")
    rules = replace(stored_rules(), special_cases={**stored_rules().special_cases, "greatfilm": ["great", "film"]})
    checkpoint.write_vocabulary(run, replace(checkpoint.read_vocabulary(run), rules=rules, html_entities=True))
    export(run, tmp_path / "out", parity=SMALL)
    scorer = Scorer.load(tmp_path / "out", device="cpu")
    assert scorer.vocabulary.rules == rules
    one, same, other = scorer.score(["greatfilm was long", "great film &#119;as long", "filmgreat was long"])
    assert one == same != other


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
