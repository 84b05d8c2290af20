"""Measures how far an artifact's float32 graph is from the torch module of the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from sentscore.errors import ArtifactError
from sentscore.model.artifact import Artifact
from sentscore.model.batching import pad_batch
from sentscore.model.session import Session
from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import EncodedTexts
from sentscore_train.models.classifier import SentimentClassifier

Batch = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""Token ids [B, T] and lengths [B]."""

RELEASED_BATCHES: Final = 500
"""The batches on which a model that others are given is compared with torch. They take some minutes."""


class ParityError(ArtifactError):
    """ONNX Runtime's logits differ from torch's by more than the tolerance."""


@dataclass(frozen=True)
class ParityConfig:
    """Which texts are compared.

    Attributes:
        batches: The number of batches. Every second one holds real reviews, if there are any. The default takes half a
            minute with 2 x 128 units on a core; a released model is compared on `RELEASED_BATCHES`.
        max_batch: The most texts in a batch.
        max_tokens: The most tokens of a text.
        tolerance: The largest absolute difference of two logits that still counts as the same.
        seed: The seed of sizes, ids and padding.
    """

    batches: int = 40
    max_batch: int = 64
    max_tokens: int = 2_000
    tolerance: float = 1e-5
    seed: int = 1234


@dataclass(frozen=True)
class Parity:
    """How far the two are apart.

    Attributes:
        batches: The number of batches compared.
        texts: The number of texts in them.
        real_texts: How many of these texts are real reviews.
        worst_logit: The largest absolute difference of two logits.
        worst_probability: The largest absolute difference of two probabilities.
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
    reviews: EncodedTexts | None = None,
    config: ParityConfig | None = None,
    report: Report = silent,
) -> Parity:
    """Runs the same batches through torch and through ONNX Runtime, both on the CPU in float32.

    The first batches have the largest and the smallest sizes. Further sizes are drawn evenly on a log scale. A batch's
    texts differ in length, and their padding is random ids.

    Args:
        model: The torch module.
        artifact: The artifact whose float32 graph is compared.
        reviews: Real reviews, encoded with the artifact's vocabulary. None takes random ids alone.
        config: Which texts are compared. None takes the defaults.
        report: Called as the work goes on.

    Raises:
        ParityError: A logit differs by more than the tolerance, or is not a number.
    """
    config = config or ParityConfig()
    session = Session(artifact, device="cpu", precision="fp32")
    temperature = artifact.manifest.calibration["temperature"]
    model.eval()
    texts = real_texts = tokens_done = 0
    logit_differences, probability_differences = [], []
    # A batch takes from a millisecond to seconds, so only their tokens tell the time left. To make all batches once
    # more takes less time than one of them in torch.
    tokens = sum(token_ids.size for (token_ids, _), _ in _make_batches(model, reviews, config))
    phase = f"comparing {config.batches:,} batches with torch, tokens"
    report(Progress(phase, 0, tokens))
    for (token_ids, lengths), is_real in _make_batches(model, reviews, config):
        with torch.inference_mode():
            expected = model(torch.from_numpy(token_ids).long(), torch.from_numpy(lengths).long())
        expected_probability = torch.sigmoid(expected / temperature).numpy()
        logit, probability = session.run(token_ids, lengths)
        logit_differences.append(np.abs(logit - expected.numpy()).max())
        probability_differences.append(np.abs(probability - expected_probability).max())
        texts += len(lengths)
        real_texts += len(lengths) if is_real else 0
        tokens_done += token_ids.size
        report(Progress(phase, tokens_done, tokens))
    worst_logit = float(np.max(logit_differences))  # NaN if any is
    if not worst_logit <= config.tolerance:
        raise ParityError(
            f"{artifact.path}: a logit of the graph is {worst_logit:.2e} off torch's, {config.tolerance:.0e} is "
            "allowed: check the versions of torch and onnxruntime"
        )
    return Parity(config.batches, texts, real_texts, worst_logit, float(np.max(probability_differences)))


def _make_batches(
    model: SentimentClassifier, reviews: EncodedTexts | None, config: ParityConfig
) -> Iterator[tuple[Batch, bool]]:
    """Yields batches, and whether each is of real reviews."""
    random = np.random.default_rng(config.seed)
    vocab_size = model.architecture.vocab_size
    corners = [
        (config.max_batch, config.max_tokens),
        (1, config.max_tokens),
        (config.max_batch, 1),
        (1, 1),
    ]
    usable = np.zeros(0, np.int64) if reviews is None else np.flatnonzero(reviews.lengths)
    for number in range(config.batches):
        if number < len(corners):
            size, longest = corners[number]
        else:
            size, longest = (_draw_size(random, most) for most in (config.max_batch, config.max_tokens))
        is_real = number % 2 == 1 and number >= len(corners) and len(usable) > 0
        if reviews is not None and is_real:
            token_ids, lengths = pad_batch(reviews, random.choice(usable, size), 0)
            token_ids = np.ascontiguousarray(token_ids[:, : config.max_tokens])
            lengths = np.minimum(lengths, config.max_tokens).astype(np.int32)
        else:
            lengths = random.integers(1, longest + 1, size, dtype=np.int32)
            lengths[0] = longest
            token_ids = random.integers(0, vocab_size, (size, longest), dtype=np.int32)
        outside = np.arange(token_ids.shape[1]) >= lengths[:, None]
        token_ids[outside] = random.integers(0, vocab_size, int(outside.sum()), dtype=np.int32)
        yield (token_ids, lengths), is_real


def _draw_size(random: np.random.Generator, most: int) -> int:
    """Draws a size from 1 to `most`, evenly on a log scale."""
    return int(np.exp(random.uniform(0.0, np.log(most + 1))))
