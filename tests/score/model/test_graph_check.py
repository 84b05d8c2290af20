from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from sentscore import ArtifactError
from sentscore.model.artifact import LAYOUT, Artifact, load_artifact
from sentscore.model.graph_check import OPERATORS, check_graph
from sentscore.model.options import PRECISIONS
from sentscore_export.export import export
from sentscore_export.parity import ParityConfig

Change = Callable[[ModelProto], object]

SIZES = {"lstm": {"embedding_dim": 12, "hidden_size": 24}, "gru": {"embedding_dim": 6, "hidden_size": 8}}


@pytest.fixture(scope="module")
def artifacts(make_run, tmp_path_factory) -> list[Artifact]:
    """Every kind of graph that the exporter writes; each is checked when it is loaded."""
    loaded = []
    for kind, pooling in product(("lstm", "gru"), (("max",), ("mean",), ("last", "max", "mean"))):
        folder: Path = tmp_path_factory.mktemp("graphs") / kind
        parity = ParityConfig(batches=2, max_batch=3, max_tokens=30)
        export(make_run(kind, pooling=pooling, **SIZES[kind]), folder, precisions=["int8", "fp16"], parity=parity)
        loaded.append(load_artifact(folder))
    return loaded


def check(artifact: Artifact, content: bytes, precision: str = "fp32") -> None:
    weights = {LAYOUT.model: len(artifact.graphs["fp32"])} if precision == "fp16" else None
    check_graph(content, file="here/model.onnx", tokens=artifact.manifest.architecture["vocab_size"], weights=weights)


def describe(graph: GraphProto) -> set[tuple[str, str]]:
    found = set()
    for node in graph.node:
        name = f"{node.domain}.{node.op_type}".lstrip(".")
        found.add((name, ""))
        for attribute in node.attribute:
            value = onnx.helper.get_attribute_value(attribute)
            if attribute.name == "body":
                found |= describe(value)
                value = "graph"
            elif attribute.name == "hidden_size":
                value = "*"
            elif isinstance(value, list):
                value = ",".join(map(str, value))
            found.add((name, f"{attribute.name}={value.decode() if isinstance(value, bytes) else value}"))
    return found


def test_the_operators_are_those_that_the_exporter_writes(artifacts) -> None:
    written = set()
    for artifact in artifacts:
        assert list(artifact.graphs) == list(PRECISIONS)
        for content in artifact.graphs.values():
            written |= describe(onnx.load_model_from_string(content).graph)
    allowed = {(name, attribute) for name, attributes in OPERATORS.items() for attribute in ("", *attributes)}
    assert written == allowed


def add_node(op: str, *inputs: str, **attributes: object) -> Change:
    return lambda model: model.graph.node.append(helper.make_node(op, inputs, [f"{op}_of_test"], **attributes))


def endless_loop(model: ModelProto) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["again"], ["again_out"])],
        "body",
        [helper.make_tensor_value_info("step", TensorProto.INT64, []), helper.make_tensor_value_info("again", 9, [])],
        [helper.make_tensor_value_info("again_out", TensorProto.BOOL, [])],
    )
    model.graph.node.append(helper.make_node("Loop", ["", "yes"], [], body=body))


def nested(depth: int) -> Change:
    def change(model: ModelProto) -> None:
        node = helper.make_node("Identity", ["token_ids"], ["inner"])
        for _ in range(depth):
            node = helper.make_node("Scan", [], [], body=helper.make_graph([node], "body", [], []), num_scan_inputs=4)
        model.graph.node.append(node)

    return change


def zeros(*shape: int) -> Change:
    def change(model: ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), "size"))
        model.graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["zeros"]))

    return change


def fewer_embeddings(model: ModelProto) -> None:
    tensor = next(each for each in model.graph.initializer if each.name == "embedding")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:3], "embedding"))


def external(location: str, offset: int = 0, length: int | None = None) -> Change:
    def change(model: ModelProto) -> None:
        tensor = model.graph.initializer[0]
        size = len(tensor.raw_data) if length is None else length
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", size)):
            tensor.external_data.add(key=key, value=str(value))

    return change


def function(model: ModelProto) -> None:
    opsets = [helper.make_opsetid("", 20)]
    model.functions.append(helper.make_function("mine", "f", ["x"], ["y"], [NodeProto(op_type="Loop")], opsets))


def too_short(model: ModelProto) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-1]


