"""Builds the ONNX graph of a model from its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from sentscore.model.options import Precision
from sentscore_export.graphs import int8_gru, int8_lstm
from sentscore_export.graphs.nodes import ONNX_RUNTIME_DOMAIN, Array, GraphBuilder
from sentscore_train.models.classifier import MASKED, Architecture
from sentscore_train.models.weights import is_half, to_onnx_gates

OPSET: Final = 20  # its LSTM and GRU are those of opset 14; a CPU runs it since ONNX Runtime 1.17, CUDA since 1.31
IR_VERSION: Final = 9  # ONNX's file format at the time of this opset


def build_graph(
    architecture: Architecture,
    tensors: Mapping[str, Array],
    *,
    temperature: float,
    metadata: Mapping[str, str],
    precision: Precision = "fp32",
) -> ModelProto:
    """Returns the float32 or int8 graph of a model, checked by `onnx.checker` with shape inference.

    The inputs are `token_ids` int32 [batch, tokens] and `lengths` int32 [batch], 1 <= length <= tokens. The outputs are
    `logit` and `probability` = sigmoid(logit / temperature), both float32 [batch]. A text's outputs depend neither on
    its padding nor on the other texts of the batch.

    Args:
        architecture: The model's architecture.
        tensors: The model's weights, float32, under the names of the checkpoint.
        temperature: The divisor of the logit.
        metadata: The model's metadata properties.
        precision: The precision of the weights and products: `fp32` or `int8`.
    """
    graph = GraphBuilder()
    add, constant = graph.add, graph.add_constant
    ids = add("Transpose", ["token_ids"], "ids", perm=[1, 0])  # [T, B]
    layers = [_stack_weights(architecture, tensors, layer) for layer in range(architecture.num_layers)]
    embedding, head = tensors["embedding.weight"], tensors["head.weight"]
    last: str | None = None
    if precision != "int8":
        states, last = _add_layers(graph, architecture, embedding, ids, layers)
    elif architecture.cell == "lstm":
        states, last = int8_lstm.add_layers(graph, embedding, ids, layers)
        head = int8_lstm.pad_head(head, architecture.hidden_size)
    else:
        states = int8_gru.add_layers(graph, embedding, ids, layers)
    pooled = _add_pooling(graph, architecture, states, last, head.shape[1] // len(architecture.pooling) // 2)
    # This is a matrix product in two nodes, because the rounding of MatMul may depend on the number of rows.
    weighted = add("Mul", [pooled, constant("head_weight", head, np.float32)], "weighted")
    summed = add("ReduceSum", [weighted, constant("last_axis", [-1], np.int64)], "summed", keepdims=0)
    logit = add("Add", [summed, constant("head_bias", tensors["head.bias"], np.float32)], "logit")
    scaled = add("Div", [logit, constant("temperature", temperature, np.float32)], "scaled")
    add("Sigmoid", [scaled], "probability")

    axes = ["batch", "tokens"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"sentscore_{architecture.cell}",
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
        + ([helper.make_opsetid(ONNX_RUNTIME_DOMAIN, 1)] if precision == "int8" else []),
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def _stack_weights(architecture: Architecture, tensors: Mapping[str, Array], layer: int) -> dict[str, Array]:
    """Returns ONNX's weights of a layer: W [2, gates * H, input], R [2, gates * H, H] and B [2, 2 * gates * H]."""

    def stack(*names: str) -> Array:
        """Returns both directions [2, ...] of the named weights, which are concatenated, gates in ONNX's order."""
        directions = []
        for direction in ("forward", "backward"):
            parts = [tensors[f"layers.{layer}.{direction}.{name}"] for name in names]
            directions.append(np.concatenate([to_onnx_gates(part, architecture.cell) for part in parts]))
        return np.stack(directions)

    return {"W": stack("weight_ih"), "R": stack("weight_hh"), "B": stack("bias_ih", "bias_hh")}


def _add_layers(
    graph: GraphBuilder, architecture: Architecture, embedding: Array, ids: str, layers: list[dict[str, Array]]
) -> tuple[str, str]:
    """Adds the embedding and all layers on ids [T, B].

    Returns:
        The names of the last layer's states [T, 2, B, H] and of its last states [2, B, H].
    """
    attributes: dict[str, Any] = {"direction": "bidirectional", "hidden_size": architecture.hidden_size}
    if architecture.cell == "gru":
        attributes["linear_before_reset"] = 1  # torch applies the reset gate after the matrix product
    x = _add_embedding(graph, embedding, ids)
    for layer, weights in enumerate(layers):
        constants = [graph.add_constant(f"{name}_{layer}", value, np.float32) for name, value in weights.items()]
        inputs, outputs = [x, *constants, "lengths"], [f"states_{layer}", f"last_{layer}"]
        graph.add_multiple(architecture.cell.upper(), inputs, outputs, **attributes)  # [T, 2, B, H]
        if layer < len(layers) - 1:
            by_token = graph.add("Transpose", [outputs[0]], f"by_token_{layer}", perm=[0, 2, 1, 3])
            # 0 copies the input's size of that axis: [T, B, 2, H] -> [T, B, 2H].
            merged = graph.add_constant(f"merged_shape_{layer}", [0, 0, 2 * architecture.hidden_size], np.int64)
            x = graph.add("Reshape", [by_token, merged], f"hidden_{layer}")
    return outputs[0], outputs[1]


