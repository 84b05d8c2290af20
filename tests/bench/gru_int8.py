"""Speed and scores of the GRU's graph rebuilt with int8 products, against ONNX Runtime's float32 GRU operator.

    python tests/bench/gru_int8.py REVIEWS.parquet [--model gru] [--reviews 192] [--batch 8 32] [--rounds 5]

ONNX Runtime has no quantised GRU, and its DynamicQuantizeLSTM cannot stand in for one: an LSTM's gates multiply what
an activation gave, while tanh(Wx + b + r * (Rh + rb)) has a gate inside the activation. So the candidates are built
from the weights of an artifact's float32 graph, behind its own embedding and before its own pooling and head: the
input products of all tokens at once, then the operator fed through an identity, or a Scan whose body is one step of
both directions. uint8 activations have a constant scale, so that a score cannot depend on the batch: states lie in
[-1, 1] and embeddings in their table's range. The backward direction reads each text reversed up to its length;
what comes out behind a text's end is masked by the pooling, so no step needs a mask.

One thread. The candidates take turns batch size by batch size, and CPU time is counted, so that a busy machine slows
all of them. Exits with 1 when a candidate's scores are too far from the float32 operator's.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pyarrow.parquet as pq
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from _measure import figure, markdown_table, sample_by_length
from sentscore.model.artifact import load_artifact
from sentscore.model.batching import pad
from sentscore.text.encoder import Encoder
from sentscore.text.normalize import as_text_array
from sentscore.text.vocabulary import Vocabulary
from sentscore_export.graphs.nodes import GraphBuilder

Array = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int32]
Product = Literal["float32", "int8", "blocks"]  # blocks: MatMulNBits, which scales each row of activations by itself

Weights = dict[str, Array]  # W [2, 3H, input], R [2, 3H, H], B [2, 6H] of both directions; gates z, r, n

DOMAIN = "com.microsoft"
SCALE = 1.0 / 127.0  # of what lies in [-1, 1]: uint8 1 to 255
ZERO_POINT = 128
TINY = np.float32(1e-30)  # in place of a range of 0


@dataclass(frozen=True)
class Candidate:
    """A way to compute the GRU's layers: the products W x of the first layer and of the others, and the products R h.

    `recurrence` is None for the GRU operator behind an identity. `limit` is the worst difference of a probability
    that still shows a right graph: rounding alone for float32.
    """

    label: str
    embedded: Product
    inputs: Product
    recurrence: Product | None
    limit: float = 0.05


OPERATOR = "float32 GRU operator, as shipped"
CANDIDATES = (
    Candidate("int8 inputs, GRU operator behind an identity", "int8", "int8", None),
    Candidate("float32 Scan", "float32", "float32", "float32", limit=1e-5),
    Candidate("int8 inputs, float32 Scan", "int8", "int8", "float32"),
    Candidate("float32 inputs, int8 Scan", "float32", "float32", "int8"),
    Candidate("float32 inputs, Scan of MatMulNBits", "float32", "float32", "blocks"),
    Candidate("int8 Scan, float32 embeddings", "float32", "int8", "int8"),
    Candidate("int8 Scan", "int8", "int8", "int8"),
)


def rebuilt(shipped: ModelProto, candidate: Candidate) -> ModelProto:
    """The graph that `sentscore-export` wrote, with its embedding and its GRU operators replaced."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in shipped.graph.initializer}
    nodes = list(shipped.graph.node)
    layers = [node for node in nodes if node.op_type == "GRU"]
    if not layers or any(set(layer.output[1:]) & set(node.input) for layer in layers for node in nodes):
        raise SystemExit("the model is no GRU that pools the states of all tokens")
    hidden = f"hidden_{len(layers) - 1}"  # [T, B, 2H], what the pooling reads
    end = next(index for index, node in enumerate(nodes) if hidden in node.output)
    graph = GraphBuilder()
    graph.node("Transpose", ["token_ids"], "ids", perm=[1, 0])  # [T, B]
    graph.node("Cast", ["lengths"], "text_lengths", to=TensorProto.INT64)
    turned = graph.node("ReverseSequence", ["ids", "text_lengths"], "reversed_ids", time_axis=0, batch_axis=1)
    # Each number of an embedding on a range of its own, [-1, 1], which the first layer's weights take back.
    spread = np.maximum(np.abs(constants["embedding"]).max(axis=0), TINY)  # [E]
    table = constants["embedding"] / spread
    if candidate.embedded == "int8":
        stored = graph.constant("embedding_uint8", np.rint(table / SCALE) + ZERO_POINT, np.uint8)
    else:
        stored = graph.constant("embedding_float32", table, np.float32)
    x = [graph.node("Gather", [stored, name], f"embedded_{name}", axis=0) for name in ("ids", turned)]
    for layer in range(len(layers)):
        weights = {name: constants[f"{name}_{layer}"] for name in "WRB"}
        if layer:
            x = joined(graph, x, layer, quantized=candidate.inputs == "int8")
        else:
            weights["W"] = weights["W"] * spread
        kind = candidate.inputs if layer else candidate.embedded
        gates = [input_gates(graph, f"{layer}_{way}", x[way], weights, way, kind) for way in range(2)]
        if candidate.recurrence is None:
            x = [operator(graph, f"{layer}_{way}", gates[way], weights, way) for way in range(2)]
        else:
            x = scan(graph, layer, gates, weights, candidate.recurrence)
    graph.node("Concat", x, hidden, axis=2)
    rest = nodes[end + 1 :]
    read = {name for node in rest for name in node.input}
    kept = [tensor for tensor in shipped.graph.initializer if tensor.name in read]
    ends = list(shipped.graph.input), list(shipped.graph.output)
    model = helper.make_model(
        helper.make_graph([*graph.nodes, *rest], "rebuilt", *ends, graph.constants + kept),
        opset_imports=[*shipped.opset_import, helper.make_opsetid(DOMAIN, 1)],
        ir_version=shipped.ir_version,
    )
    onnx.checker.check_model(model)
    return model


