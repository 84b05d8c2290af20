"""Generators of artifacts: manifests, vocabularies, tokenizer rules and graphs that were changed, with right sums."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from _case import Case, Complaint, Ended, exits

_ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    2**70,
    "",
    "x",
    "\x00",
    "\ud800",
    "\x1b[31m",
    "../x",
    [],
    {},
    [[]],
    {"a": 1},
)
_FILES = ("manifest.json", "vocab.json", "tokenizer.json", "model.onnx", "model.int8.onnx")
_BLANK = b"text\ngood film\nbad\n"


def manifest_case(rng: random.Random, model: Path) -> Case:
    """A manifest with odd values or missing ones; what scoring does not read may hold anything."""
    files = _read(model)
    values = json.loads(files["manifest.json"])
    for _ in range(rng.choice([1, 1, 2])):
        _change(rng, values)
    data = json.dumps(values).encode()
    if rng.random() < 0.3:
        data = _mangle(rng, data)
    return _case("manifest", files | {"manifest.json": data}, exits(0, 2, 4), sums=False)


def vocabulary_case(rng: random.Random, model: Path) -> Case:
    """A vocabulary with odd values, whose sum in the manifest is right."""
    return _json_case(rng, model, "vocabulary", "vocab.json")


def rules_case(rng: random.Random, model: Path) -> Case:
    """Tokenizer rules with odd values, or a pattern that would take exponential time, whose sum is right."""
    if rng.random() < 0.7:
        return _json_case(rng, model, "rules", "tokenizer.json")
    files = _read(model)
    values = json.loads(files["tokenizer.json"])
    kind = rng.choice(["prefix", "suffix", "infix", "url"])
    values[f"{kind}_pattern"] = rng.choice(["(a+)+$", "(.|o)*z", "(?:o?){40}x", "o*o*o*z", "(", "(?#", "[", "(?i)o"])
    return _case("slow rules", files | {"tokenizer.json": json.dumps(values).encode()}, exits(0, 4))


def _json_case(rng: random.Random, model: Path, flavour: str, name: str) -> Case:
    files = _read(model)
    values = json.loads(files[name])
    for _ in range(rng.choice([1, 1, 2])):
        _change(rng, values)
    data = json.dumps(values).encode()
    if rng.random() < 0.3:
        data = _mangle(rng, data)
    return _case(flavour, files | {name: data}, exits(0, 4))


def graph_case(rng: random.Random, model: Path) -> Case:
    """A graph of which bytes were changed, or one that was rebuilt to do harm."""
    files = _read(model)
    # The vocabulary's sum is in the graph's metadata, so only the graph changes.
    file, precision = rng.choice([("model.onnx", "fp32"), ("model.int8.onnx", "int8")])
    if rng.random() < 0.6:
        data = bytearray(files[file])
        for _ in range(rng.choice([1, 1, 2, 5, 30])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        return _case("graph bytes", files | {file: bytes(data)}, exits(0, 4, 5), precision=precision)
    name, harm = rng.choice(_HARMS)
    graph = onnx.load_from_string(files[file])
    harm(rng, graph)
    codes = _CODES.get(name, exits(0, 4, 5))
    return _case(f"graph, {name}", files | {file: graph.SerializeToString()}, codes, precision=precision)


def artifact_case(rng: random.Random, model: Path) -> Case:
    return rng.choice([manifest_case, vocabulary_case, rules_case, graph_case])(rng, model)


def _case(
    flavour: str, files: dict[str, bytes], codes: frozenset[int], *, sums: bool = True, precision: str = "fp32"
) -> Case:
    if sums:
        manifest = json.loads(files["manifest.json"])
        for name in manifest["files"]:
            manifest["files"][name] = {"sha256": hashlib.sha256(files[name]).hexdigest(), "size": len(files[name])}
        files = files | {"manifest.json": json.dumps(manifest).encode()}
    stored = {f"m/{name}".encode(): content for name, content in files.items()}
    args = ("file", "in.csv", "-m", "m", "-o", "o.csv", "--device", "cpu", "--precision", precision)

    def check(ended: Ended) -> Iterator[Complaint]:
        for line in ended.files[b"o.csv"].decode().split("\n")[1:-1]:
            score = line.rsplit(",", 1)[1]
            if not score or not 0 <= float(score) <= 1:
                yield "values", f"score {score!r} of a changed artifact"

    return Case(flavour, args, {b"in.csv": _BLANK, **stored}, codes, frozenset([b"o.csv"]), check, own_model=True)


def _read(model: Path) -> dict[str, bytes]:
    return {name: (model / name).read_bytes() for name in _FILES}


def _change(rng: random.Random, values: Any) -> None:
    """Puts an odd value somewhere into a tree of JSON, or takes something away."""
    while True:
        keys = list(values) if isinstance(values, dict) else list(range(len(values)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(values[key], (dict, list)) and values[key] and rng.random() < 0.6:
            values = values[key]
            continue
        if rng.random() < 0.2:
            del values[key]
        elif isinstance(values, dict) and rng.random() < 0.15:
            values[rng.choice(["", "\x00", "\ud800", "a/b", "model.int8.onnx", "\x1b[2J"])] = values.pop(key)
        else:
            values[key] = deepcopy(rng.choice(_ODD))  # another change may go into it
        return


def _mangle(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    deep = rng.choice([b"[", b'{"a":']) * 20_000
    return rng.choice(
        [data[:at], data[:at] + b"\xff" + data[at:], deep, b"", b"null", b"[]", b"1" * 6000, b"\xef\xbb\xbf" + data]
    )


def _scale_output(rng: random.Random, model: onnx.ModelProto, factor: float | None = None) -> None:
    graph = model.graph
    for node in graph.node:
        for index, name in enumerate(node.output):
            if name == "probability":
                node.output[index] = "probability_before"
    value = np.float32(rng.choice([7.5, -3.0, np.inf, np.nan]) if factor is None else factor)
    graph.initializer.append(numpy_helper.from_array(np.asarray(value), "odd_factor"))
    graph.node.append(helper.make_node("Mul", ["probability_before", "odd_factor"], ["probability"]))


def _shift_gather(rng: random.Random, model: onnx.ModelProto) -> None:
    _insert_before(model, "Gather", 1, helper.make_node("Add", ["?", "odd_shift"], ["odd_ids"]), "odd_ids")
    model.graph.initializer.append(numpy_helper.from_array(np.int32(rng.choice([10**6, -(10**6)])), "odd_shift"))


def _insert_before(model: onnx.ModelProto, kind: str, slot: int, new: onnx.NodeProto, output: str) -> None:
    for index, node in enumerate(model.graph.node):
        if node.op_type == kind:
            new.input[0] = node.input[slot]
            node.input[slot] = output
            model.graph.node.insert(index, new)
            return


def _constant_of_shape(rng: random.Random, model: onnx.ModelProto) -> None:
    side = rng.choice([1 << 20, 1 << 30])
    model.graph.initializer.append(numpy_helper.from_array(np.asarray([1 << 20, side], np.int64), "odd_size"))
    model.graph.node.append(helper.make_node("ConstantOfShape", ["odd_size"], ["odd_huge"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["odd_huge"], ["odd_max"], keepdims=0))
    _scale_output(rng, model, 1.0)
    model.graph.node[-1].input[1] = "odd_max"


def _endless_loop(_rng: random.Random, model: onnx.ModelProto) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_in"], ["go_out"]), helper.make_node("Identity", ["x_in"], ["x_out"])],
        "body",
        [
            helper.make_tensor_value_info("i", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("x_in", onnx.TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_out", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("x_out", onnx.TensorProto.FLOAT, None),
        ],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(True), "odd_true"))
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "probability":
                node.output[index] = "probability_before"
    model.graph.node.append(
        helper.make_node("Loop", ["", "odd_true", "probability_before"], ["probability"], body=body)
    )


def _rename_operator(rng: random.Random, model: onnx.ModelProto) -> None:
    node = rng.choice(model.graph.node)
    node.op_type = rng.choice(["Abs", "If", "Loop", "NonZero", "Unique", "Softmax", "Identity", "Nope", ""])


def _change_domain(rng: random.Random, model: onnx.ModelProto) -> None:
    rng.choice(model.graph.node).domain = rng.choice(["com.microsoft", "x", "ai.onnx.ml"])


def _external_data(rng: random.Random, model: onnx.ModelProto) -> None:
    tensor = rng.choice(model.graph.initializer)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", rng.choice(["../in.csv", "/etc/hostname", "in.csv", "\x00"])


def _drop_input(rng: random.Random, model: onnx.ModelProto) -> None:
    node = rng.choice(model.graph.node)
    if node.input:
        node.input[rng.randrange(len(node.input))] = rng.choice(["", "odd", "token_ids", "lengths"])


def _change_tensor(rng: random.Random, model: onnx.ModelProto) -> None:
    tensor = rng.choice(model.graph.initializer)
    values = numpy_helper.to_array(tensor).copy()
    if rng.random() < 0.5:
        values = values[..., : max(0, values.shape[-1] - 1)] if values.ndim else values
    elif values.dtype == np.float32 and values.size:
        values.flat[rng.randrange(values.size)] = rng.choice([np.nan, np.inf, 1e38])
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


_HARMS: tuple[tuple[str, Callable[[random.Random, onnx.ModelProto], None]], ...] = (
    ("scaled output", _scale_output),
    ("gather out of range", _shift_gather),
    ("huge constant", _constant_of_shape),
    ("endless loop", _endless_loop),
    ("other operator", _rename_operator),
    ("other domain", _change_domain),
    ("external data", _external_data),
    ("other input", _drop_input),
    ("other tensor", _change_tensor),
)
_CODES = {"endless loop": exits(4), "external data": exits(4), "huge constant": exits(4, 5)}
