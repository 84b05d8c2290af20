"""Refuses graphs that the exporter does not write, before ONNX Runtime sees them.

ONNX Runtime runs whatever a graph says: a loop without an end, weights from another file, terabytes of zeros. This
module reads a graph's protobuf itself and knows no more of it than sentscore's own graphs use; all else is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sentscore.errors import ArtifactError

_LAYER: Final = ("direction=bidirectional", "hidden_size=*")

OPERATORS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("Add", "ConstantOfShape", "DequantizeLinear", "Div", "Equal", "Expand", "Identity", "Less"), ()),
    **dict.fromkeys(("Mul", "QuantizeLinear", "Range", "Reshape", "Sigmoid", "Squeeze", "Sub", "Tanh"), ()),
    **dict.fromkeys(("Unsqueeze", "Where", "com.microsoft.MatMulIntegerToFloat"), ()),
    "Cast": ("to=1", "to=7", "to=10"),
    "Concat": ("axis=0", "axis=1", "axis=2"),
    "GRU": (*_LAYER, "linear_before_reset=1"),
    "Gather": ("axis=0",),
    "LSTM": _LAYER,
    "ReduceMax": ("keepdims=0",),
    "ReduceSum": ("keepdims=0",),
    "ReverseSequence": ("batch_axis=1", "time_axis=0"),
    "Scan": ("body=graph", "num_scan_inputs=4"),
    "Shape": ("start=0", "end=1"),
    "Split": ("axis=1", "num_outputs=2"),
    "Transpose": ("perm=1,0", "perm=1,0,2", "perm=0,2,1,3", "perm=2,0,1,3"),
    "com.microsoft.DynamicQuantizeLSTM": _LAYER,
}
"""The operators of sentscore's graphs and the attributes that they have there. ONNX Runtime ends the whole process at
some others, such as a Split into one part. Operators that are not ONNX's own stand behind their domain."""

_OPSETS: Final = {("", 20), ("com.microsoft", 1)}
_ITEM_SIZES: Final = {1: 4, 2: 1, 3: 1, 7: 8, 10: 2}
"""The bytes of a float, uint8, int8, int64 and float16, by ONNX's numbers of these types."""

_INT64: Final = 7
_MOST_SIZES: Final = 16
_LARGEST_SIZE: Final = 1 << 20
"""The largest whole number in a graph, and the largest product of a tensor of them. They are axes and layers' sizes,
and say how much a node allocates."""

_MOST_AXES: Final = 8
_LARGEST_AXIS: Final = (1 << 31) - 1
_MOST_FIELDS: Final = 200_000
"""The most fields of all messages of a graph together, which take two seconds to read. The exporter's have about
1,000."""

_MOST_NODES: Final = 10_000
_MOST_NAMES: Final = 20  # of a node's inputs and outputs: the widest, DynamicQuantizeLSTM, has 14

_Fields = Mapping[int, str]


class _Message(dict[str, list["int | memoryview"]]):
    """The values of a message by the names of its fields; `left` counts the fields that may still be read."""

    def __init__(self, left: Iterator[int]) -> None:
        super().__init__()
        self.left = left


# The fields of each message that sentscore's graphs have, by their numbers in onnx.proto.
_MODEL: Final = {1: "ir_version", 2: "producer_name", 7: "graph", 8: "opset_import", 14: "metadata_props"}
_GRAPH: Final = {1: "node", 2: "name", 5: "initializer", 11: "input", 12: "output"}
_NODE: Final = {1: "input", 2: "output", 3: "name", 4: "op_type", 5: "attribute", 7: "domain"}
_ATTRIBUTE: Final = {1: "name", 3: "i", 4: "s", 6: "g", 8: "ints", 20: "type"}
_TENSOR: Final = {1: "dims", 2: "data_type", 8: "name", 9: "raw_data", 13: "external_data", 14: "data_location"}
_OPSET: Final = {1: "domain", 2: "version"}
_ENTRY: Final = {1: "key", 2: "value"}

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5  # how protobuf writes a field


class _UnknownGraphError(Exception):
    """What a graph has that is not sentscore's."""


