"""Builds the float16 graph for GPUs, which has no weights of its own.

Its weights are external data of `model.onnx`. They are found at their offsets in that file and rounded when a session
is made. The recurrent layers give float32 again, so that pooling and head lose nothing.
"""

from __future__ import annotations

from typing import Final

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper

_RECURRENT: Final = {"LSTM", "GRU"}
_MOVES: Final = {"Transpose", "Reshape"}  # keep the type of their input
_ELEMENT_TYPES: Final[dict[str, int]] = {"fp16": TensorProto.FLOAT16, "fp32": TensorProto.FLOAT}


def build_fp16_graph(model: bytes, file: str) -> ModelProto:
    """Returns the float16 graph of a float32 one, checked by `onnx.checker`.

    Args:
        model: The content of the float32 graph's file.
        file: The name of that file, which holds the weights.

    Raises:
        ValueError: A weight is not stored in the file as plain bytes.
    """
    graph = onnx.load_model_from_string(model)
    weights = {tensor.name: tensor for tensor in graph.graph.initializer}
    external: list[TensorProto] = []
    # The names of float16 tensors in the new graph.
    half = {name for name, tensor in weights.items() if tensor.data_type == TensorProto.FLOAT16}
    renamed: dict[str, str] = {}  # what stands for the results of nodes that are left out
    nodes: list[NodeProto] = []

    def cast(name: str, to: str) -> str:
        """Returns the name of a tensor in another type, and adds the node that casts it if there is none."""
        result = f"{name}_{to}"
        if all(result not in node.output for node in nodes):
            nodes.append(helper.make_node("Cast", [name], [result], name=f"Cast_{result}", to=_ELEMENT_TYPES[to]))
        return result

    for node in graph.graph.node:
        embeds = node.op_type == "Gather" and node.input[0] == "embedding"
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
        if node.op_type == "Cast" and node.input[0] in half:  # of an embedding in float16: the layers take it as it is
            renamed[node.output[0]] = node.input[0]
            continue
        # Of a recurrent layer, its input and the weights W, R and B are rounded.
        rounded = range(1) if embeds else range(4) if node.op_type in _RECURRENT else range(0)
        for place, name in enumerate(node.input):
            if place in rounded and name in weights:
                external.append(weights[name])
            if place in rounded and name not in half:
                node.input[place] = cast(name, "fp16")
            elif name in half and place not in rounded and node.op_type not in _MOVES:
                node.input[place] = cast(name, "fp32")
        if rounded or (node.op_type in _MOVES and node.input[0] in half):
            half.update(node.output)
        nodes.append(node)
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    onnx.checker.check_model(graph, full_check=True)  # while the weights are inside: later it would look for the file
    for tensor in external:
        _make_external(tensor, model, file)
    return graph


def _make_external(tensor: TensorProto, model: bytes, file: str) -> None:
    """Replaces a weight's bytes by where they are in the file."""
    content = tensor.raw_data
    offset = model.find(content)
    if not content or offset < 0:
        raise ValueError(f"{tensor.name}: not stored as plain bytes in {file}")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", offset), ("length", len(content))):
        tensor.external_data.add(key=key, value=str(value))
