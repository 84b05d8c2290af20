from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sentscore import InputError, Scorer
from sentscore.model.artifact import load_artifact
from sentscore_train.adapt.config import AdaptConfig
from sentscore_train.adapt.prepare import Adaptation, prepare_adaptation
from sentscore_train.data.corpus import Corpus, Source, divide
from sentscore_train.evaluation.metrics import to_logits

sys.path.insert(0, str(Path(__file__).parent))
from _reviews import make_source

CPU = torch.device("cpu")
CONFIG = AdaptConfig(held_out=0.25, opinion=0.2)
Prepare = Callable[..., Adaptation]


@pytest.fixture
def prepare(tiny_artifact: Path) -> Prepare:
    def make(labelled: Source, unlabelled: tuple[Source, ...] = (), config: AdaptConfig = CONFIG) -> Adaptation:
        return prepare_adaptation(load_artifact(tiny_artifact), [labelled], unlabelled, config, device=CPU)

    return make


def test_frequent_words_join_and_the_start_scores_as_before(prepare, tiny_artifact) -> None:
    source = make_source()
    found = prepare(source)
    artifact = load_artifact(tiny_artifact)
    known = artifact.read_vocabulary()
    assert found.new_words == ("flimsy", "sturdy")
    assert found.data.vocabulary.tokens == (*known.tokens, "flimsy", "sturdy")
    assert found.start.embedding.weight.shape == (len(known) + 2, 6)
    assert (len(found.data.train), len(found.data.validation)) == (180, 60)
    assert found.data.facts["new_words"] == 2
    assert found.data.facts["start"]["manifest_sha256"] == artifact.manifest_sha256
    # The artifact itself says the same of the held-out reviews.
    rows = divide(Corpus((source,)), share=CONFIG.held_out, seed=CONFIG.seed).validation
    scorer = Scorer.load(tiny_artifact, device="cpu", precision="fp32")
    expected = to_logits(scorer.score([source.texts[row] for row in rows]))
    np.testing.assert_allclose(found.before, expected, atol=1e-4)
    assert (found.data.validation.labels == source.labels[rows]).all()


def test_labels_are_mixed_with_the_starts_opinion(prepare) -> None:
    targets = prepare(make_source()).data.train.labels
    assert ((targets <= 0.2) | (targets >= 0.8)).all()
    assert len(np.unique(targets)) > 100
    assert set(np.unique(prepare(make_source(), config=AdaptConfig(opinion=0.0)).data.train.labels)) == {0.0, 1.0}


def test_unlabelled_reviews_get_the_labels_that_the_words_tell(prepare) -> None:
    further = make_source("more", 100, seed=1)
    found = prepare(make_source(), (further,))
    assert len(found.data.train) == 280
    assert ((found.data.train.labels[180:] > 0.5) == (further.labels == 1)).all()
    assert found.data.facts["unlabelled"] == 100


def test_no_copy_of_a_held_out_review_is_learned_from(prepare) -> None:
    source = make_source()
    copies = Source("copies", [text.upper() for text in source.texts], source.labels)
    assert len(prepare(source, (copies,)).data.train) == 180 + 180


def test_rows_without_a_label_are_unlabelled(prepare) -> None:
    source = make_source(count=300)
    source.labels[240:] = -1
    assert len(prepare(source).data.train) == 180 + 60


@pytest.mark.parametrize(
    ("count", "negative", "message"),
    [
        (150, 75, "150 labelled reviews, at least 200 are needed"),
        (240, 0, "all 240 labelled reviews are positive"),
        (240, 1, "no negative review among the"),
    ],
)
def test_too_little_to_learn_from_is_an_error(prepare, count, negative, message) -> None:
    source = make_source(count=count)
    source.labels[:] = np.arange(count) >= negative
    with pytest.raises(InputError, match=f"mine.csv: {message}"):
        prepare(source)