def check_graph(content: bytes, *, file: Path | str, tokens: int, weights: Mapping[str, int] | None = None) -> None:
    """Checks that a graph has nothing but what the exporter writes.

    Args:
        content: The content of the graph's file.
        file: That file, for messages.
        tokens: The rows that the embedding must have.
        weights: The sizes of the files, by name, that may hold weights of the graph; None for none.

    Raises:
        ArtifactError: The graph is damaged, or has an operator, a subgraph or anything else that is not sentscore's.
    """
    try:
        model = _read_message(memoryview(content), _MODEL, iter(range(_MOST_FIELDS)))
        for opset in _read_messages(model, "opset_import", _OPSET):
            version = (_get_text(opset, "domain"), _get_number(opset, "version"))
            if version not in _OPSETS:
                raise _UnknownGraphError(f"operator set {version}")
        embeddings = [_check_graph(graph, weights or {}) for graph in _read_messages(model, "graph", _GRAPH)]
        if embeddings != [tokens]:
            raise _UnknownGraphError(f"embeddings of {embeddings} rows, where the manifest says {tokens:,}")
    except (_UnknownGraphError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{file}: not a graph of sentscore ({error}): export the model again") from error


def _check_graph(graph: _Message, weights: Mapping[str, int], *, is_body: bool = False) -> int | None:
    """Checks the nodes and tensors of a graph, and returns the rows of its embedding."""
    if len(graph.get("node", ())) > _MOST_NODES:
        raise _UnknownGraphError(f"{len(graph['node']):,} nodes")
    for node in _read_messages(graph, "node", _NODE):
        operator = ".".join(filter(None, (_get_text(node, "domain"), _get_text(node, "op_type"))))
        if operator not in OPERATORS:
            raise _UnknownGraphError(f"operator {operator[:100]!r}")
        names = len(node.get("input", ())) + len(node.get("output", ()))
        if names > _MOST_NAMES:
            raise _UnknownGraphError(f"{operator} with {names:,} inputs and outputs")
        for attribute in _read_messages(node, "attribute", _ATTRIBUTE):
            if _describe_attribute(attribute) not in OPERATORS[operator]:
                raise _UnknownGraphError(f"{operator} with {_describe_attribute(attribute)[:100]!r}")
            for body in _read_messages(attribute, "g", _GRAPH):
                if is_body:
                    raise _UnknownGraphError("a Scan inside a Scan")
                _check_graph(body, weights, is_body=True)
    rows = None
    for tensor in _read_messages(graph, "initializer", _TENSOR):
        shape = _check_tensor(tensor, weights)
        if _get_text(tensor, "name") == "embedding":
            rows = shape[0] if shape else None
    return rows


def _describe_attribute(attribute: _Message) -> str:
    """Returns an attribute as it stands in `OPERATORS`."""
    name = _get_text(attribute, "name")
    if "g" in attribute:
        return f"{name}=graph"
    if "s" in attribute:
        return f"{name}={_get_text(attribute, 's')}"
    if "ints" in attribute:
        return f"{name}={','.join(map(str, attribute['ints']))}"
    number = _get_number(attribute, "i")
    return f"{name}=*" if name == "hidden_size" and 0 < number <= _LARGEST_SIZE else f"{name}={number}"


def _check_tensor(tensor: _Message, weights: Mapping[str, int]) -> list[int]:
    """Checks that a tensor has the bytes that its shape needs, and returns its shape."""
    shape = [size for size in tensor.get("dims", ()) if isinstance(size, int)]
    kind = _get_number(tensor, "data_type")
    if kind not in _ITEM_SIZES or len(shape) != len(tensor.get("dims", ())):
        raise _UnknownGraphError(f"a tensor of type {kind}")
    if len(shape) > _MOST_AXES or max(shape, default=0) > _LARGEST_AXIS:
        raise _UnknownGraphError(f"a tensor of {len(shape):,} axes, the longest {max(shape):,}")
    size = math.prod(shape) * _ITEM_SIZES[kind]
    content = _get_bytes(tensor, "raw_data")
    if "external_data" in tensor or "data_location" in tensor:
        _check_place(tensor, size, weights)
        size = 0
    if len(content) != size:
        raise _UnknownGraphError(f"a tensor of {len(content):,} bytes in place of {size:,}")
    if kind == _INT64:
        if size > 8 * _MOST_SIZES:
            raise _UnknownGraphError(f"{size // 8:,} sizes")
        numbers = [int.from_bytes(content[place : place + 8], "little", signed=True) for place in range(0, size, 8)]
        if math.prod(max(1, abs(number)) for number in numbers) > _LARGEST_SIZE:
            raise _UnknownGraphError(f"the sizes {numbers}")
    return shape


def _check_place(tensor: _Message, size: int, weights: Mapping[str, int]) -> None:
    """Checks that a tensor's bytes lie in a file of the artifact."""
    entries = {
        _get_text(entry, "key"): _get_text(entry, "value") for entry in _read_messages(tensor, "external_data", _ENTRY)
    }
    file, offset, length = (entries.get(key, "") for key in ("location", "offset", "length"))
    if file not in weights or len(entries) != 3:
        raise _UnknownGraphError(f"a tensor in the file {file[:100]!r}")
    if not (offset.isdecimal() and length == str(size) and len(offset) < 16 and int(offset) + size <= weights[file]):
        raise _UnknownGraphError(f"a tensor of {size:,} bytes at {offset[:16]!r} in {file}")


def _get_text(message: _Message, name: str) -> str:
    return bytes(_get_bytes(message, name)).decode("utf-8")


def _get_bytes(message: _Message, name: str) -> memoryview:
    """Returns the only value of a field; nothing where the field is missing."""
    values = message.get(name, [memoryview(b"")])
    if len(values) != 1 or isinstance(values[0], int):
        raise _UnknownGraphError(f"{len(values)} values of {name}")
    return values[0]


def _get_number(message: _Message, name: str) -> int:
    """Returns the only value of a field; 0 where the field is missing."""
    values = message.get(name, [0])
    if len(values) != 1 or not isinstance(values[0], int):
        raise _UnknownGraphError(f"{len(values)} values of {name}")
    return values[0]


def _read_messages(message: _Message, name: str, fields: _Fields) -> Iterator[_Message]:
    """Yields the messages in a field."""
    for value in message.get(name, ()):
        if isinstance(value, int):
            raise _UnknownGraphError(f"{name} {value}")
        yield _read_message(value, fields, message.left)


def _read_message(data: memoryview, fields: _Fields, left: Iterator[int]) -> _Message:
    """Returns the values in a protobuf message by the names of its fields, in order.

    A field begins with its number and how its value is written, in one varint. Then comes the value: a varint, 4 or 8
    bytes, or a length and so many bytes, such as a text or another message.
    """
    message = _Message(left)
    place = 0
    while place < len(data):
        if next(left, None) is None:
            raise _UnknownGraphError(f"more than {_MOST_FIELDS:,} fields")
        tag, place = _read_varint(data, place)
        name = fields.get(tag >> 3)
        if name is None:
            raise _UnknownGraphError(f"a field {tag >> 3} beside {', '.join(fields.values())}")
        kind = tag & 7
        value: int | memoryview
        if kind == _VARINT:
            value, place = _read_varint(data, place)
        else:
            if kind == _BYTES:
                size, place = _read_varint(data, place)
            elif kind in (_FIXED_32, _FIXED_64):
                size = 4 if kind == _FIXED_32 else 8
            else:
                raise _UnknownGraphError(f"a {name} written in the way {kind}")
            value = data[place : place + size]
            place += size
        if place > len(data):
            raise _UnknownGraphError(f"a {name} that is cut off")
        message.setdefault(name, []).append(value)
    return message


def _read_varint(data: memoryview, place: int) -> tuple[int, int]:
    """Returns a whole number, written 7 bits a byte, the lowest first, and the place behind it."""
    number = 0
    for shift, byte in zip(range(0, 70, 7), data[place : place + 10], strict=False):
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place + shift // 7 + 1
    raise _UnknownGraphError("a number that is cut off")
