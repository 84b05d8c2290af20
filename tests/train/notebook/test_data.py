from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors

from sentscore.errors import InputError
from sentscore_train.notebook import data as module
from sentscore_train.notebook.data import NotebookData, TokenizedReview, build_notebook_data, load_tokens

Reviews = dict[str, list[TokenizedReview]]


@pytest.fixture
def tokenized(reviews: Path, tmp_path: Path) -> Reviews:
    return load_tokens(reviews, tmp_path / "data", allow_partial=True)


def build(tokenized: Reviews, *, size: int, vectors: KeyedVectors | None = None) -> NotebookData:
    return build_notebook_data(tokenized, seed=1234, train_share=0.7, vocabulary_size=size, vectors=vectors)


def test_tokens_are_cached(tokenized: Reviews, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_again(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(module, "_tokenize", not_again)
    assert load_tokens(reviews, tmp_path / "data", allow_partial=True) == tokenized
    assert len(tokenized["train"]) == 40
    assert sum(review.label == "pos" for review in tokenized["test"]) == 6
    assert all(review.tokens[-1] == ">" for review in tokenized["train"])
    (reviews / "test" / "pos" / "1_1.txt").write_text("another text")
    with pytest.raises(AssertionError):
        load_tokens(reviews, tmp_path / "data", allow_partial=True)


def test_a_damaged_cache_is_made_again(tokenized: Reviews, reviews: Path, tmp_path: Path) -> None:
    (cache,) = (tmp_path / "data" / "prepared").iterdir()
    cache.write_bytes(cache.read_bytes()[:-40])
    assert load_tokens(reviews, tmp_path / "data", allow_partial=True) == tokenized


def test_reviews_are_in_order_of_label_and_tokens_wherever_they_stood(tokenized: Reviews) -> None:
    assert tokenized["train"] == sorted(tokenized["train"])
    assert {review.label for review in tokenized["train"][:20]} == {"neg"}


def test_missing_reviews_are_an_input_error(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="12,500 expected"):
        load_tokens(reviews, tmp_path / "data")


def test_the_split_is_the_notebooks(tokenized: Reviews) -> None:
    from torchtext.data import Dataset

    data = build(tokenized, size=9)
    state = random.getstate()
    random.seed(1234)
    rows = Dataset(range(40), []).split(split_ratio=0.7, random_state=random.getstate())
    random.setstate(state)
    for found, expected in zip((data.train, data.validation), rows, strict=True):
        assert [(example.label, example.text) for example in found] == [tokenized["train"][row] for row in expected]
    assert len(data.vocabulary) == 11
    assert dict(data.train.fields["label"].vocab.stoi) == {"neg": 0, "pos": 1}


def test_a_token_without_a_vector_gets_a_drawn_one(tokenized: Reviews) -> None:
    vectors = KeyedVectors(4)
    vectors.add_vectors(["film", "great"], np.arange(8, dtype=np.float32).reshape(2, 4))
    torch.manual_seed(0)
    data = build(tokenized, size=30, vectors=vectors)
    torch.manual_seed(0)
    expected = [
        torch.tensor(vectors[token]) if token in vectors else torch.empty(4).normal_() for token in data.vocabulary
    ]
    assert {"film", "great"} <= set(data.vocabulary)
    assert torch.equal(data.text.vocab.vectors, torch.stack(expected))