HOSTILE: dict[str, tuple[Change, str]] = {
    "an endless loop": (endless_loop, "operator 'Loop'"),
    "a branch": (add_node("If", "c"), "operator 'If'"),
    "a constant": (add_node("Constant", value=helper.make_tensor("c", 1, [1], [0.0])), "operator 'Constant'"),
    "another domain": (add_node("Add", "a", "b", domain="mine"), r"operator 'mine\.Add'"),
    "what ends the process": (add_node("Split", "lengths", num_outputs=1), "Split with 'num_outputs=1'"),
    "a tensor in an attribute": (
        add_node("ConstantOfShape", "s", value=helper.make_tensor("c", 1, [1], [0.0])),
        "a field 5 beside",
    ),
    "a Scan in a Scan": (nested(2), "a Scan inside a Scan"),
    "a deep graph": (nested(30), "a Scan inside a Scan"),
    "four tebibytes": (zeros(1 << 40), r"the sizes \[1099511627776\]"),
    "four tebibytes in two axes": (zeros(1 << 20, 1 << 20), r"the sizes \[1048576, 1048576\]"),
    "fewer embeddings": (fewer_embeddings, r"embeddings of \[3\] rows, where the manifest says 36"),
    "another file": (external("/etc/passwd"), "a tensor in the file '/etc/passwd'"),
    "its own file": (external("model.onnx"), r"a tensor in the file 'model\.onnx'"),
    "a function": (function, "a field 25 beside"),
    "a sparse tensor": (lambda model: model.graph.sparse_initializer.add(), "a field 15 beside"),
    "fewer bytes": (too_short, "a tensor of [0-9,]+ bytes in place of"),
    "other operators": (lambda model: model.opset_import.append(helper.make_opsetid("", 7)), "operator set"),
    "many inputs": (add_node("Concat", *["x"] * 99, axis=0), "Concat with 100 inputs and outputs"),
    "doubled": (lambda model: model.graph.node.extend(list(model.graph.node) * 999), "[0-9,]+ nodes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_the_exporter_does_not_write_is_refused(artifacts, name) -> None:
    change, message = HOSTILE[name]
    model = onnx.load_model_from_string(artifacts[0].graphs["fp32"])
    change(model)
    with pytest.raises(ArtifactError, match=rf"here/model\.onnx: not a graph of sentscore \({message}.*export") as info:
        check(artifacts[0], model.SerializeToString())
    assert len(str(info.value)) < 500


def add_tensor(kind: int, dims: list[int], content: bytes = b"") -> Change:
    return lambda model: model.graph.initializer.add(data_type=kind, dims=dims, raw_data=content)


COSTLY: dict[str, tuple[Change, str]] = {
    "axes": (add_tensor(1, [-1] * 100_000), "a tensor of 100,000 axes"),
    "a negative axis": (add_tensor(1, [0, -1]), "a tensor of 2 axes, the longest 18,446,744,073,709,551,615"),
    "sizes": (add_tensor(7, [2_000_000], bytes(16_000_000)), "2,000,000 sizes"),
    "fields": (lambda model: model.graph.node.add(input=[""] * 300_000), "more than 200,000 fields"),
    "many small messages": (
        lambda model: [model.graph.initializer.add(data_type=1, dims=[0] * 7) for _ in range(30_000)],
        "more than 200,000 fields",
    ),
    "no units": (add_node("LSTM", "x", direction="bidirectional", hidden_size=0), "LSTM with 'hidden_size=0'"),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_take_long_to_check_is_refused_in_seconds(artifacts, name) -> None:
    change, message = COSTLY[name]
    model = onnx.load_model_from_string(artifacts[0].graphs["fp32"])
    change(model)
    content = model.SerializeToString()
    began = time.process_time()
    with pytest.raises(ArtifactError, match=rf"not a graph of sentscore \({message}"):
        check(artifacts[0], content)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("place", [(0, 7), (1 << 30, None), (-1, None), (10**30, None)])
def test_weights_outside_of_their_file_are_refused(artifacts, place) -> None:
    model = onnx.load_model_from_string(artifacts[0].graphs["fp32"])
    external("model.onnx", *place)(model)
    with pytest.raises(ArtifactError, match=r"a tensor of [\d,]+ bytes at"):
        check(artifacts[0], model.SerializeToString(), "fp16")


def test_a_graph_that_is_cut_off_is_refused(artifacts) -> None:
    content = artifacts[3].graphs["int8"]
    for size in {*range(600), *range(600, len(content), 97)}:
        with pytest.raises(ArtifactError, match="not a graph of sentscore"):
            check(artifacts[3], content[:size])


def test_changed_bytes_are_refused_or_harmless(artifacts) -> None:
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(600):
        artifact = artifacts[random.integers(len(artifacts))]
        precision = str(random.choice(PRECISIONS))
        content = bytearray(artifact.graphs[precision])  # type: ignore[index]
        content[random.integers(len(content))] = random.integers(256)
        try:
            check(artifact, bytes(content), precision)
        except ArtifactError:
            refused += 1
    assert 30 < refused < 570
