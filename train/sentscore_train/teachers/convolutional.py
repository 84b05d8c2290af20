"""A convolutional classifier, a teacher that makes other mistakes than the recurrent ones (Kim 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sentscore_train.models.classifier import MASKED, Dropout


@dataclass(frozen=True)
class ConvolutionConfig:
    """How the classifier is shaped and trained. What is not said here is as in the recipe of the recurrent models.

    Attributes:
        filters: The filters of each width.
        widths: The tokens that a filter sees.
        epochs: The passes over the labelled reviews. More passes are a little better, at minutes each.
        learning_rate: The highest rate, half of the recurrent models'.
        seed: The seed of the weights, the order and dropout.
    """

    filters: int = 256
    widths: tuple[int, ...] = (1, 2, 3, 4, 5)
    epochs: int = 2
    learning_rate: float = 1e-3
    seed: int = 1234


class ConvolutionalClassifier(nn.Module):
    """Convolutions of several widths over the embeddings, their maximum and mean over the tokens, and one logit.

    The convolutions are computed in bf16, whose noise is far below that of dropout. Sums and weights stay float32.

    Args:
        vocab_size: The rows of the embedding.
        embedding_dim: The columns of the embedding.
        config: The filters.
        dropout: The shares that are dropped in training.
        unk_id: The token that stands for dropped words.
    """

    def __init__(
        self, vocab_size: int, embedding_dim: int, config: ConvolutionConfig, dropout: Dropout, *, unk_id: int
    ) -> None:
        super().__init__()
        self.rates = dropout
        self.unk_id = unk_id
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        found = [nn.Conv1d(embedding_dim, config.filters, width) for width in config.widths]
        self.widths = config.widths
        self.weights = nn.ParameterList(each.weight for each in found)
        self.biases = nn.ParameterList(each.bias for each in found)
        self.head = nn.Linear(2 * config.filters * len(config.widths), 1)

    def forward(self, token_ids: Tensor, lengths: Tensor) -> Tensor:
        """Returns the logits, float32 [B].

        Args:
            token_ids: Token ids, int64 [B, T]. The ids from a text's length on do not matter.
            lengths: Lengths, int64 [B], 1 <= length <= T.
        """
        inside = torch.arange(token_ids.shape[1], device=token_ids.device) < lengths[:, None]  # [B, T]
        if self.training and self.rates.word:
            dropped = torch.rand(token_ids.shape, device=token_ids.device) < self.rates.word
            token_ids = token_ids.masked_fill(dropped, self.unk_id)
        x = nn.functional.dropout(self.embedding(token_ids), self.rates.embedding, self.training)
        x = (x * inside[..., None]).transpose(1, 2).bfloat16()  # [B, E, T]
        parts = []
        for width, weight, bias in zip(self.widths, self.weights, self.biases, strict=True):
            padded = nn.functional.pad(x, ((width - 1) // 2, width // 2))
            found = nn.functional.conv1d(padded, weight.bfloat16(), bias.bfloat16()).relu()
            parts.append(found.masked_fill(~inside[:, None], MASKED).amax(-1).float())
            parts.append((found.float() * inside[:, None]).sum(-1) / lengths[:, None])
        pooled = nn.functional.dropout(torch.cat(parts, dim=-1), self.rates.head, self.training)
        logit: Tensor = self.head(pooled).squeeze(1)
        return logit
