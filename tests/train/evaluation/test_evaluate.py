from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sentscore import ArtifactError, InputError, Scorer
from sentscore.model.artifact import Artifact, load_artifact
from sentscore.model.session import Session
from sentscore.progress import Progress
from sentscore.text.encoder import Encoder
from sentscore.text.normalize import as_text_array
from sentscore_train.evaluation.evaluate import compare, evaluate, manifest_groups, manifest_metrics, score_reviews
from sentscore_train.evaluation.reviews import LabelledReviews

TEXTS = ["a great film", "awful , boring", "i loved this story !", "too long", "a great film", "not good at all"]


@pytest.fixture
def reviews() -> LabelledReviews:
    kinds = {"domain": ["a", "b", "a", "b", "a", "b"], "colour": ["red"] * 6}
    return LabelledReviews("six.parquet", pa.array(TEXTS), np.array([1, 0, 1, 0, 0, 1], np.int8), kinds)


@pytest.fixture(scope="module")
def scorer(tiny_artifact) -> Scorer:
    return Scorer.load(tiny_artifact, device="cpu", precision="fp32")


def with_manifest(folder: Path, copy: Path, **changed: object) -> Artifact:
    """A copy of an artifact whose manifest has other fields."""
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps({**manifest, **changed}))
    return load_artifact(copy)


def test_the_scores_are_those_of_the_command_line(scorer, reviews) -> None:
    reports: list[Progress] = []
    found = score_reviews(scorer, reviews, reports.append)
    assert found.probabilities.tolist() == scorer.score(TEXTS).tolist()
    assert found.lengths.tolist() == [3, 3, 5, 2, 3, 4]
    assert found.seconds > 0
    assert reports[0] == Progress("scoring with lstm in fp32", 0, 6)
    assert reports[-1] == Progress("scoring with lstm in fp32", 6, 6)


def test_temperature_1_gives_the_loss_of_the_logits_in_the_graph(scorer, reviews) -> None:
    artifact, encoded = scorer.artifact, Encoder(scorer.vocabulary).encode(as_text_array(TEXTS))
    logits = np.array(
        [
            Session(artifact, device="cpu").run(ids[np.newaxis], np.array([len(ids)], np.int32))[0][0]
            for ids in (encoded[row] for row in range(len(encoded)))
        ],
        np.float64,
    )
    signed = np.where(reviews.labels == 1, logits, -logits)
    found = evaluate("mine", scorer, reviews)
    assert found.metrics.calibrated.temperature == 1.25
    assert found.metrics.uncalibrated.log_loss == pytest.approx(np.log1p(np.exp(-signed)).mean(), rel=1e-6)
    assert found.metrics.calibrated.log_loss == pytest.approx(np.log1p(np.exp(-signed / 1.25)).mean(), rel=1e-6)


def test_an_evaluation_says_what_was_measured_and_is_the_same_again(scorer, reviews) -> None:
    found = evaluate("mine", scorer, reviews)
    artifact = scorer.artifact
    assert (found.model, found.precision, found.device, found.source) == ("mine", "fp32", "cpu", "six.parquet")
    assert found.manifest_sha256 == artifact.manifest_sha256
    assert found.size == len(artifact.graphs["fp32"]) + len(artifact.vocabulary.encode())
    assert found.metrics.accuracy == ((scorer.score(TEXTS) >= 0.5) == reviews.labels).mean()
    assert found.reviews_per_s == pytest.approx(6 / found.scored.seconds)
    again = evaluate("mine", scorer, reviews).to_dict()
    assert json.dumps(found.to_dict()) == json.dumps(again)


def test_a_graph_that_rounds_the_weights_of_another_counts_both(make_run, tmp_path, reviews) -> None:
    from sentscore_export.export import export
    from sentscore_export.parity import ParityConfig

    export(make_run("lstm"), tmp_path / "out", precisions=["fp16"], parity=ParityConfig(batches=2))
    artifact = load_artifact(tmp_path / "out")
    found = evaluate("mine", Scorer.load(artifact, device="cpu", precision="fp16"), reviews)
    assert found.precision == "fp16"
    assert found.size == len(artifact.graphs["fp16"]) + len(artifact.graphs["fp32"]) + len(artifact.vocabulary.encode())


