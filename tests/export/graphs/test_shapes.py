"""Models of every shape that is exported: torch's scores, and the same bits in every batch, in each precision."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from sentscore.model.artifact import Artifact, load_artifact
from sentscore.model.options import PRECISIONS
from sentscore.model.session import Session
from sentscore_export.export import export
from sentscore_export.parity import ParityConfig
from sentscore_train.models.classifier import SentimentClassifier
from sentscore_train.training import checkpoint

SHAPES = [("lstm", 1, 48), ("gru", 1, 48), ("lstm", 2, 96), ("gru", 2, 64)]
LENGTHS = np.array([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65], np.int32)


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def artifact(request, make_run, tmp_path_factory) -> Artifact:
    kind, layers, hidden = request.param
    sizes = {"num_layers": layers, "hidden_size": hidden, "embedding_dim": 20, "pooling": ("max", "mean", "last")}
    run: Path = make_run(kind, **sizes)
    # Random weights as large as those of `make_run` would make so wide a network chaotic.
    tensors = checkpoint.read_tensors(run / "best.safetensors")
    scaled = {
        name: weights / math.sqrt(weights.shape[-1]) if weights.ndim == 2 and "embedding" not in name else weights
        for name, weights in tensors.items()
    }
    checkpoint.write_tensors(run / "best.safetensors", scaled)
    out: Path = tmp_path_factory.mktemp("shapes") / kind
    parity = ParityConfig(batches=5, max_batch=6, max_tokens=70)
    export(run, out, precisions=["int8", "fp16"], parity=parity)  # compares with torch
    return load_artifact(out)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_neither_the_batch_nor_its_padding_changes_a_bit(artifact, precision) -> None:
    session = Session(artifact, device="cpu", precision=precision)
    random = np.random.default_rng(1)
    texts = [random.integers(0, 36, length, dtype=np.int32) for length in LENGTHS]
    alone = [session.run(text[None], np.array([len(text)], np.int32))[0][0] for text in texts]
    assert len(set(alone)) == len(alone)
    for size, tokens in ((15, 65), (7, 66), (3, 67), (1, 68), (5, 131), (2, 300)):
        rows = random.permutation(len(texts))[:size]
        ids = random.integers(0, 36, (size, tokens), dtype=np.int32)
        for row, text in zip(ids, rows, strict=True):
            row[: LENGTHS[text]] = texts[text]
        assert session.run(ids, LENGTHS[rows])[0].tolist() == [alone[row] for row in rows]


def test_the_embedding_is_stored_in_half_the_bytes_and_read_back_as_it_is(artifact) -> None:
    stored = {}
    for precision in ("fp32", "fp16"):
        graph = onnx.load_model_from_string(artifact.graphs[precision]).graph
        [stored[precision]] = [tensor for tensor in graph.initializer if tensor.name == "embedding"]
        assert stored[precision].data_type == TensorProto.FLOAT16
        assert all(node.op_type != "Cast" or node.input[0] != "embedding" for node in graph.node)
    assert stored["fp16"].data_location == TensorProto.EXTERNAL
    table = onnx.numpy_helper.to_array(stored["fp32"]).astype(np.float32)
    read = SentimentClassifier.from_artifact(artifact).embedding.weight.detach().numpy()
    assert read.dtype == np.float32
    assert np.array_equal(read, table)


def test_an_embedding_beyond_the_range_of_float16_stays_in_float32(make_run, tmp_path) -> None:
    run = make_run("lstm")
    tensors = checkpoint.read_tensors(run / "best.safetensors")
    tensors["embedding.weight"][3, 0] = 1e5
    checkpoint.write_tensors(run / "best.safetensors", tensors)
    export(
        run, tmp_path / "out", precisions=["int8", "fp16"], parity=ParityConfig(batches=5, max_batch=6, max_tokens=9)
    )
    graph = onnx.load(tmp_path / "out" / "model.onnx").graph
    assert [tensor.data_type for tensor in graph.initializer if tensor.name == "embedding"] == [TensorProto.FLOAT]
    weights = SentimentClassifier.from_artifact(tmp_path / "out").embedding.weight
    assert weights[3, 0] == 1e5
