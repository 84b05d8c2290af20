"""Writes the ONNX graph of a checkpoint, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, helper

from sentscore.artifact import Precision
from sentscore_export import int8
from sentscore_export.nodes import GraphBuilder
from sentscore_train.models import MASKED, Architecture

OPSET: Final = 20  # LSTM and GRU are those of opset 14; every ONNX Runtime since 1.17 runs it
IR_VERSION: Final = 9  # the intermediate representation of the same time

# The blocks of rows in torch's weights, in the order in which ONNX wants them:
# torch LSTM i f g o -> ONNX i o f c (g is c); torch GRU r z n -> ONNX z r h (n is h).
_GATES: Final = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}

Array = npt.NDArray[np.float32]


def build_graph(
    architecture: Architecture,
    tensors: Mapping[str, Array],
    *,
    temperature: float,
    metadata: Mapping[str, str],
    precision: Precision = "fp32",
) -> ModelProto:
    """The graph of a checkpoint, checked by `onnx.checker` with shape inference.

    Inputs: `token_ids` int32 [batch, tokens] and `lengths` int32 [batch], 1 <= length <= tokens. Outputs: `logit` and
    `probability` = sigmoid(logit / temperature), both float32 [batch]. What stands in `token_ids` from a text's
    length on, and the texts beside it, change nothing.

    Args:
        architecture: of the checkpoint.
        tensors: float32, under the checkpoint's names.
        temperature: of the probability.
        metadata: stored as the model's metadata properties.
        precision: of the weights and products; int8 is for the LSTM.
    """
    graph = GraphBuilder()
    node, constant = graph.node, graph.constant
    quantized = precision == "int8"
    hidden = architecture.hidden_size + (int8.PINS if quantized else 0)
    ids = node("Transpose", ["token_ids"], "ids", perm=[1, 0])  # [T, B]
    if quantized:
        x = int8.embedded(graph, tensors["embedding.weight"], ids)
        initial_cells = int8.pinned_cells(graph, architecture.hidden_size)
    else:
        x = node("Gather", [constant("embedding", tensors["embedding.weight"], np.float32), ids], "embedded", axis=0)
    # 0 copies the input's size of that axis: [T, B, 2, H] -> [T, B, 2H].
    merged = constant("merged_shape", [0, 0, 2 * hidden], np.int64)
    for layer in range(architecture.num_layers):
        weights = _weights(architecture, tensors, layer)
        if quantized:
            y = int8.lstm(graph, weights, layer, x, initial_cells, hidden=architecture.hidden_size)
        else:
            y = _recurrent(graph, architecture, weights, layer, x)  # [T, 2, B, H]
        by_text = node("Transpose", [y], f"by_text_{layer}", perm=[0, 2, 1, 3])
        x = node("Reshape", [by_text, merged], f"hidden_{layer}")  # [T, B, 2H]
    pooled = _pool(graph, architecture, x, f"last_{architecture.num_layers - 1}", hidden)
    head = tensors["head.weight"]
    head = int8.head_weight(head, architecture.hidden_size) if quantized else head
    # A product and a sum by row instead of a matrix product, whose rounding may depend on the number of rows.
    weighted = node("Mul", [pooled, constant("head_weight", head, np.float32)], "weighted")
    summed = node("ReduceSum", [weighted, constant("last_axis", [-1], np.int64)], "summed", keepdims=0)
    logit = node("Add", [summed, constant("head_bias", tensors["head.bias"], np.float32)], "logit")
    scaled = node("Div", [logit, constant("temperature", temperature, np.float32)], "scaled")
    node("Sigmoid", [scaled], "probability")

    axes = ["batch", "tokens"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"sentscore_{architecture.name}",
            [
                helper.make_tensor_value_info("token_ids", TensorProto.INT32, axes),
                helper.make_tensor_value_info("lengths", TensorProto.INT32, axes[:1]),
            ],
            [
                helper.make_tensor_value_info("logit", TensorProto.FLOAT, axes[:1]),
                helper.make_tensor_value_info("probability", TensorProto.FLOAT, axes[:1]),
            ],
            graph.constants,
        ),
        producer_name="sentscore",
        opset_imports=[helper.make_opsetid("", OPSET)] + ([helper.make_opsetid(int8.DOMAIN, 1)] if quantized else []),
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def _weights(architecture: Architecture, tensors: Mapping[str, Array], layer: int) -> dict[str, Array]:
    """A layer's weights as ONNX has them: W [2, gates * H, input], R [2, gates * H, H], B [2, 2 * gates * H]."""

    def stacked(names: list[str]) -> Array:
        """Both directions [2, ...] of the named weights, gates in ONNX's order, several names on end."""
        directions = []
        for direction in ("forward", "backward"):
            parts = [tensors[f"layers.{layer}.{direction}.{name}"] for name in names]
            directions.append(np.concatenate([_reorder(part, architecture.name) for part in parts]))
        return np.stack(directions)

    return {"W": stacked(["weight_ih"]), "R": stacked(["weight_hh"]), "B": stacked(["bias_ih", "bias_hh"])}


