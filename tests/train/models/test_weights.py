from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sentscore.errors import ArtifactError
from sentscore.model.artifact import load_artifact
from sentscore_train.models.classifier import SentimentClassifier
from sentscore_train.models.weights import (
    from_onnx_gates,
    is_half,
    load_tensors,
    round_to_half,
    to_onnx_gates,
    to_tensors,
)
from sentscore_train.training import checkpoint


def read_run(folder) -> dict[str, torch.Tensor]:
    return checkpoint.read_tensors(folder / "best.safetensors")


@pytest.mark.parametrize(("cell", "gates"), [("lstm", "ifgo"), ("gru", "rzn")])
def test_gates_go_into_onnx_order_and_back(cell, gates) -> None:
    rows = np.arange(len(gates) * 2, dtype=np.float32)[:, None]  # two units
    there = to_onnx_gates(rows, cell)
    assert "".join(gates[int(row) // 2] for row in there[::2, 0]) == {"lstm": "iofg", "gru": "zrn"}[cell]
    assert from_onnx_gates(there, cell).tolist() == rows.tolist()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", [("max",), ("last", "mean")])
def test_an_exported_model_has_the_weights_and_logits_of_its_run(make_run, tmp_path, cell, pooling) -> None:
    from sentscore_export.export import export
    from sentscore_export.parity import ParityConfig

    run = make_run(cell, pooling=pooling, seed=5)
    export(run, tmp_path / "model", parity=ParityConfig(batches=2, max_batch=4, max_tokens=20))
    found = SentimentClassifier.from_artifact(tmp_path / "model")
    tensors = read_run(run)
    assert not is_half(tensors["embedding.weight"].numpy())
    tensors["embedding.weight"] = round_to_half(tensors["embedding.weight"])
    assert is_half(tensors["embedding.weight"].numpy())
    assert to_tensors(found).keys() == tensors.keys()
    assert all(torch.equal(value, tensors[name]) for name, value in to_tensors(found).items())

    model = SentimentClassifier(found.architecture).eval()
    load_tensors(model, tensors)
    lengths = torch.tensor([1, 9, 4])
    token_ids = torch.randint(0, model.architecture.vocab_size, (3, 9))
    with torch.no_grad():
        assert torch.equal(found(token_ids, lengths), model(token_ids, lengths))


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_shipped_models_become_torch_modules(name) -> None:
    model = SentimentClassifier.from_artifact(name)
    assert model.architecture.cell == name
    assert not model.training
    with torch.no_grad():
        assert torch.isfinite(model(torch.tensor([[5, 6, 7]]), torch.tensor([3]))).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"num_layers": 3}, "holds no weights named 'B_2'"), ({"vocab_size": 7}, r"do not fit .*embedding\.weight")],
)
def test_weights_that_are_missing_or_do_not_fit_are_an_artifact_error(tiny_artifact, wrong, message) -> None:
    artifact = load_artifact(tiny_artifact)
    manifest = replace(artifact.manifest, architecture={**artifact.manifest.architecture, **wrong})
    with pytest.raises(ArtifactError, match=message):
        SentimentClassifier.from_artifact(replace(artifact, manifest=manifest))
