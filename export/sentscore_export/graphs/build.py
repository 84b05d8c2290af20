"""Writes the ONNX graph of a checkpoint, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto, helper

from sentscore.model.artifact import Precision
from sentscore_export.graphs import int8_gru, int8_lstm
from sentscore_export.graphs.nodes import GraphBuilder
from sentscore_train.models.classifier import MASKED, Architecture
from sentscore_train.models.weights import to_onnx_gates

OPSET: Final = 20  # LSTM and GRU are those of opset 14; every ONNX Runtime since 1.17 runs it
IR_VERSION: Final = 9  # the intermediate representation of the same time

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
        precision: of the weights and products, float32 or int8.
    """
    graph = GraphBuilder()
    node, constant = graph.node, graph.constant
    ids = node("Transpose", ["token_ids"], "ids", perm=[1, 0])  # [T, B]
    layers = [_weights(architecture, tensors, layer) for layer in range(architecture.num_layers)]
    embedding, head = tensors["embedding.weight"], tensors["head.weight"]
    last: str | None = None
    if precision != "int8":
        states, last = _recurrent(graph, architecture, embedding, ids, layers)
    elif architecture.name == "lstm":
        states, last = int8_lstm.recurrent(graph, embedding, ids, layers)
        head = int8_lstm.head_weight(head, architecture.hidden_size)
    else:
        states = int8_gru.recurrent(graph, embedding, ids, layers)
    pooled = _pool(graph, architecture, states, last, head.shape[1] // len(architecture.pooling))
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
        opset_imports=[helper.make_opsetid("", OPSET)]
        + ([helper.make_opsetid(int8_lstm.DOMAIN, 1)] if precision == "int8" else []),
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
            directions.append(np.concatenate([to_onnx_gates(part, architecture.name) for part in parts]))
        return np.stack(directions)

    return {"W": stacked(["weight_ih"]), "R": stacked(["weight_hh"]), "B": stacked(["bias_ih", "bias_hh"])}


def _recurrent(
    graph: GraphBuilder, architecture: Architecture, embedding: Array, ids: str, layers: list[dict[str, Array]]
) -> tuple[str, str]:
    """All layers on ids [T, B]; the names of the last one's states [T, B, 2H] and of its last states [2, B, H]."""
    attributes: dict[str, Any] = {"direction": "bidirectional", "hidden_size": architecture.hidden_size}
    if architecture.name == "gru":
        attributes["linear_before_reset"] = 1  # torch resets after the matrix product
    x = graph.node("Gather", [graph.constant("embedding", embedding, np.float32), ids], "embedded", axis=0)
    # 0 copies the input's size of that axis: [T, B, 2, H] -> [T, B, 2H].
    merged = graph.constant("merged_shape", [0, 0, 2 * architecture.hidden_size], np.int64)
    for layer, weights in enumerate(layers):
        constants = [graph.constant(f"{name}_{layer}", value, np.float32) for name, value in weights.items()]
        inputs, outputs = [x, *constants, "lengths"], [f"states_{layer}", f"last_{layer}"]
        graph.multiple(outputs, architecture.name.upper(), inputs, **attributes)  # [T, 2, B, H]
        by_text = graph.node("Transpose", [outputs[0]], f"by_text_{layer}", perm=[0, 2, 1, 3])
        x = graph.node("Reshape", [by_text, merged], f"hidden_{layer}")  # [T, B, 2H]
    return x, outputs[1]


def _pool(graph: GraphBuilder, architecture: Architecture, x: str, last_state: str | None, width: int) -> str:
    """Pools [T, B, width] into [B, width * poolings], over the tokens inside each text's length.

    Args:
        graph: gets the nodes.
        architecture: says which poolings, in which order.
        x: the states of both directions; inside a text's length each may have its own order.
        last_state: [2, B, width / 2]; None where each direction's stands at the length's last place of `x`.
        width: of the states of both directions.
    """
    node, constant = graph.node, graph.constant
    parts = []
    if {"max", "mean"} & set(architecture.pooling) or last_state is None:
        first_axis = constant("first_axis", [0], np.int64)
        size = node("Shape", ["ids"], "size", start=0, end=1)  # [1]: T
        tokens = node("Squeeze", [size, first_axis], "tokens_count")
        zero, one = constant("zero", 0, np.int64), constant("one", 1, np.int64)
        place = node("Range", [zero, tokens, one], "place")  # [T]
        column = node("Unsqueeze", [place, constant("second_axis", [1], np.int64)], "place_column")  # [T, 1]
        lengths = node("Cast", ["lengths"], "lengths_int64", to=TensorProto.INT64)
        inside = node("Less", [column, lengths], "inside")  # [T, B]
        third_axis = constant("third_axis", [2], np.int64)
        mask = node("Unsqueeze", [inside, third_axis], "mask")  # [T, B, 1]
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
        elif last_state is not None:
            by_text = node("Transpose", [last_state], "last_by_text", perm=[1, 0, 2])  # [B, 2, H]
            shape = constant("last_shape", [0, width], np.int64)
            parts.append(node("Reshape", [by_text, shape], "last_pooled"))  # [B, 2H]
        else:
            is_last = node("Equal", [node("Add", [column, one], "place_after"), lengths], "is_last")  # [T, B]
            last_mask = node("Unsqueeze", [is_last, third_axis], "last_mask")
            masked = node("Where", [last_mask, x, constant("not_last", MASKED, np.float32)], "last_masked")
            parts.append(node("ReduceMax", [masked, first_axis], "last_pooled", keepdims=0))
    return parts[0] if len(parts) == 1 else node("Concat", parts, "pooled", axis=1)
