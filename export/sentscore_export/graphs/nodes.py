"""Collects the nodes and constants of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper


class GraphBuilder:
    """Nodes and constants in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        """Adds a node with one output, and returns the output's name."""
        return self.multiple([output], op, inputs, **attributes)[0]

    def multiple(self, outputs: list[str], op: str, inputs: list[str], **attributes: Any) -> list[str]:  # noqa: ANN401
        """Adds a node with several outputs, and returns their names."""
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}_{outputs[0]}", **attributes))
        return outputs

    def constant(self, name: str, value: npt.ArrayLike, dtype: type[np.generic]) -> str:
        """Adds a constant and returns its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(np.asarray(value, dtype)), name))
        return name