def test_a_manifest_gets_the_metrics_at_both_temperatures(scorer, reviews) -> None:
    scores = scorer.score(TEXTS).astype(np.float64)
    likelihood = np.where(reviews.labels == 1, scores, 1 - scores)
    metrics = evaluate("mine", scorer, reviews).metrics
    found = manifest_metrics(metrics)
    assert (found["reviews"], found["accuracy"]) == (6, float((likelihood >= 0.5).mean()))
    assert found["loss"] == pytest.approx(-np.log(likelihood).mean())
    assert found["brier"] == pytest.approx(((1 - likelihood) ** 2).mean())
    assert found["uncalibrated"]["loss"] == metrics.uncalibrated.log_loss != found["loss"]
    assert found["accuracy_interval"] == [metrics.accuracy_interval.low, metrics.accuracy_interval.high]
    assert set(found) == {"reviews", "accuracy", "accuracy_interval", "auc", "loss", "brier", "ece", "uncalibrated"}


def test_two_models_are_compared_review_by_review(scorer, tiny_gru_artifact, reviews) -> None:
    other = Scorer.load(tiny_gru_artifact, device="cpu", precision="fp32")
    found = compare(evaluate("a", scorer, reviews), evaluate("b", other, reviews), reviews)
    same = (scorer.score(TEXTS) >= 0.5) == (other.score(TEXTS) >= 0.5)
    assert found.agreement.same_sentiment == pytest.approx(same.mean())
    content = found.to_dict()
    assert [each["model"] for each in content["models"]] == ["a", "b"]
    assert all(each["reviews_per_s"] > 0 for each in content["models"])
    assert content["published_test_accuracy"] == {}
    assert content["by"]["domain"]["a"]["same_sentiment"] == pytest.approx(same[::2].mean())
    imdb = replace(reviews, source="IMDB test")
    assert compare(*found.models, imdb).published == {"notebook's LSTM": 0.8677, "notebook's GRU": 0.8747}


def test_each_kind_and_length_is_measured_too_and_goes_into_a_manifest(scorer, reviews) -> None:
    found = evaluate("mine", scorer, reviews)
    right = (scorer.score(TEXTS) >= 0.5) == reviews.labels
    assert list(found.by) == ["domain", "length"]  # a column of one value tells nothing
    assert found.by["domain"]["a"].accuracy == pytest.approx(right[::2].mean())
    assert found.by["length"]["1 to 25 tokens"].reviews == 6
    kinds = manifest_groups(found.by)
    group, entry = found.by["domain"]["b"], kinds["domain"]["b"]
    assert (entry["accuracy"], entry["loss"], entry["ece"]) == (group.accuracy, group.log_loss, group.ece)
    assert entry["accuracy_interval"] == [group.accuracy_interval.low, group.accuracy_interval.high]
    assert json.loads(json.dumps(kinds)) == kinds


@pytest.mark.parametrize("text", [None, "", " \n "])
def test_a_review_without_a_token_is_named(scorer, text) -> None:
    reviews = LabelledReviews("some.parquet", pa.array(["good", text]), np.array([0, 1], np.int8))
    with pytest.raises(InputError, match=r"^some\.parquet: row 2 has no text to score: leave such rows out"):
        score_reviews(scorer, reviews)


def test_one_label_alone_is_refused(scorer) -> None:
    reviews = LabelledReviews("some.parquet", pa.array(["good", "bad"]), np.array([1, 1], np.int8))
    with pytest.raises(InputError, match=r"^some\.parquet: every label is 1, and AUC and F1 need both"):
        evaluate("mine", scorer, reviews)


def test_a_manifest_without_a_temperature_is_refused(tiny_artifact, tmp_path, reviews) -> None:
    artifact = with_manifest(tiny_artifact, tmp_path / "copy", calibration={})
    with pytest.raises(ArtifactError, match=r"copy/manifest\.json: no calibration\.temperature"):
        evaluate("mine", Scorer.load(artifact, device="cpu"), reviews)
