"""The GRU in int8, whose scores do not depend on the batch.

ONNX Runtime has no quantised GRU, and no LSTM can stand in for one: it has nothing that multiplies inside the tanh, as
the reset gate does. So a layer is a Scan whose body is one step of both directions. Its products are
MatMulIntegerToFloat with constant scales: states lie in [-1, 1], and each number of an embedding on a range of its
own, which the first layer's weights take back. Integer sums are exact, so a text's score is its own, bit for bit, in a
batch of any size.

The backward direction reads each text reversed up to its length. What comes out behind a text's end is garbage, which
the pooling masks, so no step needs a mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, ValueInfoProto, helper

from sentscore_export.graphs.nodes import GraphBuilder

DOMAIN: Final = "com.microsoft"

_SCALE: Final = 1.0 / 127.0  # of what lies in [-1, 1]: uint8 1 to 255
_ZERO_POINT: Final = 128
_TINY: Final = np.float32(1e-30)  # in place of a range of 0

Array = npt.NDArray[np.float32]
Weights = Mapping[str, Array]
"""`W` [2, 3H, input], `R` [2, 3H, H] and `B` [2, 6H] of a layer, gates in ONNX's order z, r and the candidate n."""


def recurrent(graph: GraphBuilder, embedding: Array, ids: str, layers: Sequence[Weights]) -> str:
    """All layers on ids [T, B]; the name of the states float32 [T, B, 2H] of the last one.

    Those of the backward direction stand in the order in which it reads: reversed up to each text's length.

    Args:
        graph: gets the nodes.
        embedding: float32 [V, E].
        ids: name of the ids, time first; `lengths` is the name of the lengths.
        layers: weights, the first layer first.
    """
    node, constant = graph.node, graph.constant
    node("Cast", ["lengths"], "text_lengths", to=TensorProto.INT64)
    spread = np.maximum(np.abs(embedding).max(axis=0), _TINY)  # [E]
    table = np.rint(embedding / spread / _SCALE) + _ZERO_POINT  # 1 to 255
    stored = constant("embedding", table, np.uint8)
    x = [node("Gather", [stored, name], f"embedded_{name}", axis=0) for name in (ids, _reversed(graph, ids))]
    for layer, weights in enumerate(layers):
        w = weights["W"] if layer else weights["W"] * spread
        if layer:
            x = _joined(graph, x, layer)
        fed = [_input_gates(graph, f"{layer}_{way}", x[way], w[way], weights["B"][way]) for way in range(2)]
        x = _scan(graph, layer, fed, weights)
    return node("Concat", x, "hidden", axis=2)


def _input_gates(graph: GraphBuilder, name: str, x: str, w: Array, bias: Array) -> list[str]:
    """W x and biases: of the gates [T, B, 2H], with the recurrent ones, and of the candidate [T, B, H], without."""
    gates = len(w) * 2 // 3
    bias_w, bias_r = np.split(bias, 2)
    return [
        _product(graph, f"in_gates_{name}", x, w[:gates], bias_w[:gates] + bias_r[:gates]),
        _product(graph, f"in_candidate_{name}", x, w[gates:], bias_w[gates:]),
    ]


def _reversed(graph: GraphBuilder, name: str) -> str:
    """Each text reversed up to its length: [T, B, ...] -> the same shape."""
    return graph.node("ReverseSequence", [name, "text_lengths"], f"reversed_{name}", time_axis=0, batch_axis=1)


def _joined(graph: GraphBuilder, states: list[str], layer: int) -> list[str]:
    """Both directions' states [T, B, H], each in its own order -> uint8 [T, B, 2H] in either order."""
    forward, backward = (_uint8(graph, name) for name in states)
    return [
        graph.node("Concat", [forward, _reversed(graph, backward)], f"forward_{layer}", axis=2),
        graph.node("Concat", [_reversed(graph, forward), backward], f"backward_{layer}", axis=2),
    ]


