"""How a model is run: its device, its precision, the size of its batches and its threads, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from sentscore.errors import UsageError

Precision = Literal["fp32", "int8", "fp16"]
"""The precision of a graph's weights and products. The fp16 graph has no weights of its own: it rounds those of
`model.onnx`."""

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

Device = Literal["auto", "cpu", "cuda"]
"""What a model may be asked to run on."""

ComputePrecision = Literal["fp32", "tf32", "int8", "fp16"]
"""What a model computes in: the precision of its graph, or `tf32`, in which CUDA rounds the factors of the fp32 graph's
products to 10 bits behind the leading one. fp32 never does."""

PrecisionChoice = Literal["auto", ComputePrecision]
"""What a model may be asked to compute in."""


@dataclass(frozen=True)
class ModelOptions:
    """The options that a model is loaded with.

    Attributes:
        device: `auto` takes CUDA when a session really runs on it, and the CPU otherwise.
        precision: `auto` takes int8 on a CPU that is made for it, where the model is as accurate in it on the
            validation reviews as in fp32, and fp32 otherwise. `tf32` is for CUDA alone.
        batch_tokens: The tokens of a batch, padding included; None takes the device's default.
        threads: The number of batches that are scored at a time; None takes one for each
            processor that the process may use, and two on CUDA.

    Raises:
        UsageError: A value is not known, or less than 1.
    """

    device: Device = "auto"
    precision: PrecisionChoice = "auto"
    batch_tokens: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("device", self.device, get_args(Device)),
            ("precision", self.precision, get_args(PrecisionChoice)),
        ):
            if value not in known:
                raise UsageError(f"{name} {value!r} is not known: use one of {', '.join(known)}")
        for name, number in (("batch_tokens", self.batch_tokens), ("threads", self.threads)):
            if number is not None and number < 1:
                raise UsageError(f"{name} {number} must be at least 1")


def graph_precision(precision: ComputePrecision) -> Precision:
    """Returns the precision of the graph that is run to compute in a precision."""
    return "fp32" if precision == "tf32" else precision


DEFAULT_OPTIONS: Final = ModelOptions()