def joined(graph: GraphBuilder, x: list[str], layer: int, *, quantized: bool) -> list[str]:
    """Both directions' states [T, B, H], each in its own order -> [T, B, 2H] in either order."""
    if quantized:
        x = [uint8_states(graph, name) for name in x]
    axes = {"time_axis": 0, "batch_axis": 1}
    turned = [graph.node("ReverseSequence", [name, "text_lengths"], f"reversed_{name}", **axes) for name in x]
    return [
        graph.node("Concat", [x[0], turned[1]], f"forward_{layer}", axis=2),
        graph.node("Concat", [turned[0], x[1]], f"backward_{layer}", axis=2),
    ]


def uint8_states(graph: GraphBuilder, x: str) -> str:
    """States float32 -> uint8 on the constant scale."""
    scale = graph.constant(f"{x}_scale", SCALE, np.float32)
    return graph.node("QuantizeLinear", [x, scale, graph.constant(f"{x}_zero", ZERO_POINT, np.uint8)], f"{x}_uint8")


def product(graph: GraphBuilder, name: str, x: str, weights: Array, bias: Array | None, kind: Product) -> str:
    """x [..., K], uint8 for `int8`, times weights [N, K], plus a bias [N]; the name of float32 [..., N]."""
    added = "" if bias is None else graph.constant(f"{name}_bias", bias, np.float32)
    if kind == "float32":
        stored = graph.constant(f"{name}_weights", weights.T, np.float32)
        multiplied = graph.node("MatMul", [x, stored], f"{name}_product")
        return graph.node("Add", [multiplied, added], name) if added else multiplied
    by_row = np.maximum(np.abs(weights).max(axis=1, keepdims=True), TINY) / np.float32(127.0)  # [N, 1]
    rounded = np.rint(weights / by_row)
    scales = graph.constant(f"{name}_scales", by_row if kind == "blocks" else by_row[:, 0], np.float32)
    if kind == "blocks":
        n, k = weights.shape  # one block a row; K is a power of 2
        sizes = {"N": n, "K": k, "block_size": k, "bits": 8, "accuracy_level": 4}  # 4: int8 activations
        stored = graph.constant(f"{name}_weights", rounded[:, None, :] + ZERO_POINT, np.uint8)
        return graph.node("MatMulNBits", [x, stored, scales, "", "", added], name, domain=DOMAIN, **sizes)
    stored = graph.constant(f"{name}_weights", rounded.T, np.int8)
    x_scale = graph.constant(f"{name}_x_scale", SCALE, np.float32)
    x_zero_point = graph.constant(f"{name}_x_zero_point", ZERO_POINT, np.uint8)
    inputs = [x, stored, x_scale, scales, x_zero_point, "", added]
    return graph.node("MatMulIntegerToFloat", inputs, name, domain=DOMAIN)


