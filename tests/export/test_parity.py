from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore import ArtifactError
from sentscore.model.artifact import find_artifacts, load_artifact
from sentscore.model.session import Session
from sentscore.progress import Progress
from sentscore.text.encoder import Encoder
from sentscore_export import parity
from sentscore_export.export import export
from sentscore_export.parity import ParityConfig, ParityError, compare
from sentscore_train.models.classifier import SentimentClassifier

REVIEWS = Path(__file__).parents[1] / "data" / "reviews.parquet"
SMALL = ParityConfig(batches=8, max_batch=6, max_tokens=50)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", [("max",), ("mean",), ("last",), ("max", "mean", "last")])
def test_the_graph_agrees_with_torch(make_run, tmp_path, kind, pooling) -> None:
    manifest = export(make_run(kind, pooling=pooling), tmp_path / "out", parity=SMALL)
    assert manifest.parity["worst_logit"] < 1e-6
    assert manifest.parity["worst_probability"] < 1e-6
    assert manifest.parity["batches"] == 8
    assert manifest.parity["real_texts"] > 0


def test_a_wrong_graph_is_refused_and_nothing_is_written(make_run, tmp_path, monkeypatch) -> None:
    from sentscore_train.models import weights

    monkeypatch.setattr(weights, "_GATES", {"lstm": (0, 1, 2, 3), "gru": (0, 1, 2)})
    with pytest.raises(
        ParityError, match=r"off torch's, 1e-05 is allowed: check the versions(.|\n)*nothing was written"
    ) as error:
        export(make_run("lstm"), tmp_path / "out", parity=SMALL)
    assert error.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []


def test_a_logit_that_is_not_a_number_is_refused(make_run, tmp_path, monkeypatch) -> None:
    run = Session.run

    def fail_once(session: Session, token_ids: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logit, probability = run(session, token_ids, lengths)
        return np.where(len(lengths) == SMALL.max_batch, np.nan, logit), probability

    monkeypatch.setattr(parity, "Session", type("Broken", (Session,), {"run": fail_once}))
    with pytest.raises(ParityError, match=r"a logit of the graph is nan off torch's"):
        export(make_run("lstm"), tmp_path / "out", parity=SMALL)


def test_a_parity_error_is_an_artifact_error() -> None:
    assert issubclass(ParityError, ArtifactError)


@pytest.mark.parametrize("folder", find_artifacts(), ids=lambda folder: folder.name)
def test_a_shipped_model_agrees_with_torch(folder) -> None:
    """Real reviews and random ids, batches of 1 to 64, texts of 1 to 2,000 tokens."""
    artifact = load_artifact(folder)
    encoder = Encoder(artifact.read_vocabulary())
    reviews = encoder.encode(pq.read_table(REVIEWS)["review"].drop_null().cast(pa.large_string()).combine_chunks())
    found = compare(
        SentimentClassifier.from_artifact(artifact), artifact, reviews=reviews, config=ParityConfig(batches=60)
    )
    assert found.worst_logit <= 1e-5
    assert found.worst_probability <= 1e-5
    assert found.real_texts > 200


def test_the_progress_is_in_tokens_so_that_the_time_left_can_be_told(make_run, tmp_path) -> None:
    reports: list[Progress] = []
    export(make_run("lstm"), tmp_path / "out", parity=SMALL, report=reports.append)
    found = [report for report in reports if report.phase == "comparing 8 batches with torch, tokens"]
    assert len(found) == 9
    assert [found[0].done, found[1].done, found[2].done] == [0, 6 * 50, 7 * 50]  # the largest sizes come first
    assert all(report.total == found[-1].done for report in found)
