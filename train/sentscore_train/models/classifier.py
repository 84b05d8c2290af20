"""The BiLSTM and BiGRU classifiers, whose logits do not depend on the padding behind a text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from sentscore.errors import ArtifactError
from sentscore.model.artifact import Artifact, load_artifact
from sentscore_train.models.weights import NamedWeights, load_tensors, read_onnx_weights

Cell = Literal["lstm", "gru"]
Pooling = Literal["max", "mean", "last"]
MASKED: Final = -1e4
"""The value of padded places in max pooling. The outputs of both cells lie in [-1, 1]."""


@dataclass(frozen=True)
class Architecture:
    """The numbers that shape a checkpoint's tensors.

    Attributes:
        cell: The recurrent cell, `lstm` or `gru`.
        vocab_size: The rows of the embedding.
        embedding_dim: The columns of the embedding.
        hidden_size: The units of each direction.
        num_layers: The number of bidirectional layers.
        pooling: How the last layer's outputs become one vector: `max` or `mean` over the tokens, or `last`, the last
            state of each direction. Several poolings are concatenated.
    """

    cell: Cell
    vocab_size: int
    embedding_dim: int
    hidden_size: int = 256
    num_layers: int = 2
    pooling: tuple[Pooling, ...] = ("max",)

    @property
    def pooled_size(self) -> int:
        """The number of the head's inputs."""
        return 2 * self.hidden_size * len(self.pooling)

    @property
    def gates(self) -> int:
        """The number of blocks of `hidden_size` rows in a weight matrix: 4 in an LSTM, 3 in a GRU."""
        return 4 if self.cell == "lstm" else 3

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Architecture:
        """Returns the architecture that `dataclasses.asdict` made a dict of. Older runs call the cell `name`."""
        renamed = {"cell" if name == "name" else name: value for name, value in fields.items()}
        return cls(**{**renamed, "pooling": tuple(fields["pooling"])})


@dataclass(frozen=True)
class Dropout:
    """The shares that are dropped in training.

    Attributes:
        word: The share of tokens that `<unk>` replaces, so that `<unk>` learns to stand for any token.
        embedding: The share of the embeddings' numbers.
        between: The share of the numbers between two layers.
        head: The share of the pooled numbers.
    """

    word: float = 0.0
    embedding: float = 0.0
    between: float = 0.0
    head: float = 0.0


class BidirectionalLayer(nn.Module):
    """One LSTM or GRU layer over both directions, which padding at the end of a text does not change.

    The backward direction is a forward one over the reversed text. The padding stays at the end, where it cannot
    change an earlier output. On a CPU this is several times faster than packed sequences.
    """

    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU], input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.fwd = cell(input_size, hidden_size)
        self.bwd = cell(input_size, hidden_size)

    def forward(self, x: Tensor, reversal: Tensor) -> Tensor:
        """Returns [T, B, 2 * hidden] for x [T, B, input]; `reversal` is that of `reverse`."""
        forward = self.fwd(x)[0]
        backward = self.bwd(reverse(x, reversal))[0]
        return torch.cat([forward, reverse(backward, reversal)], dim=-1)


