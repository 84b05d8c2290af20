"""Puts encoded reviews of like length into padded batches, in an order that the seed and the epoch decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sentscore.model.batching import pad_batch
from sentscore.text.encoder import EncodedTexts
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.corpus import Domain


@dataclass(frozen=True)
class Batch:
    """Padded reviews and their labels.

    Attributes:
        token_ids: int64 [B, T] The token ids.
        lengths: int64 [B] The tokens of each review without the padding.
        labels: float32 [B] The labels, from 0 to 1.
    """

    token_ids: Tensor
    lengths: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on another device."""
        return Batch(self.token_ids.to(device), self.lengths.to(device), self.labels.to(device))


@dataclass(frozen=True)
class LabelledTexts:
    """Encoded reviews with labels.

    Attributes:
        encoded: [n] The reviews.
        labels: int8 [n] 0 for negative and 1 for positive, or float32 [n] the probability of 1.
        domain_ids: int16 [n] The index of each review's kind in `TrainingData.domains`; None where it is not known.
    """

    encoded: EncodedTexts
    labels: npt.NDArray[np.int8] | npt.NDArray[np.float32]
    domain_ids: npt.NDArray[np.int16] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: npt.NDArray[np.int64]) -> LabelledTexts:
        """Returns the reviews of rows [m]."""
        domain_ids = None if self.domain_ids is None else self.domain_ids[rows]
        return LabelledTexts(self.encoded.take(rows), self.labels[rows], domain_ids)

    def batch(self, rows: npt.NDArray[np.int64], pad_id: int) -> Batch:
        """Returns the reviews of rows [B], padded to the longest of them. One without tokens becomes one `pad_id`."""
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
        facts: Sizes, split and sources, for the model card.
        domains: The kinds of review that `domain_ids` count.
        quotable: The texts [v] of the validation reviews that the model card may quote from, those that are published;
            an empty one for each other. Empty if there are none.
        pretrained: The weights that the layers and the embedding start from, float32, under the checkpoint's names
            without those of the head; None where the layers start at random and the embedding from `vectors`.
    """

    vocabulary: Vocabulary
    train: LabelledTexts
    validation: LabelledTexts
    vectors: npt.NDArray[np.float32]
    facts: dict[str, Any]
    domains: tuple[Domain, ...] = ()
    quotable: Sequence[str] = ()
    pretrained: Mapping[str, npt.NDArray[np.float32]] | None = None

    def source_ids(self, texts: LabelledTexts) -> npt.NDArray[np.int64]:
        """Returns the number of each review's source, int64 [n], counted from 0 in the order of the sources."""
        if texts.domain_ids is None or not self.domains:
            return np.zeros(len(texts), np.int64)
        names = list(dict.fromkeys(domain.source for domain in self.domains))
        return np.array([names.index(domain.source) for domain in self.domains])[texts.domain_ids]


def draw_shares(
    source_ids: npt.NDArray[np.int64], shares: Sequence[float], random: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Returns the rows of an epoch in which each source has its share, int64 [m], with m as near to n as can be.

    A source that has more reviews than its share is read in part. One that has fewer is read several times: no review
    is read again before all of its source's are read. How many rows there are depends on the shares alone.

    Args:
        source_ids: int64 [n] The number of each review's source, from 0.
        shares: The share of each source, in any unit.
        random: The generator that draws.
    """
    drawn = []
    for source, share in enumerate(shares):
        rows = np.flatnonzero(source_ids == source)
        count = round(len(source_ids) * share / sum(shares))
        if len(rows):
            rounds, rest = divmod(count, len(rows))
            drawn += [*[rows] * rounds, random.permutation(rows)[:rest]]
    return np.sort(np.concatenate(drawn))


def order_batches(
    lengths: npt.NDArray[np.int64], *, batch_size: int, bucket_batches: int, seed: int, epoch: int
) -> list[npt.NDArray[np.int64]]:
    """Returns the rows of each batch of an epoch, in the order in which they are read.

    All rows are shuffled and put into buckets of `bucket_batches` batches. Each bucket is sorted by length and cut into
    batches, and the batches of all buckets are shuffled. The same seed and epoch give the same order, so that a
    resumed run need not remember it.

    Args:
        lengths: int64 [n] The tokens of each review.
        batch_size: The reviews of a batch.
        bucket_batches: The batches of a bucket.
        seed: The seed of the run.
        epoch: The epoch, from 0.
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