def _add_embedding(graph: GraphBuilder, embedding: Array, ids: str) -> str:
    """Adds the lookup of the ids [T, B]; returns the name of the result, float32 [T, B, E].

    The table is stored in float16 where that loses nothing, which is so for every checkpoint that was rounded.
    """
    if not is_half(embedding):
        return graph.add("Gather", [graph.add_constant("embedding", embedding, np.float32), ids], "embedded", axis=0)
    stored = graph.add("Gather", [graph.add_constant("embedding", embedding, np.float16), ids], "embedded_half", axis=0)
    return graph.add("Cast", [stored], "embedded", to=TensorProto.FLOAT)


def _add_pooling(
    graph: GraphBuilder, architecture: Architecture, states: str, last_state: str | None, width: int
) -> str:
    """Adds the pooling of states into [B, 2 * width * poolings], over the tokens inside each text's length.

    ONNX Runtime takes the maximum over a middle axis in a third of the time that it takes over the first one. But its
    sum over a middle axis depends on how many tokens of padding follow, and so on the other texts of the batch. So the
    maximum is taken of the states with the texts first, and the sum of those with the tokens first.

    Args:
        graph: The graph that gets the nodes.
        architecture: Its `pooling` says which poolings are wanted, in which order.
        states: The name of the states [T, 2, B, width]. Inside a text's length each direction may have its own order.
        last_state: The name of the last states [2, B, width]. None means that each direction's last state is at the
            last token of `states`.
        width: The numbers of a direction's state.

    Returns:
        The name of the pooled states.
    """
    add, constant = graph.add, graph.add_constant
    poolings = architecture.pooling
    merged_shape = constant("pooled_shape", [0, 2 * width], np.int64)
    first_axis, second_axis = constant("first_axis", [0], np.int64), constant("second_axis", [1], np.int64)
    size = add("Shape", ["ids"], "size", start=0, end=1)  # [1]: T
    zero, one = constant("zero", 0, np.int64), constant("one", 1, np.int64)
    place = add("Range", [zero, add("Squeeze", [size, first_axis], "tokens_count"), one], "place")  # [T]
    lengths = add("Cast", ["lengths"], "lengths_int64", to=TensorProto.INT64)
    column = add("Unsqueeze", [lengths, second_axis], "lengths_column")  # [B, 1]
    looks_by_text = "max" in poolings or ("last" in poolings and last_state is None)
    if looks_by_text:
        moved = add("Transpose", [states], "moved_by_text", perm=[2, 0, 1, 3])  # [B, T, 2, width]
        by_text = add("Reshape", [moved, constant("by_text_shape", [0, 0, 2 * width], np.int64)], "by_text")
        third_axis = constant("third_axis", [2], np.int64)
    parts = []
    for pooling in poolings:
        if pooling == "max":
            inside = add("Less", [place, column], "inside_text")  # [B, T]
            mask = add("Unsqueeze", [inside, third_axis], "text_mask")  # [B, T, 1]
            masked = add("Where", [mask, by_text, constant("masked", MASKED, np.float32)], "max_masked")
            parts.append(add("ReduceMax", [masked, second_axis], "max_pooled", keepdims=0))
        elif pooling == "mean":
            inside = add("Less", [add("Unsqueeze", [place, second_axis], "place_column"), lengths], "inside")  # [T, B]
            mask = add("Unsqueeze", [inside, constant("mask_axes", [1, 3], np.int64)], "mask")  # [T, 1, B, 1]
            masked = add("Where", [mask, states, constant("nothing", 0.0, np.float32)], "mean_masked")
            total = add("ReduceSum", [masked, first_axis], "total", keepdims=0)  # [2, B, width]
            by_row = add("Reshape", [add("Transpose", [total], "total_by_text", perm=[1, 0, 2]), merged_shape], "sums")
            parts.append(add("Div", [by_row, add("Cast", [column], "counts", to=TensorProto.FLOAT)], "mean_pooled"))
        elif last_state is not None:
            rows = add("Transpose", [last_state], "last_by_text", perm=[1, 0, 2])  # [B, 2, width]
            parts.append(add("Reshape", [rows, merged_shape], "last_pooled"))
        else:
            is_last = add("Equal", [add("Add", [place, one], "place_after"), column], "is_last")  # [B, T]
            mask = add("Unsqueeze", [is_last, third_axis], "last_mask")
            masked = add("Where", [mask, by_text, constant("not_last", MASKED, np.float32)], "last_masked")
            parts.append(add("ReduceMax", [masked, second_axis], "last_pooled", keepdims=0))
    return parts[0] if len(parts) == 1 else add("Concat", parts, "pooled", axis=1)
