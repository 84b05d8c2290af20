from __future__ import annotations

import re
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from robustness import SARCASM, SHORT_TEXTS, ShortText, is_right, read_short_texts
from sentscore.model.artifact import find_artifacts
from sentscore.scorer import Scorer

CATEGORIES = {
    "plain",
    "negation",
    "contrast",
    "comparison",
    "intensity",
    SARCASM,
    "question/wish",
    "noisy",
}


@pytest.fixture(scope="module")
def texts() -> list[ShortText]:
    return read_short_texts(SHORT_TEXTS)


def test_there_are_enough_texts_of_every_category_and_both_labels(texts) -> None:
    assert len(texts) >= 220
    assert {text.category for text in texts} == CATEGORIES
    counts = Counter((text.category, text.label) for text in texts)
    for category in CATEGORIES:
        assert min(counts[category, 0], counts[category, 1]) >= 12
        assert counts[category, 0] == counts[category, 1]


def test_texts_are_short_and_no_two_are_alike(texts) -> None:
    assert all(text.text == text.text.strip() and len(text.text) <= 160 for text in texts)
    words = [frozenset(re.findall(r"[a-z0-9']+", text.text.lower())) for text in texts]
    for (one, its), (other, others) in combinations(zip(texts, words, strict=True), 2):
        assert len(its & others) < 0.5 * len(its | others), (one.text, other.text)


@pytest.mark.parametrize("model", [path.name for path in find_artifacts()])
def test_a_shipped_model_scores_them_all_and_has_seven_in_ten_right_but_for_sarcasm(model, texts) -> None:
    scores = Scorer.load(model, device="cpu", precision="fp32", threads=1).score([text.text for text in texts])
    assert np.isfinite(scores).all()
    assert ((scores > 0) & (scores < 1)).all()
    meant = np.array([text.category != SARCASM for text in texts])
    # The lstm has 74 % of them right and the gru 76 %. The floor leaves room for another training, of long reviews of
    # films alone; a broken path from text to score falls far below it.
    assert is_right(scores, texts)[meant].mean() > 0.70
