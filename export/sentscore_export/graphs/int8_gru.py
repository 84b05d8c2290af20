"""Adds the layers of an int8 GRU whose scores do not depend on the batch.

ONNX Runtime has no quantised GRU, and its quantised LSTM cannot stand in for one, because a GRU's reset gate multiplies
inside the tanh. So each layer is a Scan whose body computes one step of both directions. Its products are
MatMulIntegerToFloat with constant scales: states lie in [-1, 1], and each number of an embedding has a range of its
own, which is folded into the first layer's weights. Sums of integers are exact, so a text has the same score, bit for
bit, in every batch.

The backward direction reads each text reversed up to its length. The states after a text's end are garbage. The pooling
masks them, so no step needs a mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

from sentscore_export.graphs.nodes import ONNX_RUNTIME_DOMAIN, Array, GraphBuilder

_SCALE: Final = 1.0 / 127.0  # of numbers in [-1, 1], which become uint8 1 to 255
_ZERO_POINT: Final = 128
_TINY: Final = np.float32(1e-30)  # in place of a range of 0

Weights = Mapping[str, Array]
"""`W` [2, 3H, input], `R` [2, 3H, H] and `B` [2, 6H] of a layer, gates in ONNX's order z, r and the candidate n."""


def add_layers(graph: GraphBuilder, embedding: Array, ids: str, layers: Sequence[Weights]) -> str:
    """Adds the embedding and all layers.

    Args:
        graph: The graph that gets the nodes.
        embedding: The embedding, float32 [V, E].
        ids: The name of the token ids [T, B]. The graph has an input `lengths`.
        layers: The weights of each layer, the first layer first.

    Returns:
        The name of the last layer's states, float32 [T, 2, B, H]. Those of the backward direction are in the order in
        which it reads: reversed up to each text's length.
    """
    graph.add("Cast", ["lengths"], "text_lengths", to=TensorProto.INT64)
    # How a range is folded: let the first number of all embeddings lie in [-0.04, 0.04] and the second in [-3, 3].
    #   An embedding [0.02, -3] is stored as 128 + round(127 * [0.02 / 0.04, -3 / 3]) = [192, 1].
    #   A row of W [2, 0.1] becomes [2 * 0.04, 0.1 * 3] = [0.08, 0.3], which is int8 [34, 127] on the scale 0.3 / 127.
    #   The product is the exact sum (192 - 128) * 34 + (1 - 128) * 127 = -13,953, times the constant scales 1 / 127 and
    #   0.3 / 127: -0.2595. In float32 it is 0.02 * 2 - 3 * 0.1 = -0.26. No scale depends on what is in the batch.
    ranges = np.maximum(np.abs(embedding).max(axis=0), _TINY)  # [E]
    table = np.rint(embedding / ranges / _SCALE) + _ZERO_POINT  # 1 to 255
    stored = graph.add_constant("embedding", table, np.uint8)
    x = [graph.add("Gather", [stored, name], f"embedded_{name}", axis=0) for name in (ids, _add_reverse(graph, ids))]
    for layer, weights in enumerate(layers):
        w = weights["W"] if layer else weights["W"] * ranges
        if layer:
            x = _add_join(graph, x, layer)
        products = [_add_input_products(graph, f"{layer}_{way}", x[way], w[way], weights["B"][way]) for way in range(2)]
        x = _add_scan(graph, layer, products, weights)
    axis = graph.add_constant("direction_axis", [1], np.int64)
    directions = [graph.add("Unsqueeze", [name, axis], f"direction_{name}") for name in x]  # [T, 1, B, H]
    return graph.add("Concat", directions, "hidden", axis=1)


def _add_input_products(graph: GraphBuilder, name: str, x: str, w: Array, bias: Array) -> list[str]:
    """Adds W x with the biases of one direction.

    Returns:
        The names of the gates' part [T, B, 2H], which includes the recurrent biases, and of the candidate's [T, B, H],
        which does not.
    """
    gates = len(w) * 2 // 3
    bias_w, bias_r = np.split(bias, 2)
    return [
        _add_product(graph, f"in_gates_{name}", x, w[:gates], bias_w[:gates] + bias_r[:gates]),
        _add_product(graph, f"in_candidate_{name}", x, w[gates:], bias_w[gates:]),
    ]


def _add_reverse(graph: GraphBuilder, name: str) -> str:
    """Adds the reversal of each text [T, B, ...] up to its length."""
    return graph.add("ReverseSequence", [name, "text_lengths"], f"reversed_{name}", time_axis=0, batch_axis=1)


