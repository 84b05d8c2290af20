"""The LSTM in int8 whose scores do not depend on the batch.

ONNX Runtime's DynamicQuantizeLSTM multiplies uint8 activations by int8 weights. It takes the activations' scale from
the smallest and the largest number among all texts of the batch, at every step anew, so a text's score would depend
on its neighbours. Here the range is pinned: two units a direction, and two numbers a token, always hold the smallest
and the largest value that any other can take. Then every scale is a constant, and a text's score is its own, bit for
bit, in a batch of any size.

The pinned units of a layer are held at -1 and 1, the bounds of an LSTM's output: their cell state starts at -30 or 30,
their gates are shut against everything but their own state by biases that saturate them, and no weight reads or writes
them. The pinned numbers of a token are 0 and 255 in a table of uint8, where the other numbers are 1 to 255.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sentscore_export.graphs.nodes import GraphBuilder

PINS: Final = 2
"""Units a direction, and numbers a token, that hold the range."""

DOMAIN: Final = "com.microsoft"

_SATURATED: Final = 30.0  # sigmoid and tanh of it are 1 in float32
_ZERO_POINT: Final = 128

Array = npt.NDArray[np.float32]


def recurrent(
    graph: GraphBuilder, embedding: Array, ids: str, layers: Sequence[Mapping[str, Array]]
) -> tuple[str, str]:
    """All layers on ids [T, B], with pins: names of the states [T, B, 2 (H + 2)] and last states [2, B, H + 2].

    Args:
        graph: gets the nodes.
        embedding: float32 [V, E].
        ids: name of the ids, time first; `lengths` is the name of the lengths.
        layers: `W` [2, 4H, input], `R` [2, 4H, H] and `B` [2, 8H] of each, gates in ONNX's order i, o, f, c.
    """
    hidden = layers[0]["R"].shape[2]
    x = _embedded(graph, embedding, ids)
    initial_cells = _pinned_cells(graph, hidden)
    merged = graph.constant("merged_shape", [0, 0, 2 * (hidden + PINS)], np.int64)  # 0 copies the input's size
    for layer, weights in enumerate(layers):
        y, last = _lstm(graph, weights, layer, x, initial_cells, hidden=hidden)  # [T, 2, B, H + 2]
        by_text = graph.node("Transpose", [y], f"by_text_{layer}", perm=[0, 2, 1, 3])
        x = graph.node("Reshape", [by_text, merged], f"hidden_{layer}")
    return x, last


def _embedded(graph: GraphBuilder, embedding: Array, ids: str) -> str:
    """Looks up ids [T, B] in the table float32 [V, E], stored as uint8; the name of float32 [T, B, E + 2]."""
    scale = float(np.abs(embedding).max()) / 127.0 or 1.0
    table = np.rint(embedding / scale) + _ZERO_POINT  # 1 to 255
    pins = np.broadcast_to(np.array([0.0, 255.0]), (len(table), PINS))
    table = np.concatenate([table, pins], axis=1)
    stored = graph.node("Gather", [graph.constant("embedding", table, np.uint8), ids], "embedded_uint8", axis=0)
    # The pins lie 255 steps apart, so the LSTM finds this very scale and takes the same uint8 numbers again.
    inputs = [
        stored,
        graph.constant("embedding_scale", scale, np.float32),
        graph.constant("embedding_zero_point", _ZERO_POINT, np.uint8),
    ]
    return graph.node("DequantizeLinear", inputs, "embedded")


def _pinned_cells(graph: GraphBuilder, hidden: int) -> str:
    """The initial cell states [2, B, H + 2] of any layer: 0, and far out for the pins."""
    state = np.zeros((2, 1, hidden + PINS), np.float32)
    state[:, :, hidden:] = [-_SATURATED, _SATURATED]
    batch = graph.node("Shape", ["lengths"], "batch_size")  # [1]
    one = graph.constant("one_size", [1], np.int64)
    shape = graph.node("Concat", [one, batch, one], "state_shape", axis=0)
    return graph.node("Expand", [graph.constant("pinned", state, np.float32), shape], "initial_cells")


def _lstm(
    graph: GraphBuilder, weights: Mapping[str, Array], layer: int, x: str, initial_cells: str, *, hidden: int
) -> list[str]:
    """One bidirectional layer on x [T, B, input with pins]; names of its outputs [T, 2, B, H + 2] and last states."""
    w = _with_pinned_gates(weights["W"], 1)
    # The pins of what comes in are read by no one: of the embedding they stand last, of a layer behind each direction.
    directions = 2 if layer else 1
    w = np.concatenate([_padded(part, 2) for part in np.split(w, directions, axis=2)], axis=2)
    r = _padded(_with_pinned_gates(weights["R"], 1), 2)
    b_w, b_r = (_with_pinned_gates(part, 1) for part in np.split(weights["B"], 2, axis=1))
    gates = b_w.reshape(2, 4, hidden + PINS)  # a view
    gates[:, :3, hidden:] = _SATURATED  # i, o and f: open
    gates[:, 3, hidden:] = [-_SATURATED, _SATURATED]  # c
    w_int8, w_scale = _quantized(w)
    r_int8, r_scale = _quantized(r)
    constant = graph.constant
    inputs = [
        x,
        constant(f"W_{layer}", w_int8, np.int8),  # [2, input, 4 (H + 2)]
        constant(f"R_{layer}", r_int8, np.int8),  # [2, H + 2, 4 (H + 2)]
        constant(f"B_{layer}", np.concatenate([b_w, b_r], axis=1), np.float32),
        "lengths",
        "",  # the initial states are 0
        initial_cells,
        "",
        constant(f"W_scale_{layer}", w_scale, np.float32),  # [2, 4 (H + 2)]
        constant(f"W_zero_point_{layer}", np.zeros(w_scale.shape), np.int8),
        constant(f"R_scale_{layer}", r_scale, np.float32),
        constant(f"R_zero_point_{layer}", np.zeros(r_scale.shape), np.int8),
    ]
    return graph.multiple(
        [f"states_{layer}", f"last_{layer}"],
        "DynamicQuantizeLSTM",
        inputs,
        domain=DOMAIN,
        direction="bidirectional",
        hidden_size=hidden + PINS,
    )


def head_weight(weight: Array, hidden: int) -> Array:
    """The head's weight [1, 2H * poolings] with zeros where the pins stand: [1, 2 (H + 2) * poolings]."""
    parts = np.split(weight, weight.shape[1] // hidden, axis=1)
    return np.concatenate([_padded(part, 1) for part in parts], axis=1)


def _quantized(weights: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """Weights [2, N, K] -> int8 [2, K, N] and the scale of each of the N columns [2, N]; the zero point is 0."""
    scale = np.abs(weights).max(axis=2) / np.float32(127.0)
    scale[scale == 0.0] = 1.0
    return np.rint(weights / scale[..., None]).astype(np.int8).transpose(0, 2, 1), scale


def _with_pinned_gates(weights: Array, axis: int) -> Array:
    """Four blocks of H along an axis -> four blocks of H + 2, zeros at the ends."""
    return np.concatenate([_padded(block, axis) for block in np.split(weights, 4, axis=axis)], axis=axis)


def _padded(weights: Array, axis: int) -> Array:
    widths = [(0, 0)] * weights.ndim
    widths[axis] = (0, PINS)
    return np.pad(weights, widths)