def input_gates(graph: GraphBuilder, name: str, x: str, weights: Weights, way: int, kind: Product) -> list[str]:
    """W x + b of a direction: z and r [T, B, 2H] with the recurrent bias, n [T, B, H] without."""
    w, (bias, recurrent_bias) = weights["W"][way], np.split(weights["B"][way], 2)
    zr = len(w) * 2 // 3
    return [
        product(graph, f"zr_{name}", x, w[:zr], (bias + recurrent_bias)[:zr], kind),
        product(graph, f"n_{name}", x, w[zr:], bias[zr:], kind),
    ]


def operator(graph: GraphBuilder, name: str, gates: list[str], weights: Weights, way: int) -> str:
    """A GRU operator that multiplies a direction's gates by 1; its states [T, B, H]."""
    rows, hidden = weights["R"].shape[1:]
    bias = np.zeros(2 * rows, np.float32)
    bias[-hidden:] = weights["B"][way, -hidden:]  # of n's recurrent product; the others are in the gates
    inputs = [
        graph.node("Concat", gates, f"gates_{name}", axis=2),
        graph.constant(f"identity_{name}", np.eye(rows)[None], np.float32),
        graph.constant(f"R_{name}", weights["R"][way][None], np.float32),
        graph.constant(f"B_{name}", bias[None], np.float32),
        "lengths",
    ]
    y = graph.node("GRU", inputs, f"y_{name}", hidden_size=hidden, linear_before_reset=1)  # [T, 1, B, H]
    return graph.node("Squeeze", [y, graph.constant(f"axis_{name}", [1], np.int64)], f"states_{name}")


def scan(graph: GraphBuilder, layer: int, gates: list[list[str]], weights: Weights, kind: Product) -> list[str]:
    """A Scan over the tokens, both directions in one; states [T, B, H] by direction."""
    hidden = weights["R"].shape[2]
    ways = [f"{layer}_{way}" for way in range(2)]
    body = GraphBuilder()
    biases = weights["B"][:, -hidden:]
    after = [step(body, name, r, bias, kind) for name, r, bias in zip(ways, weights["R"], biases, strict=True)]
    out = [body.node("Identity", [name], f"out_{name}") for name in after]
    fed = [f"{part}_fed_{name}" for name in ways for part in ("zr", "n")]

    def floats(names: list[str]) -> list[ValueInfoProto]:
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]

    before = floats([f"before_{name}" for name in ways] + fed)
    one_step = helper.make_graph(body.nodes, f"step_{layer}", before, floats(after + out), body.constants)
    batch = graph.node("Shape", ["lengths"], f"batch_{layer}")
    width = graph.constant(f"width_{layer}", [hidden], np.int64)
    shape = graph.node("Concat", [batch, width], f"shape_{layer}", axis=0)
    zeros = graph.node("ConstantOfShape", [shape], f"zeros_{layer}")  # [B, H]
    outputs = [f"{what}_{name}" for what in ("last", "states") for name in ways]
    inputs = [zeros, zeros, *gates[0], *gates[1]]
    return graph.multiple(outputs, "Scan", inputs, body=one_step, num_scan_inputs=4)[2:]


