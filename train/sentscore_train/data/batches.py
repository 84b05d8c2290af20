"""Cuts encoded reviews into padded batches of like length, in an order that the seed and epoch decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sentscore.model.batching import pad_batch
from sentscore.text.encoder import EncodedTexts
from sentscore.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Batch:
    """Padded reviews.

    Attributes:
        token_ids: int64 [B, T].
        lengths: int64 [B].
        labels: float32 [B], from 0 to 1.
    """

    token_ids: Tensor
    lengths: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        return Batch(self.token_ids.to(device), self.lengths.to(device), self.labels.to(device))


@dataclass(frozen=True)
class LabelledTexts:
    """Encoded reviews with labels [n]: int8, 0 (negative) and 1 (positive), or float32, the probability of 1."""

    encoded: EncodedTexts
    labels: npt.NDArray[np.int8] | npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, rows: npt.NDArray[np.int64], pad_id: int) -> Batch:
        """The rows [B] padded to the longest of them; a text without tokens becomes one `pad_id`."""
        token_ids, lengths = pad_batch(self.encoded, rows, pad_id)
        return Batch(
            torch.from_numpy(token_ids).long(),
            torch.from_numpy(lengths).long(),
            torch.from_numpy(self.labels[rows].astype(np.float32)),
        )


@dataclass(frozen=True)
class TrainingData:
    """What a model is trained on.

    Attributes:
        vocabulary: The vocabulary of the ids.
        train: The encoded reviews to learn from.
        validation: The encoded reviews of other movies, by which the epoch and the temperature are chosen.
        vectors: The word vectors that the embedding starts from, float32 [V, E].
        facts: Sizes, split and source, for the model card.
    """

    vocabulary: Vocabulary
    train: LabelledTexts
    validation: LabelledTexts
    vectors: npt.NDArray[np.float32]
    facts: dict[str, Any]


def training_order(
    lengths: npt.NDArray[np.int64], *, batch_size: int, bucket_batches: int, seed: int, epoch: int
) -> list[npt.NDArray[np.int64]]:
    """The rows of each batch of an epoch: all rows shuffled, sorted by length inside buckets, batches shuffled.

    The same seed and epoch give the same order, so that a resumed run need not remember it.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    size = batch_size * bucket_batches
    batches: list[npt.NDArray[np.int64]] = []
    for start in range(0, len(order), size):
        bucket = order[start : start + size]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        batches.extend(bucket[begin : begin + batch_size] for begin in range(0, len(bucket), batch_size))
    return [batches[index] for index in random.permutation(len(batches))]
