from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from sentscore import ArtifactError, Scorer, UsageError
from sentscore.model.artifact import load_artifact
from sentscore.model.session import Session
from sentscore_export.export import export
from sentscore_export.graphs.fp16 import build_fp16_graph
from sentscore_export.parity import ParityConfig

SMALL = ParityConfig(batches=6, max_batch=6, max_tokens=50)


@pytest.fixture(scope="module", params=[("lstm", ("max", "mean", "last")), ("gru", ("last",)), ("gru", ("max",))])
def folder(request, make_run, tmp_path_factory) -> Path:
    kind, pooling = request.param
    out = tmp_path_factory.mktemp("fp16") / kind
    run = make_run(kind, pooling=pooling)
    export(run, out, precisions=["fp16"], parity=SMALL)
    return out


def ragged() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    lengths = random.integers(1, 61, 40, dtype=np.int32)
    return random.integers(0, 36, (40, 60), dtype=np.int32), lengths


def test_scores_are_those_of_rounded_weights(folder) -> None:
    artifact = load_artifact(folder)
    expected, found = (Session(artifact, device="cpu", precision=each).run(*ragged())[0] for each in ("fp32", "fp16"))
    difference = np.abs(found - expected)
    assert 0 < difference.max() < 0.02 * expected.std()


def test_weights_stand_in_the_float32_graph_alone(folder) -> None:
    assert (folder / "model.fp16.onnx").stat().st_size < 12_000
    model = onnx.load(folder / "model.fp16.onnx", load_external_data=False)
    external = [tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]
    assert len(external) == 7  # the embedding, and W, R and B of two layers
    assert {entry.value for tensor in external for entry in tensor.external_data if entry.key == "location"} == {
        "model.onnx"
    }


def test_every_recurrent_layer_computes_in_float16_and_the_head_in_float32(folder) -> None:
    model = onnx.load(folder / "model.fp16.onnx")  # reads model.onnx beside it
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    recurrent = [node for node in model.graph.node if node.op_type in ("LSTM", "GRU")]
    assert len(recurrent) == 2
    for node in recurrent:
        assert {types[name] for name in [*node.input[:4], node.output[0]]} == {TensorProto.FLOAT16}
    assert types["weighted"] == TensorProto.FLOAT


def test_the_bytes_that_were_verified_are_the_weights(folder, tmp_path) -> None:
    """The weights do not come from the folder: one that has gone or changed since makes no difference."""
    artifact = load_artifact(folder)
    expected = Session(artifact, device="cpu", precision="fp16").run(*ragged())[0]
    elsewhere = replace(artifact, path=tmp_path)
    assert np.array_equal(Session(elsewhere, device="cpu", precision="fp16").run(*ragged())[0], expected)
    graphs = {**artifact.graphs, "fp32": artifact.graphs["fp32"][:1000]}
    with pytest.raises(ArtifactError, match=r"model\.fp16\.onnx: ONNX Runtime cannot load it"):
        Session(replace(artifact, graphs=graphs), device="cpu", precision="fp16")


def test_the_manifest_and_the_card_say_what_it_costs(folder) -> None:
    measured = json.loads((folder / "manifest.json").read_text())["precisions"]["fp16"]
    assert measured["reviews"] == 40
    assert 0 < measured["mean_difference"] <= measured["worst_difference"] < 0.01
    assert "## fp16" in (folder / "README.md").read_text()


def test_it_is_used_on_request_alone(folder, tiny_artifact) -> None:
    assert Scorer.load(folder, device="cpu").precision == "fp32"
    assert Scorer.load(folder, device="cpu", precision="fp16").precision == "fp16"
    with pytest.raises(UsageError, match="has no fp16 graph: use `precision='fp32'`"):
        Scorer.load(tiny_artifact, precision="fp16")


def test_a_weight_that_is_not_in_the_file_is_refused(folder) -> None:
    model = onnx.load(folder / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name == "embedding":
            halves = onnx.numpy_helper.to_array(tensor).ravel()
            tensor.ClearField("raw_data")
            tensor.int32_data.extend(halves.view(np.uint16).tolist())
    with pytest.raises(ValueError, match=r"embedding: not stored as plain bytes in model\.onnx"):
        build_fp16_graph(model.SerializeToString(), "model.onnx")