def step(body: GraphBuilder, name: str, r: Array, bias: Array, kind: Product) -> str:
    """One step of a direction, from `before` [B, H] and the input's gates `zr_fed` [B, 2H] and `n_fed` [B, H]."""
    hidden = r.shape[1]
    before = f"before_{name}"
    state = uint8_states(body, before) if kind == "int8" else before
    zr = product(body, f"zr_product_{name}", state, r[: 2 * hidden], None, kind)  # its bias is in the input's gates
    n = product(body, f"n_product_{name}", state, r[2 * hidden :], bias, kind)
    open_zr = body.node("Sigmoid", [body.node("Add", [zr, f"zr_fed_{name}"], f"zr_sum_{name}")], f"zr_open_{name}")
    z, reset = body.multiple([f"z_{name}", f"r_{name}"], "Split", [open_zr], axis=1, num_outputs=2)
    kept = body.node("Mul", [reset, n], f"kept_{name}")
    new = body.node("Tanh", [body.node("Add", [kept, f"n_fed_{name}"], f"n_sum_{name}")], f"new_{name}")
    # (1 - z) new + z before, in three nodes
    change = body.node("Mul", [body.node("Sub", [before, new], f"apart_{name}"), z], f"change_{name}")
    return body.node("Add", [change, new], f"after_{name}")


def session(model: bytes) -> Any:
    """A session like `sentscore.model.session` makes: one thread, no pattern of allocations."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def scores(run: Any, texts: list[Ids], size: int, pad_id: int) -> Array:
    """Probabilities [n] of texts in batches of a size, in their order."""
    parts = []
    for start in range(0, len(texts), size):
        token_ids, lengths = pad(texts[start : start + size], pad_id)
        parts.append(run.run(["probability"], {"token_ids": token_ids, "lengths": lengths})[0])
    return np.concatenate(parts)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reviews_file", metavar="REVIEWS.parquet", type=Path)
    parser.add_argument("--model", default="gru")
    parser.add_argument("--reviews", type=int, default=192)
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    artifact = load_artifact(args.model)
    vocabulary = Vocabulary.from_json(artifact.vocabulary)
    encoded = Encoder(vocabulary).encode(as_text_array(pq.read_table(args.reviews_file, columns=["text"])["text"]))
    rows = sample_by_length(encoded.lengths, args.reviews, np.random.default_rng(1234), group=max(args.batch))
    texts = sorted((encoded[row] for row in rows.tolist() if encoded.lengths[row]), key=len, reverse=True)
    shipped = onnx.load_from_string(artifact.graphs["fp32"])
    sessions = {OPERATOR: session(artifact.graphs["fp32"])}
    limits = {OPERATOR: 0.0} | {candidate.label: candidate.limit for candidate in CANDIDATES}
    for candidate in CANDIDATES:
        sessions[candidate.label] = session(rebuilt(shipped, candidate).SerializeToString())

    alone = {label: scores(run, texts, 1, vocabulary.pad_id) for label, run in sessions.items()}
    table, wrong = [], False
    for size in args.batch:
        seconds: dict[str, list[float]] = {label: [] for label in sessions}
        found = {}
        for _ in range(args.rounds):
            for label, run in sessions.items():
                began = process_time()
                found[label] = scores(run, texts, size, vocabulary.pad_id)
                seconds[label].append(process_time() - began)
        for label, times in seconds.items():
            apart = np.abs(found[label] - alone[OPERATOR])
            wrong |= bool(apart.max() > limits[label])
            ratio = median(base / own for base, own in zip(seconds[OPERATOR], times, strict=True))
            moved = int((found[label].view(np.uint32) != alone[label].view(np.uint32)).sum())
            cells = [f"{len(texts) / median(times):.0f}", f"{ratio:.2f}", figure(apart.max()), figure(apart.mean())]
            table.append([label, str(size), *cells, str(moved)])
    tokens = sum(map(len, texts))
    print(f"{len(texts)} reviews, {tokens:,} tokens, one thread, median of {args.rounds} rounds\n")
    header = ["candidate", "batch", "reviews/s", "ratio", "worst difference", "mean", "scores that the batch moves"]
    print(markdown_table(header, table))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