def _recurrent(
    graph: GraphBuilder, architecture: Architecture, weights: Mapping[str, Array], layer: int, x: str
) -> str:
    """One bidirectional layer on x [T, B, input]; the name of its outputs [T, 2, B, H]."""
    constants = [graph.constant(f"{name}_{layer}", value, np.float32) for name, value in weights.items()]
    attributes: dict[str, Any] = {"direction": "bidirectional", "hidden_size": architecture.hidden_size}
    if architecture.name == "gru":
        attributes["linear_before_reset"] = 1  # torch resets after the matrix product
    outputs = [f"states_{layer}", f"last_{layer}"]
    return graph.multiple(outputs, architecture.name.upper(), [x, *constants, "lengths"], **attributes)[0]


def _reorder(weights: Array, kind: str) -> Array:
    """Rows of torch's gate blocks in ONNX's order: [gates * H, ...] -> the same shape."""
    order = _GATES[kind]
    blocks = np.split(weights, len(order))
    return np.concatenate([blocks[gate] for gate in order])


def _pool(graph: GraphBuilder, architecture: Architecture, x: str, last_state: str, hidden: int) -> str:
    """[T, B, 2H] -> [B, 2H * poolings], over the tokens inside each text's length; H is `hidden`."""
    node, constant = graph.node, graph.constant
    parts = []
    if {"max", "mean"} & set(architecture.pooling):
        first_axis = constant("first_axis", [0], np.int64)
        size = node("Shape", ["ids"], "size", start=0, end=1)  # [1]: T
        tokens = node("Squeeze", [size, first_axis], "tokens_count")
        zero, one = constant("zero", 0, np.int64), constant("one", 1, np.int64)
        place = node("Range", [zero, tokens, one], "place")  # [T]
        column = node("Unsqueeze", [place, constant("second_axis", [1], np.int64)], "place_column")  # [T, 1]
        lengths = node("Cast", ["lengths"], "lengths_int64", to=TensorProto.INT64)
        inside = node("Less", [column, lengths], "inside")  # [T, B]
        mask = node("Unsqueeze", [inside, constant("third_axis", [2], np.int64)], "mask")  # [T, B, 1]
    for pooling in architecture.pooling:
        if pooling == "max":
            masked = node("Where", [mask, x, constant("masked", MASKED, np.float32)], "max_masked")
            parts.append(node("ReduceMax", [masked, first_axis], "max_pooled", keepdims=0))
        elif pooling == "mean":
            masked = node("Where", [mask, x, constant("nothing", 0.0, np.float32)], "mean_masked")
            total = node("ReduceSum", [masked, first_axis], "total", keepdims=0)  # [B, 2H]
            counts = node("Cast", ["lengths"], "counts", to=TensorProto.FLOAT)
            by_row = node("Unsqueeze", [counts, constant("count_axis", [1], np.int64)], "counts_column")  # [B, 1]
            parts.append(node("Div", [total, by_row], "mean_pooled"))
        else:
            by_text = node("Transpose", [last_state], "last_by_text", perm=[1, 0, 2])  # [B, 2, H]
            shape = constant("last_shape", [0, 2 * hidden], np.int64)
            parts.append(node("Reshape", [by_text, shape], "last_pooled"))  # [B, 2H]
    return parts[0] if len(parts) == 1 else node("Concat", parts, "pooled", axis=1)
