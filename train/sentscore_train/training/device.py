"""Picks the device that a model is trained on, and the precision of its products there."""

from __future__ import annotations

from pathlib import Path

import torch

from sentscore.errors import DeviceError, UsageError
from sentscore_train.training import checkpoint
from sentscore_train.training.config import Precision


def pick_device(name: str = "auto") -> torch.device:
    """Returns CUDA if there is one, else the CPU; or the device with the given name.

    Raises:
        DeviceError: Torch does not know the device or cannot use it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # builds without CUDA raise the latter
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device {name} cannot be used ({reason}): use --device cpu") from error
    return device


def resolve_precision(precision: Precision, device: torch.device) -> Precision:
    """Returns `bf16` or `fp32`; `auto` means bf16 on a GPU that has it.

    Raises:
        UsageError: The precision is bf16 and the device a CPU.
    """
    # Torch's CPU kernels keep the recurrent states in bf16 too, in which a model forgets a long text's beginning.
    if device.type != "cuda":
        if precision == "bf16":
            raise UsageError(f"precision bf16 on {device.type}: needs CUDA: use --precision fp32")
        return "fp32"
    if precision == "auto":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return precision


def resolve_run_precision(run_dir: Path, precision: Precision, device: torch.device) -> Precision:
    """Returns `bf16` or `fp32`; a run that is resumed keeps what `auto` meant when it began.

    Raises:
        UsageError: The precision is bf16 and the device a CPU.
        InputError: The run's checkpoint cannot be read.
    """
    stored = checkpoint.read_resume_state(run_dir) if precision == "auto" else None
    return resolve_precision(stored["recipe"]["precision"] if stored else precision, device)


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Returns a context in which products are computed in bf16 if the precision says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
