from __future__ import annotations

import onnx

from sentscore_export.export import export
from sentscore_export.parity import ParityConfig

SMALL = ParityConfig(batches=8, max_batch=6, max_tokens=50)


def test_the_graph_has_dynamic_axes_and_no_external_data(make_run, tmp_path) -> None:
    export(make_run("lstm"), tmp_path / "out", parity=SMALL)
    model = onnx.load(tmp_path / "out" / "model.onnx")
    shapes = {
        value.name: [dimension.dim_param for dimension in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "token_ids": ["batch", "tokens"], "lengths": ["batch"], "logit": ["batch"], "probability": ["batch"],
    }  # fmt: skip
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


def test_the_same_checkpoint_gives_the_same_bytes(make_run, tmp_path) -> None:
    run = make_run("lstm")
    for name in ("a", "b"):
        export(run, tmp_path / name, name="lstm", parity=SMALL)
    assert (tmp_path / "a/model.onnx").read_bytes() == (tmp_path / "b/model.onnx").read_bytes()
    assert (tmp_path / "a/manifest.json").read_bytes() == (tmp_path / "b/manifest.json").read_bytes()
