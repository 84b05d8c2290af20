"""Compares an exported graph with the torch module that it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from sentscore.model.artifact import Artifact
from sentscore.model.batching import padded
from sentscore.model.session import Session
from sentscore.text.encoder import EncodedTexts
from sentscore_train.models.classifier import SentimentClassifier

Batch = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]


@dataclass(frozen=True)
class ParityConfig:
    """What is compared.

    Attributes:
        batches: batches in all; every second one is of real reviews where there are any.
        max_batch: most texts in a batch.
        max_tokens: longest text.
        tolerance: largest absolute difference of two logits that still counts as the same.
        seed: of sizes, ids and padding.
    """

    batches: int = 500
    max_batch: int = 64
    max_tokens: int = 2_000
    tolerance: float = 1e-5
    seed: int = 1234


@dataclass(frozen=True)
class Parity:
    """What was found.

    Attributes:
        batches: compared.
        texts: in them.
        real_texts: of those, real reviews.
        worst_logit: largest absolute difference of two logits.
        worst_probability: largest absolute difference of two probabilities.
    """

    batches: int
    texts: int
    real_texts: int
    worst_logit: float
    worst_probability: float


def compare(
    model: SentimentClassifier,
    artifact: Artifact,
    *,
    temperature: float,
    reviews: EncodedTexts,
    config: ParityConfig,
    progress: Callable[[int, int], None] | None = None,
) -> Parity:
    """Runs the same batches through torch and through ONNX Runtime, both on the CPU in float32.

    Sizes are drawn evenly on a log scale between 1 and the largest, which comes first; batches are ragged, and their
    padding is random ids.

    Args:
        model: the torch module.
        artifact: the exported graph.
        temperature: of the probability.
        reviews: real reviews; may be none.
        config: sizes and seed.
        progress: called with (batches done, batches in all).
    """
    session = Session(artifact, device="cpu", precision="fp32")
    model.eval()
    texts = real = 0
    worst_logit = worst_probability = 0.0
    for done, ((token_ids, lengths), is_real) in enumerate(_batches(model, reviews, config), 1):
        with torch.inference_mode():
            expected = model(torch.from_numpy(token_ids).long(), torch.from_numpy(lengths).long())
        probability = torch.sigmoid(expected / temperature).numpy()
        found, found_probability = session.run(token_ids, lengths)
        worst_logit = max(worst_logit, float(np.abs(found - expected.numpy()).max()))
        worst_probability = max(worst_probability, float(np.abs(found_probability - probability).max()))
        texts += len(lengths)
        real += len(lengths) if is_real else 0
        if progress is not None:
            progress(done, config.batches)
    return Parity(config.batches, texts, real, worst_logit, worst_probability)


def _batches(model: SentimentClassifier, reviews: EncodedTexts, config: ParityConfig) -> Iterator[tuple[Batch, bool]]:
    random = np.random.default_rng(config.seed)
    vocab_size = model.architecture.vocab_size
    corners = [
        (config.max_batch, config.max_tokens),
        (1, config.max_tokens),
        (config.max_batch, 1),
        (1, 1),
    ]
    usable = np.flatnonzero(reviews.lengths)
    for number in range(config.batches):
        if number < len(corners):
            size, longest = corners[number]
        else:
            size, longest = (_log_uniform(random, most) for most in (config.max_batch, config.max_tokens))
        is_real = number % 2 == 1 and number >= len(corners) and len(usable) > 0
        if is_real:
            rows = random.choice(usable, size)
            token_ids, lengths = padded(reviews, rows, 0)
            token_ids = np.ascontiguousarray(token_ids[:, : config.max_tokens])
            lengths = np.minimum(lengths, config.max_tokens).astype(np.int32)
        else:
            lengths = random.integers(1, longest + 1, size, dtype=np.int32)
            lengths[0] = longest
            token_ids = random.integers(0, vocab_size, (size, longest), dtype=np.int32)
        outside = np.arange(token_ids.shape[1]) >= lengths[:, None]
        token_ids[outside] = random.integers(0, vocab_size, int(outside.sum()), dtype=np.int32)
        yield (token_ids, lengths), is_real


def _log_uniform(random: np.random.Generator, most: int) -> int:
    return int(np.exp(random.uniform(0.0, np.log(most + 1))))
