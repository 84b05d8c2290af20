"""The tutorial notebook's network: a bidirectional LSTM or GRU without packing, whose last states are read."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from sentscore_train.models.classifier import Architecture, Cell
from sentscore_train.models.weights import NamedWeights


class NotebookClassifier(NamedWeights):
    """Makes one logit of a review: embedding, recurrent layers, the last state of both directions, a linear head.

    The layers run over the padding too, as in the notebook, so that a review's logit depends on the reviews in its
    batch. An exported model stops at each review's end instead.
    """

    def __init__(
        self,
        cell: Cell,
        *,
        vocab_size: int,
        embedding_dim: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        pad_id: int,
    ) -> None:
        super().__init__()
        self.architecture = Architecture(cell, vocab_size, embedding_dim, hidden_size, num_layers, ("last",))
        recurrent: type[nn.LSTM] | type[nn.GRU] = nn.LSTM if cell == "lstm" else nn.GRU
        self.embedding = nn.Embedding(vocab_size, embedding_dim, padding_idx=pad_id)
        self.rnn = recurrent(
            embedding_dim,
            hidden_size,
            num_layers=num_layers,
            bidirectional=True,
            dropout=dropout if num_layers > 1 else 0.0,  # torch warns about dropout between layers of one
        )
        self.fc = nn.Linear(2 * hidden_size, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, text: Tensor) -> Tensor:
        """Returns the logits, float [B], of token ids, int64 [T, B]."""
        embedded = self.dropout(self.embedding(text))  # [T, B, E]
        _, state = self.rnn(embedded)
        hidden = state[0] if self.architecture.cell == "lstm" else state  # [layers * 2, B, H]
        last = self.dropout(torch.cat([hidden[-2], hidden[-1]], dim=1))  # [B, 2H], forward and backward
        logits: Tensor = self.fc(last).squeeze(1)
        return logits

    @staticmethod
    def checkpoint_name(name: str) -> str:
        """Returns a weight's name in a checkpoint: `layers.0.backward.weight_hh` for `rnn.weight_hh_l0_reverse`."""
        match = re.fullmatch(r"rnn\.(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)(_reverse)?", name)
        if match:
            return f"layers.{match[2]}.{'backward' if match[3] else 'forward'}.{match[1]}"
        return name.replace("fc.", "head.")


def start_from_vectors(model: NotebookClassifier, vectors: Tensor, *, unk_id: int, pad_id: int) -> None:
    """Puts word vectors, float32 [V, E], into the embedding, and zeros for `<unk>` and `<pad>`."""
    with torch.no_grad():
        model.embedding.weight.copy_(vectors)
        model.embedding.weight[[unk_id, pad_id]] = 0.0
