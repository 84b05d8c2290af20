"""Adds the layers of an int8 LSTM whose scores do not depend on the batch.

ONNX Runtime's DynamicQuantizeLSTM multiplies uint8 activations by int8 weights. At every step it takes the scale of the
activations from the smallest and the largest number in the whole batch. A text's score would therefore depend on the
other texts of its batch. Here the range is pinned: two units in each direction, and two numbers of each token, always
hold the smallest and the largest value that any other can take. Every scale is then a constant, and a text has the same
score, bit for bit, in every batch.

The pinned units of a layer stay at -1 and 1, the bounds of an LSTM's output. Their cell states start at -30 and 30.
Their biases saturate their gates, and no weight reads or writes them. The pinned numbers of a token are 0 and 255 in a
uint8 table whose other numbers are 1 to 255.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from sentscore_export.graphs.nodes import ONNX_RUNTIME_DOMAIN, Array, GraphBuilder

PINS: Final = 2
"""How many units of a direction, and how many numbers of a token, hold the range."""

_SATURATED: Final = 30.0  # sigmoid and tanh of it are 1 in float32
_ZERO_POINT: Final = 128


def add_layers(
    graph: GraphBuilder, embedding: Array, ids: str, layers: Sequence[Mapping[str, Array]]
) -> tuple[str, str]:
    """Adds the embedding and all layers, with their pinned units.

    Args:
        graph: The graph that gets the nodes.
        embedding: The embedding, float32 [V, E].
        ids: The name of the token ids [T, B]. The graph has an input `lengths`.
        layers: `W` [2, 4H, input], `R` [2, 4H, H] and `B` [2, 8H] of each layer, gates in ONNX's order i, o, f, c.

    Returns:
        The names of the last layer's states [T, 2, B, H + 2] and of its last states [2, B, H + 2].
    """
    hidden = layers[0]["R"].shape[2]
    x = _add_embedding(graph, embedding, ids)
    initial_cells = _add_initial_cells(graph, hidden)
    for layer, weights in enumerate(layers):
        y, last = _add_layer(graph, weights, layer, x, initial_cells, hidden=hidden)  # [T, 2, B, H + 2]
        if layer < len(layers) - 1:
            by_token = graph.add("Transpose", [y], f"by_token_{layer}", perm=[0, 2, 1, 3])
            merged = graph.add_constant(f"merged_shape_{layer}", [0, 0, 2 * (hidden + PINS)], np.int64)
            x = graph.add("Reshape", [by_token, merged], f"hidden_{layer}")  # 0 copies the input's size of that axis
    return y, last


def pad_head(weight: Array, hidden: int) -> Array:
    """Returns the head's weight [1, 2H * poolings] as [1, 2 (H + 2) * poolings], with zeros for the pinned units."""
    parts = np.split(weight, weight.shape[1] // hidden, axis=1)
    return np.concatenate([_pad(part, 1) for part in parts], axis=1)


def _add_embedding(graph: GraphBuilder, embedding: Array, ids: str) -> str:
    """Adds the lookup of the ids [T, B] in a uint8 table and returns the name of the result, float32 [T, B, E + 2]."""
    # Why the pins are needed: let the largest absolute number of the table be 0.508, so scale = 0.508 / 127 = 0.004.
    #   0.1 is stored as 128 + 0.1 / 0.004 = 153, and the LSTM reads (153 - 128) * 0.004 = 0.1.
    #   Without pins, a batch of numbers from -0.1 to 0.3 gets the scale 0.4 / 255 and the zero point 64: 0.1 is 128.
    #   The pins 0 and 255 are read as -0.512 and 0.508. Every batch gets the scale 1.02 / 255 = 0.004 and the
    #   zero point 0.512 / 0.004 = 128, so the LSTM finds the stored 153 again, whatever the other texts hold.
    scale = float(np.abs(embedding).max()) / 127.0 or 1.0
    table = np.rint(embedding / scale) + _ZERO_POINT  # 1 to 255
    pins = np.broadcast_to(np.array([0.0, 255.0]), (len(table), PINS))
    table = np.concatenate([table, pins], axis=1)
    stored = graph.add("Gather", [graph.add_constant("embedding", table, np.uint8), ids], "embedded_uint8", axis=0)
    inputs = [
        stored,
        graph.add_constant("embedding_scale", scale, np.float32),
        graph.add_constant("embedding_zero_point", _ZERO_POINT, np.uint8),
    ]
    return graph.add("DequantizeLinear", inputs, "embedded")


def _add_initial_cells(graph: GraphBuilder, hidden: int) -> str:
    """Adds the initial cell states [2, B, H + 2] of every layer: 0, and -30 and 30 for the pinned units."""
    state = np.zeros((2, 1, hidden + PINS), np.float32)
    state[:, :, hidden:] = [-_SATURATED, _SATURATED]
    batch = graph.add("Shape", ["lengths"], "batch_size")  # [1]
    one = graph.add_constant("one_size", [1], np.int64)
    shape = graph.add("Concat", [one, batch, one], "state_shape", axis=0)
    return graph.add("Expand", [graph.add_constant("pinned", state, np.float32), shape], "initial_cells")


def _add_layer(
    graph: GraphBuilder, weights: Mapping[str, Array], layer: int, x: str, initial_cells: str, *, hidden: int
) -> list[str]:
    """Adds one bidirectional layer on x [T, B, input with pins].

    Returns:
        The names of its states [T, 2, B, H + 2] and of its last states [2, B, H + 2].
    """
    # No weight reads the pinned inputs. They are the embedding's last two, or the last two of each direction.
    directions = 2 if layer else 1
    w = _pad_gates(weights["W"], 1)
    w = np.concatenate([_pad(part, 2) for part in np.split(w, directions, axis=2)], axis=2)
    r = _pad(_pad_gates(weights["R"], 1), 2)
    b_w, b_r = (_pad_gates(part, 1) for part in np.split(weights["B"], 2, axis=1))
    # How a pinned unit holds -1: its gates i, o and f are sigmoid(30) = 1, and its candidate c is tanh(-30) = -1.
    #   cell = f * cell + i * c: -30 before the first step, then -31, -32, ...
    #   state = o * tanh(cell): -1 after every step, exactly, in float32.
    # The other one holds 1, so all states of the layer lie on the scale 2 / 255 with the zero point 128 (127.5 rounded
    # to even), in every batch: 0.5 is always 128 + 0.5 / (2 / 255) = 192.
    gates = b_w.reshape(2, 4, hidden + PINS)  # a view
    gates[:, :3, hidden:] = _SATURATED  # i, o and f
    gates[:, 3, hidden:] = [-_SATURATED, _SATURATED]  # c
    w_int8, w_scale = _quantize(w)
    r_int8, r_scale = _quantize(r)
    constant = graph.add_constant
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
    return graph.add_multiple(
        "DynamicQuantizeLSTM",
        inputs,
        [f"states_{layer}", f"last_{layer}"],
        domain=ONNX_RUNTIME_DOMAIN,
        direction="bidirectional",
        hidden_size=hidden + PINS,
    )


def _quantize(weights: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """Returns weights [2, N, K] as int8 [2, K, N], and the scale of each of the N columns [2, N]. Zero points are 0."""
    scale = np.abs(weights).max(axis=2) / np.float32(127.0)
    scale[scale == 0.0] = 1.0
    return np.rint(weights / scale[..., None]).astype(np.int8).transpose(0, 2, 1), scale


def _pad_gates(weights: Array, axis: int) -> Array:
    """Pads each of the four gates along an axis: 4 H -> 4 (H + 2)."""
    return np.concatenate([_pad(gate, axis) for gate in np.split(weights, 4, axis=axis)], axis=axis)


def _pad(weights: Array, axis: int) -> Array:
    """Appends zeros for the pinned units along an axis."""
    widths = [(0, 0)] * weights.ndim
    widths[axis] = (0, PINS)
    return np.pad(weights, widths)
