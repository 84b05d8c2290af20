from __future__ import annotations

import numpy as np
import pytest

from sentscore.model.runtime import load_onnxruntime
from sentscore_export.graphs.build import build_graph
from sentscore_train.models.classifier import Architecture, SentimentClassifier
from sentscore_train.models.weights import to_tensors

onnxruntime = load_onnxruntime()


@pytest.fixture
def architecture() -> Architecture:
    return Architecture("gru", 30, 5, hidden_size=8)


@pytest.fixture
def tensors(architecture) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in to_tensors(SentimentClassifier(architecture)).items()}


def run(architecture: Architecture, tensors: dict[str, np.ndarray]) -> np.ndarray:
    graph = build_graph(architecture, tensors, temperature=1.0, metadata={}, precision="int8")
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(2)
    lengths = random.integers(1, 21, 10, dtype=np.int32)
    return session.run(["logit"], {"token_ids": random.integers(0, 30, (10, 20), dtype=np.int32), "lengths": lengths})[
        0
    ]


def test_the_range_of_an_embeddings_number_is_folded_into_the_weights(architecture, tensors) -> None:
    """A number that is 1,024 times as small, with weights 1,024 times as large, loses nothing."""
    expected = run(architecture, tensors)
    tensors["embedding.weight"][:, 2] /= 1024
    for direction in ("forward", "backward"):
        tensors[f"layers.0.{direction}.weight_ih"][:, 2] *= 1024
    assert np.array_equal(run(architecture, tensors), expected)


def test_a_number_that_is_0_for_every_token_is_no_error(architecture, tensors) -> None:
    tensors["embedding.weight"][:, 1] = 0.0
    expected = run(architecture, tensors)
    for direction in ("forward", "backward"):
        tensors[f"layers.0.{direction}.weight_ih"][:, 1] = 0.0
    assert np.isfinite(expected).all()
    assert np.array_equal(run(architecture, tensors), expected)
