"""Writes and reads checkpoints: tensors in safetensors, everything else in JSON, never half of either.

A run folder holds

    best.safetensors, best.json     the weights of the best epoch: what the exporter reads
    resume.json, resume-N.safetensors   the state after step N: what `--resume` reads
    sample.safetensors              some validation reviews as token ids
    vocab.json, history.json        the vocabulary and the curves
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from sentscore.encoder import EncodedTexts
from sentscore.errors import InputError

FORMAT_VERSION: Final = 1
SAMPLE: Final = "sample.safetensors"


def write_text(path: Path, content: str) -> None:
    """Replaces a file with new content in one step."""
    _replace(path, content.encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any] | list[Any]) -> None:
    """Replaces a JSON file in one step."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Replaces a safetensors file in one step."""
    from safetensors.torch import save

    _replace(path, save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        InputError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable checkpoint ({error}): train again or restore it") from error
    return tensors


def read_json(path: Path) -> dict[str, Any]:
    """A checkpoint's JSON file.

    Raises:
        InputError: missing, not JSON, or of another format version.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = content["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a readable checkpoint ({error!r}): train again or restore it") from error
    if version != FORMAT_VERSION:
        raise InputError(f"{path}: format version {version}, {FORMAT_VERSION} is read here: train again")
    return content


def write_resume(folder: Path, step: int, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Writes the state after a step; an older one is removed only when this one is whole."""
    file = f"resume-{step:08d}.safetensors"
    write_tensors(folder / file, tensors)
    write_json(folder / "resume.json", {"format_version": FORMAT_VERSION, "tensors": file, "step": step, **state})
    for old in folder.glob("resume-*.safetensors"):
        if old.name != file:
            old.unlink()


def read_resume(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """What `write_resume` wrote last, or None where a run has not come to its first checkpoint."""
    if not (folder / "resume.json").exists():
        return None
    state = read_json(folder / "resume.json")
    return state, read_tensors(folder / state["tensors"])


def write_sample(folder: Path, encoded: EncodedTexts) -> None:
    """Keeps some encoded reviews beside the checkpoint: real input for the exporter's comparison."""
    tensors = {"ids": torch.from_numpy(encoded.ids), "offsets": torch.from_numpy(encoded.offsets)}
    write_tensors(folder / SAMPLE, tensors)


def read_sample(folder: Path) -> EncodedTexts:
    """What `write_sample` wrote; no texts where it was not called.

    Raises:
        InputError: the file is damaged.
    """
    if not (folder / SAMPLE).exists():
        return EncodedTexts(np.zeros(0, np.int32), np.zeros(1, np.int64))
    tensors = read_tensors(folder / SAMPLE)
    return EncodedTexts(tensors["ids"].numpy(), tensors["offsets"].numpy())


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