def _uint8(graph: GraphBuilder, name: str) -> str:
    """States float32 -> uint8 on the constant scale."""
    scale = graph.constant(f"{name}_scale", _SCALE, np.float32)
    zero_point = graph.constant(f"{name}_zero_point", _ZERO_POINT, np.uint8)
    return graph.node("QuantizeLinear", [name, scale, zero_point], f"{name}_uint8")


def _product(graph: GraphBuilder, name: str, x: str, weights: Array, bias: Array | None = None) -> str:
    """Multiplies x uint8 [..., K] by weights [N, K] and adds a bias [N]; the name of float32 [..., N]."""
    scales = np.maximum(np.abs(weights).max(axis=1), _TINY) / np.float32(127.0)  # [N]
    constant = graph.constant
    inputs = [
        x,
        constant(f"{name}_weights", np.rint(weights / scales[:, None]).T, np.int8),  # [K, N]
        constant(f"{name}_x_scale", _SCALE, np.float32),
        constant(f"{name}_scales", scales, np.float32),
        constant(f"{name}_x_zero_point", _ZERO_POINT, np.uint8),
    ]
    if bias is not None:
        inputs += ["", constant(f"{name}_bias", bias, np.float32)]  # the weights' zero points are 0
    return graph.node("MatMulIntegerToFloat", inputs, name, domain=DOMAIN)


def _scan(graph: GraphBuilder, layer: int, fed: list[list[str]], weights: Weights) -> list[str]:
    """A Scan over the tokens, both directions in one; states [T, B, H] by direction.

    Args:
        graph: gets the node.
        layer: from 0, for names.
        fed: what `_input_gates` gave, by direction.
        weights: of the layer.
    """
    hidden = weights["R"].shape[2]
    body = GraphBuilder()
    ways = [f"{layer}_{way}" for way in range(2)]
    for name, r, bias in zip(ways, weights["R"], weights["B"], strict=True):
        _step(body, name, r, bias[-hidden:])
    states = [body.node("Identity", [f"new_h_{name}"], f"states_out_{name}") for name in ways]

    def floats(names: list[str]) -> list[ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]

    one_step = helper.make_graph(
        body.nodes,
        f"step_{layer}",
        floats([f"h_{name}" for name in ways])
        + floats([f"{part}_in_{name}" for name in ways for part in ("gates", "candidate")]),
        floats([f"new_h_{name}" for name in ways] + states),
        body.constants,
    )
    batch = graph.node("Shape", ["lengths"], f"batch_{layer}")
    width = graph.constant(f"width_{layer}", [hidden], np.int64)
    shape = graph.node("Concat", [batch, width], f"shape_{layer}", axis=0)
    zeros = graph.node("ConstantOfShape", [shape], f"zeros_{layer}")  # [B, H]
    outputs = [f"{what}_{name}" for what in ("last", "states") for name in ways]
    inputs = [zeros, zeros, *fed[0], *fed[1]]
    return graph.multiple(outputs, "Scan", inputs, body=one_step, num_scan_inputs=4)[2:]


def _step(body: GraphBuilder, name: str, r: Array, candidate_bias: Array) -> None:
    """`h` [B, H] -> `new_h`: z, r = sigmoid(.), n = tanh(in + r * (R h + bias)), new h = n + z * (h - n)."""
    node = body.node
    gates = len(r) * 2 // 3
    state = _uint8(body, f"h_{name}")
    gates_sum = node("Add", [_product(body, f"gates_{name}", state, r[:gates]), f"gates_in_{name}"], f"sum_{name}")
    opened = node("Sigmoid", [gates_sum], f"open_{name}")
    z, reset = body.multiple([f"z_{name}", f"r_{name}"], "Split", [opened], axis=1, num_outputs=2)
    kept = node("Mul", [reset, _product(body, f"candidate_{name}", state, r[gates:], candidate_bias)], f"kept_{name}")
    candidate = node("Tanh", [node("Add", [kept, f"candidate_in_{name}"], f"inside_{name}")], f"n_{name}")
    change = node("Mul", [node("Sub", [f"h_{name}", candidate], f"apart_{name}"), z], f"change_{name}")
    node("Add", [change, candidate], f"new_h_{name}")
