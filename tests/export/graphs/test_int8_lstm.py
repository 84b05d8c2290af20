from __future__ import annotations

import numpy as np
import onnx
import pytest

from sentscore.model.artifact import load_artifact
from sentscore.model.runtime import load_onnxruntime
from sentscore_export.export import export
from sentscore_export.graphs import int8_lstm
from sentscore_export.parity import ParityConfig
from sentscore_export.precision import BatchDependenceError

onnxruntime = load_onnxruntime()

SMALL = ParityConfig(batches=6, max_batch=6, max_tokens=50)
SIZES = {"embedding_dim": 12, "hidden_size": 24}


def test_the_pinned_units_hold_the_bounds_at_every_token(make_run, tmp_path) -> None:
    export(make_run("lstm", **SIZES), tmp_path / "out", precisions=["int8"], parity=SMALL)
    graph = onnx.load_model_from_string(load_artifact(tmp_path / "out").graphs["int8"])
    graph.graph.output.extend(
        onnx.helper.make_tensor_value_info(f"states_{layer}", onnx.TensorProto.FLOAT, None) for layer in range(2)
    )
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(5).integers(0, 36, (3, 2_000), dtype=np.int32)
    for states in session.run(["states_0", "states_1"], {"token_ids": ids, "lengths": np.full(3, 2_000, np.int32)}):
        assert states.shape == (2_000, 2, 3, SIZES["hidden_size"] + int8_lstm.PINS)
        assert (states[..., -2] == -1.0).all()
        assert (states[..., -1] == 1.0).all()
        assert np.abs(states[..., :-2]).max() <= 1.0


def test_without_the_pins_batches_do_change_scores(make_run, tmp_path, monkeypatch) -> None:
    """The pins are what does it: with units of 0 in their place the exporter refuses."""
    monkeypatch.setattr(int8_lstm, "_SATURATED", 0.0)
    with pytest.raises(BatchDependenceError, match="int8 scores depend on the batch: nothing was written"):
        export(make_run("lstm", **SIZES), tmp_path / "out", precisions=["int8"], parity=SMALL)
    assert list(tmp_path.iterdir()) == []
