from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from sentscore import Scorer, UsageError
from sentscore.model.artifact import LAYOUT, load_artifact
from sentscore.model.session import Session
from sentscore_export.export import export
from sentscore_export.parity import ParityConfig

SMALL = ParityConfig(batches=6, max_batch=6, max_tokens=50)
# With more units, random weights this large make a GRU chaotic.
SIZES = {"lstm": {"embedding_dim": 12, "hidden_size": 24}, "gru": {"embedding_dim": 6, "hidden_size": 8}}


@pytest.fixture(
    scope="module",
    params=[("lstm", ("max",)), ("lstm", ("max", "mean", "last")), ("gru", ("max",)), ("gru", ("max", "mean", "last"))],
    ids=str,
)
def folder(request, make_run, tmp_path_factory) -> Path:
    kind, pooling = request.param
    out = tmp_path_factory.mktemp("int8") / kind
    export(make_run(kind, pooling=pooling, **SIZES[kind]), out, precisions=["int8"], parity=SMALL)
    return out


def ragged(count: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    lengths = random.integers(1, longest + 1, count, dtype=np.int32)
    lengths[: min(12, count)] = np.arange(1, min(12, count) + 1)
    return random.integers(0, 36, (count, longest), dtype=np.int32), lengths


def run(session: Session, ids: np.ndarray, lengths: np.ndarray, order: np.ndarray, size: int) -> np.ndarray:
    logits = np.zeros(len(lengths), np.float32)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        logits[rows] = session.run(np.ascontiguousarray(ids[rows, : lengths[rows].max()]), lengths[rows])[0]
    return logits


def test_batches_change_no_bit(folder) -> None:
    session = Session(load_artifact(folder), device="cpu", precision="int8")
    ids, lengths = ragged(70, 120)
    alone = run(session, ids, lengths, np.arange(70), 1)
    random = np.random.default_rng(8)
    for size in (2, 3, 7, 16, 64, 70):
        assert np.array_equal(run(session, ids, lengths, random.permutation(70), size), alone)


def test_padding_changes_no_bit(folder) -> None:
    session = Session(load_artifact(folder), device="cpu", precision="int8")
    ids, lengths = ragged(9, 40)
    expected = session.run(ids, lengths)[0]
    wider = np.random.default_rng(4).integers(0, 36, (9, 90), dtype=np.int32)
    inside = np.arange(40) < lengths[:, None]
    wider[:, :40][inside] = ids[inside]
    assert np.array_equal(session.run(wider, lengths)[0], expected)


def test_threads_change_no_bit_and_do_not_meet_in_a_scan(folder) -> None:
    artifact = load_artifact(folder)
    session = Session(artifact, device="cpu", precision="int8")
    ids, lengths = ragged(70, 120)
    alone = run(session, ids, lengths, np.arange(70), 7)
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(lambda _: run(session, ids, lengths, np.arange(70), 7), range(6)):
            assert np.array_equal(found, alone)
    with session._free_session() as one, session._free_session() as other:
        assert (one is other) == (artifact.name == "lstm")
    if session._idle is not None:
        assert 2 <= session._idle.qsize() <= 3  # one a thread, made when it is needed


def test_int8_is_near_float32(folder) -> None:
    artifact = load_artifact(folder)
    ids, lengths = ragged(50, 60)
    fp32, quantized = (
        Session(artifact, device="cpu", precision=each).run(ids, lengths)[0] for each in ("fp32", "int8")
    )
    difference = np.abs(quantized - fp32)
    assert 0 < difference.mean() < 0.05 * fp32.std()
    assert difference.max() < 0.2 * fp32.std()


def test_the_manifest_and_the_card_say_what_int8_costs(folder) -> None:
    measured = json.loads((folder / "manifest.json").read_text())["precisions"]["int8"]
    assert measured["reviews"] == 40
    assert 0 < measured["mean_difference"] <= measured["worst_difference"] < 0.05
    assert 0 <= measured["accuracy"] <= 1
    assert 0.9 <= measured["same_sentiment"] <= 1
    card = (folder / "README.md").read_text()
    assert "## int8" in card
    assert f"| validation | {measured['accuracy']:.2%} | {measured['accuracy_fp32']:.2%} |" in card


def weight_bytes(graph: onnx.GraphProto) -> int:
    bodies = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return sum(len(tensor.raw_data) for tensor in graph.initializer) + sum(map(weight_bytes, bodies))


def test_weights_take_less_than_half_of_float32s(folder) -> None:
    fp32, quantized = (weight_bytes(onnx.load(folder / f"model{each}.onnx").graph) for each in ("", ".int8"))
    assert quantized < 0.5 * fp32


def test_precisions_are_chosen_and_refused(folder, tiny_gru_artifact, monkeypatch) -> None:
    from sentscore.model import session as session_module

    artifact = load_artifact(folder)
    measured = artifact.manifest.precisions["int8"]
    measured["accuracy_fp32"] = measured["accuracy"]
    for exact, expected in ((True, "int8"), (False, "fp32")):
        monkeypatch.setattr(session_module, "multiplies_int8", lambda exact=exact: exact)
        assert Scorer.load(artifact, device="cpu").precision == expected
        assert Scorer.load(artifact, device="cpu", precision="fp32").precision == "fp32"
        assert Scorer.load(artifact, device="auto", precision="int8").precision == "int8"
    monkeypatch.setattr(session_module, "multiplies_int8", lambda: True)
    measured["accuracy_fp32"] = measured["accuracy"] + 0.0011
    assert Scorer.load(artifact, device="cpu").precision == "fp32"
    with pytest.raises(UsageError, match="int8 runs on the CPU only: use `device='cpu'`, or `precision='fp32'`"):
        Scorer.load(artifact, device="cuda", precision="int8")
    with pytest.raises(UsageError, match="model gru has no int8 graph: use `precision='fp32'`"):
        Scorer.load(tiny_gru_artifact, precision="int8")
    with pytest.raises(UsageError, match="precision 'fp8' is not known: use one of auto, fp32, tf32, int8"):
        Scorer.load(artifact, precision="fp8")


def test_what_the_exporter_wrote_is_found_by_name(folder) -> None:
    artifact = load_artifact(folder)
    assert set(artifact.graphs) == {"fp32", "int8"}
    assert artifact.size == sum((folder / name).stat().st_size for name in artifact.manifest.files)
    assert LAYOUT.graph("int8") == "model.int8.onnx"
