"""Gives a model's weights the names of a checkpoint, and reads them back from an exported graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sentscore.errors import ArtifactError
from sentscore.model.artifact import LAYOUT, Artifact

# The place in torch's weights of each block of rows in ONNX's:
# torch LSTM i f g o -> ONNX i o f c (g is c); torch GRU r z n -> ONNX z r h (n is h).
_GATES: Final = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}

Array = npt.NDArray[np.float32]


class NamedWeights(nn.Module):
    """A module whose weights have names of their own in a checkpoint, whatever its attributes are called."""

    @staticmethod
    def checkpoint_name(name: str) -> str:
        """Returns the checkpoint's name for a name in `state_dict`."""
        return name


def to_tensors(model: NamedWeights) -> dict[str, Tensor]:
    """Returns the weights under the checkpoint's names, for example `layers.0.backward.weight_hh`."""
    return {model.checkpoint_name(name): tensor for name, tensor in model.state_dict().items()}


def load_tensors(model: NamedWeights, tensors: Mapping[str, Tensor]) -> None:
    """Puts weights with the checkpoint's names into the model.

    Raises:
        RuntimeError: A name is missing or unknown, or a shape differs. Torch's message names them.
    """
    names = {model.checkpoint_name(name): name for name in model.state_dict()}
    model.load_state_dict({names.get(name, name): tensor for name, tensor in tensors.items()})


def is_half(weights: Array) -> bool:
    """Returns whether float16 holds every weight exactly, as it does after `round_to_half`."""
    with np.errstate(over="ignore"):  # what is beyond the range becomes infinite, and so another number
        return bool(np.array_equal(weights, weights.astype(np.float16)))


def round_to_half(weights: Tensor) -> Tensor:
    """Returns the weights, float32, rounded to float16; unrounded if one is beyond its range."""
    rounded = weights.half().float()
    return rounded if bool(torch.isfinite(rounded).all()) else weights


def to_onnx_gates(weights: Array, cell: str) -> Array:
    """Returns weights [gates * H, ...] with their blocks of rows in ONNX's order in place of torch's.

    Args:
        weights: A weight matrix or bias of one direction.
        cell: Either `lstm` or `gru`.
    """
    blocks = np.split(weights, len(_GATES[cell]))
    return np.concatenate([blocks[gate] for gate in _GATES[cell]])


def from_onnx_gates(weights: Array, cell: str) -> Array:
    """Returns what `to_onnx_gates` was given."""
    blocks = np.split(weights, len(_GATES[cell]))
    return np.concatenate([blocks[_GATES[cell].index(gate)] for gate in range(len(blocks))])


def read_onnx_weights(artifact: Artifact) -> dict[str, Tensor]:
    """Returns the weights of an artifact's float32 graph, float32, under the checkpoint's names.

    Raises:
        ArtifactError: A weight is not in the graph.
    """
    from onnx import load_model_from_string, numpy_helper

    graph = load_model_from_string(artifact.graphs["fp32"]).graph
    stored = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    try:
        weights = {
            "embedding.weight": stored["embedding"].astype(np.float32),  # float16 since format version 2
            "head.weight": stored["head_weight"],
            "head.bias": stored["head_bias"],
        }
        cell = str(artifact.manifest.architecture["cell"])
        for layer in range(artifact.manifest.architecture["num_layers"]):
            for number, direction in enumerate(("forward", "backward")):
                bias_ih, bias_hh = np.split(stored[f"B_{layer}"][number], 2)
                parts = {
                    "weight_ih": stored[f"W_{layer}"][number],
                    "weight_hh": stored[f"R_{layer}"][number],
                    "bias_ih": bias_ih,
                    "bias_hh": bias_hh,
                }
                for name, part in parts.items():
                    weights[f"layers.{layer}.{direction}.{name}"] = from_onnx_gates(part, cell)
    except KeyError as error:
        file = artifact.path / LAYOUT.model
        raise ArtifactError(f"{file}: holds no weights named {error}: export the model again") from error
    return {name: torch.from_numpy(np.array(weight)) for name, weight in weights.items()}