class SentimentClassifier(NamedWeights):
    """A classifier of embedding, bidirectional layers, pooling over the tokens, and one logit."""

    def __init__(self, architecture: Architecture, dropout: Dropout | None = None, *, unk_id: int = 0) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.rates = dropout or Dropout()
        self.unk_id = unk_id
        cell: type[nn.LSTM] | type[nn.GRU] = nn.LSTM if a.cell == "lstm" else nn.GRU
        self.embedding = nn.Embedding(a.vocab_size, a.embedding_dim)
        sizes = [a.embedding_dim] + [2 * a.hidden_size] * (a.num_layers - 1)
        self.layers = nn.ModuleList(BidirectionalLayer(cell, size, a.hidden_size) for size in sizes)
        self.head = nn.Linear(a.pooled_size, 1)
        if a.cell == "lstm":
            self._open_forget_gates()

    @classmethod
    def from_artifact(cls, model: str | Path | Artifact) -> SentimentClassifier:
        """Builds the module from the weights inside an exported `model.onnx`, ready to predict with.

        Args:
            model: A shipped model's name, an exported model's folder, or an artifact that is loaded.

        Raises:
            ArtifactError: The artifact is missing or damaged, or its weights do not fit its architecture.
        """
        artifact = model if isinstance(model, Artifact) else load_artifact(model)
        tensors = read_onnx_weights(artifact)
        try:
            classifier = cls(Architecture.from_dict(artifact.manifest.architecture))
            load_tensors(classifier, tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ArtifactError(
                f"{artifact.path}: its weights do not fit its architecture ({reason}): export the model again"
            ) from error
        return classifier.eval()

    def forward(self, token_ids: Tensor, lengths: Tensor) -> Tensor:
        """Returns the logits, float32 [B].

        Args:
            token_ids: Token ids, int64 [B, T]. The ids from a text's length on do not matter.
            lengths: Lengths, int64 [B], 1 <= length <= T.
        """
        ids = token_ids.t()  # [T, B]
        place = torch.arange(ids.shape[0], device=ids.device)[:, None]  # [T, 1]
        inside = place < lengths  # [T, B]
        reversal = torch.where(inside, lengths - 1 - place, place)
        if self.training and self.rates.word:
            dropped = torch.rand(ids.shape, device=ids.device) < self.rates.word
            ids = ids.masked_fill(dropped, self.unk_id)
        x = self._drop(self.embedding(ids), self.rates.embedding)  # [T, B, E]
        for number, layer in enumerate(self.layers):
            if number:
                x = self._drop(x, self.rates.between)
            x = layer(x, reversal)  # [T, B, 2H]
        with torch.autocast(ids.device.type, enabled=False):
            pooled = self._drop(self.pool(x.float(), inside, lengths), self.rates.head)
            logit: Tensor = self.head(pooled).squeeze(1)
        return logit

    def pool(self, x: Tensor, inside: Tensor, lengths: Tensor) -> Tensor:
        """Pools x [T, B, 2H] to [B, 2H * poolings] over the places `inside` [T, B] the texts."""
        hidden = self.architecture.hidden_size
        parts = []
        for pooling in self.architecture.pooling:
            if pooling == "max":
                parts.append(x.masked_fill(~inside[..., None], MASKED).amax(0))
            elif pooling == "mean":
                parts.append(x.masked_fill(~inside[..., None], 0.0).sum(0) / lengths[:, None])
            else:
                last = (lengths - 1)[None, :, None].expand(1, -1, hidden)
                parts.append(torch.cat([x[..., :hidden].gather(0, last)[0], x[0, :, hidden:]], dim=-1))
        return torch.cat(parts, dim=-1)

    def _open_forget_gates(self) -> None:
        """Sets the biases of the forget gates to 1, so that a new LSTM remembers (Jozefowicz et al. 2015)."""
        hidden = self.architecture.hidden_size
        with torch.no_grad():
            for name, tensor in self.layers.named_parameters():
                if "bias_ih" in name:
                    tensor[hidden : 2 * hidden] = 1.0
                elif "bias_hh" in name:
                    tensor[hidden : 2 * hidden] = 0.0

    def _drop(self, x: Tensor, rate: float) -> Tensor:
        return drop(x, rate) if self.training and rate else x

    @staticmethod
    def checkpoint_name(name: str) -> str:
        """Returns the checkpoint's name: `layers.0.backward.weight_hh` for `layers.0.bwd.weight_hh_l0`."""
        return name.replace(".fwd.", ".forward.").replace(".bwd.", ".backward.").replace("_l0", "")


def drop(x: Tensor, rate: float) -> Tensor:
    """Sets a share of the numbers to 0 and scales the others up, so that the mean stays (Srivastava et al. 2014).

    A byte decides for each number. `nn.functional.dropout` draws a number of 32 bits for each, which takes ten times as
    long on a CPU: an eighth of a step of training.

    Args:
        x: The numbers, of any shape.
        rate: The share, which is rounded to 1/256.
    """
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
    draws = words.random_(-(2**63), None).view(torch.uint8)[: x.numel()].view(x.shape)
    dropped = round(256 * rate)
    return x * (draws >= dropped).to(x.dtype).mul_(256 / (256 - dropped))


def reverse(x: Tensor, reversal: Tensor) -> Tensor:
    """Reverses each text of x [T, B, N] inside its length.

    Args:
        x: The texts, time first.
        reversal: The place that each place is read from, int64 [T, B]; padding stays where it is.
    """
    return x.gather(0, reversal[..., None].expand_as(x))
