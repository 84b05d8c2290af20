from __future__ import annotations

import numpy as np
import pytest
import torch

from sentscore_train.models.classifier import Architecture, Cell, SentimentClassifier
from sentscore_train.models.weights import load_tensors, to_tensors
from sentscore_train.notebook.model import NotebookClassifier, start_from_vectors


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_exported_weights_give_the_same_logit_without_padding(kind: Cell) -> None:
    torch.manual_seed(0)
    model = NotebookClassifier(
        kind, vocab_size=20, embedding_dim=5, hidden_size=6, num_layers=2, dropout=0.5, pad_id=1
    ).eval()
    other = SentimentClassifier(Architecture(kind, 20, 5, 6, 2, ("last",))).eval()
    load_tensors(other, to_tensors(model))
    ids = torch.from_numpy(np.random.default_rng(0).integers(2, 20, (7, 3)))
    with torch.inference_mode():
        torch.testing.assert_close(model(ids), other(ids.t(), torch.full((3,), 7)))


def test_special_tokens_start_at_zero() -> None:
    model = NotebookClassifier(
        "lstm", vocab_size=4, embedding_dim=2, hidden_size=3, num_layers=1, dropout=0.5, pad_id=1
    )
    start_from_vectors(model, torch.arange(8.0).reshape(4, 2), unk_id=0, pad_id=1)
    assert model.embedding.weight.tolist() == [[0, 0], [0, 0], [4, 5], [6, 7]]
