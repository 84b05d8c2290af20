"""Collects the nodes and constants of an ONNX graph while it is being built."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

ONNX_RUNTIME_DOMAIN: Final = "com.microsoft"
"""The domain of the operators that ONNX Runtime adds to ONNX."""

Array = npt.NDArray[np.float32]


class GraphBuilder:
    """Holds the nodes and constants of a graph in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:  # noqa: ANN401
        """Adds a node with one output and returns the output's name."""
        return self.add_multiple(op, inputs, [output], **attributes)[0]

    def add_multiple(self, op: str, inputs: list[str], outputs: list[str], **attributes: Any) -> list[str]:  # noqa: ANN401
        """Adds a node with several outputs and returns their names."""
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}_{outputs[0]}", **attributes))
        return outputs

    def add_constant(self, name: str, value: npt.ArrayLike, dtype: type[np.generic]) -> str:
        """Adds a constant tensor and returns its name."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(np.asarray(value, dtype)), name))
        return name