def _add_join(graph: GraphBuilder, states: list[str], layer: int) -> list[str]:
    """Joins both directions' states [T, B, H] to uint8 [T, B, 2H], once in each direction's order."""
    forward, backward = (_add_quantize(graph, name) for name in states)
    return [
        graph.add("Concat", [forward, _add_reverse(graph, backward)], f"forward_{layer}", axis=2),
        graph.add("Concat", [_add_reverse(graph, forward), backward], f"backward_{layer}", axis=2),
    ]


def _add_quantize(graph: GraphBuilder, name: str) -> str:
    """Adds the rounding of states in [-1, 1] to uint8."""
    scale = graph.add_constant(f"{name}_scale", _SCALE, np.float32)
    zero_point = graph.add_constant(f"{name}_zero_point", _ZERO_POINT, np.uint8)
    return graph.add("QuantizeLinear", [name, scale, zero_point], f"{name}_uint8")


def _add_product(graph: GraphBuilder, name: str, x: str, weights: Array, bias: Array | None = None) -> str:
    """Multiplies x, uint8 [..., K], by weights [N, K] and adds a bias [N]; returns the name of float32 [..., N]."""
    scales = np.maximum(np.abs(weights).max(axis=1), _TINY) / np.float32(127.0)  # [N]
    constant = graph.add_constant
    inputs = [
        x,
        constant(f"{name}_weights", np.rint(weights / scales[:, None]).T, np.int8),  # [K, N]
        constant(f"{name}_x_scale", _SCALE, np.float32),
        constant(f"{name}_scales", scales, np.float32),
        constant(f"{name}_x_zero_point", _ZERO_POINT, np.uint8),
    ]
    if bias is not None:
        inputs += ["", constant(f"{name}_bias", bias, np.float32)]  # the weights' zero points are 0
    return graph.add("MatMulIntegerToFloat", inputs, name, domain=ONNX_RUNTIME_DOMAIN)


def _add_scan(graph: GraphBuilder, layer: int, products: list[list[str]], weights: Weights) -> list[str]:
    """Adds a layer's loop over the tokens, both directions in one Scan.

    Args:
        graph: The graph that gets the node.
        layer: The layer's number from 0, for names.
        products: What `_add_input_products` returned for each direction.
        weights: The layer's weights.

    Returns:
        The names of the states [T, B, H] of each direction.
    """
    hidden = weights["R"].shape[2]
    body = GraphBuilder()
    ways = [f"{layer}_{way}" for way in range(2)]
    for name, r, bias in zip(ways, weights["R"], weights["B"], strict=True):
        _add_step(body, name, r, bias[-hidden:])
    states = [body.add("Identity", [f"new_h_{name}"], f"states_out_{name}") for name in ways]

    def describe(names: list[str]) -> list[ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]

    one_step = helper.make_graph(
        body.nodes,
        f"step_{layer}",
        describe([f"h_{name}" for name in ways])
        + describe([f"{part}_in_{name}" for name in ways for part in ("gates", "candidate")]),
        describe([f"new_h_{name}" for name in ways] + states),
        body.constants,
    )
    batch = graph.add("Shape", ["lengths"], f"batch_{layer}")
    width = graph.add_constant(f"width_{layer}", [hidden], np.int64)
    shape = graph.add("Concat", [batch, width], f"shape_{layer}", axis=0)
    zeros = graph.add("ConstantOfShape", [shape], f"zeros_{layer}")  # [B, H]
    outputs = [f"{what}_{name}" for what in ("last", "states") for name in ways]
    inputs = [zeros, zeros, *products[0], *products[1]]
    return graph.add_multiple("Scan", inputs, outputs, body=one_step, num_scan_inputs=4)[2:]


def _add_step(body: GraphBuilder, name: str, r: Array, candidate_bias: Array) -> None:
    """Adds one step of one direction, which turns `h` [B, H] into `new_h` [B, H].

    z, r = sigmoid(in + R h); n = tanh(in + r * (R h + bias)); new h = n + z * (h - n).
    """
    add = body.add
    gates = len(r) * 2 // 3
    state = _add_quantize(body, f"h_{name}")
    gates_sum = add("Add", [_add_product(body, f"gates_{name}", state, r[:gates]), f"gates_in_{name}"], f"sum_{name}")
    opened = add("Sigmoid", [gates_sum], f"open_{name}")
    z, reset = body.add_multiple("Split", [opened], [f"z_{name}", f"r_{name}"], axis=1, num_outputs=2)
    product = _add_product(body, f"candidate_{name}", state, r[gates:], candidate_bias)
    kept = add("Mul", [reset, product], f"kept_{name}")
    candidate = add("Tanh", [add("Add", [kept, f"candidate_in_{name}"], f"inside_{name}")], f"n_{name}")
    change = add("Mul", [add("Sub", [f"h_{name}", candidate], f"apart_{name}"), z], f"change_{name}")
    add("Add", [change, candidate], f"new_h_{name}")
