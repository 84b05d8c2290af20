"""Writes and reads checkpoints: tensors in safetensors and all else in JSON, each file whole or not at all.

A run folder holds

    best.safetensors, best.json         the weights of the best epoch, which the exporter reads
    resume-N.safetensors, resume.json   the state after step N, which `--resume` reads
    validation.safetensors              the validation reviews as token ids, their labels and their kinds
    quotable.json                       the texts of those of them that are published, for examples in the model card
    vocab.json, tokenizer.json          the vocabulary and the rules by which words are cut into tokens
    history.json                        the curves
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from sentscore.errors import InputError, UsageError
from sentscore.files import write_file
from sentscore.model.artifact import LAYOUT
from sentscore.text.encoder import EncodedTexts
from sentscore.text.rules import parse_rules
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.training.run_folder import RESUME

FORMAT_VERSION: Final = 1
VALIDATION: Final = "validation.safetensors"
QUOTABLE: Final = "quotable.json"


def write_json(path: Path, content: Mapping[str, Any] | list[Any]) -> None:
    """Replaces a JSON file in one step."""
    write_file(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8"))


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Replaces a safetensors file in one step."""
    from safetensors.torch import save

    write_file(path, save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a safetensors file.

    Raises:
        InputError: The file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable checkpoint ({error}): train again or restore it") from error
    return tensors


def read_json(path: Path) -> dict[str, Any]:
    """Returns the content of a checkpoint's JSON file.

    Raises:
        InputError: The file is missing, not JSON, or of another format version.
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
    """Writes the state after a step, then removes the one before."""
    file = f"resume-{step:08d}.safetensors"
    write_tensors(folder / file, tensors)
    write_json(folder / RESUME, {"format_version": FORMAT_VERSION, "tensors": file, "step": step, **state})
    for old in folder.glob("resume-*.safetensors"):
        if old.name != file:
            old.unlink()


def read_resume(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Returns what `write_resume` wrote last, or None before a run's first checkpoint."""
    state = read_resume_state(folder)
    return None if state is None else (state, read_tensors(folder / state["tensors"]))


def read_resume_state(folder: Path) -> dict[str, Any] | None:
    """Returns what `read_resume` does, without the tensors."""
    path = folder / RESUME
    return read_json(path) if path.exists() else None


def require_same_recipe(
    run_dir: Path, stored: Mapping[str, Any], recipe: Mapping[str, Any], *, resume: bool, may_differ: Set[str]
) -> None:
    """Checks that a run may carry on from the checkpoint in its folder.

    Args:
        run_dir: The run's folder.
        stored: The checkpoint's recipe.
        recipe: The recipe of this call.
        resume: Whether this call is to carry on.
        may_differ: The settings that do not change the result.

    Raises:
        UsageError: `resume` is false, or the recipes differ.
    """
    if not resume:
        raise UsageError(f"{run_dir}: holds a run already: carry it on with --resume or name another folder")
    wanted = json.loads(json.dumps(dict(recipe)))  # JSON has lists where the recipe has tuples
    changed = [name for name, value in wanted.items() if stored.get(name) != value and name not in may_differ]
    if changed:
        before = ", ".join(str(stored.get(name)) for name in changed)
        raise UsageError(
            f"{run_dir}: was trained with another {', '.join(changed)} ({before}): "
            "use the same settings or another folder"
        )


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Returns the optimizer's tensors, each under the number of its parameter and its own name."""
    states: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in states.items() for name, value in values.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts what `optimizer_tensors` returned into an optimizer of the same parameters, and keeps its settings."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".")
        states.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the tensors with `prefix` and a dot before each name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns those of the tensors that `prefixed` gave this prefix, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Writes a vocabulary and its tokenizer rules, in the files that they have in an artifact, too."""
    write_file(folder / LAYOUT.vocabulary, vocabulary.to_json().encode("utf-8"))
    write_file(folder / LAYOUT.tokenizer, vocabulary.rules.to_json().encode("utf-8"))


def read_vocabulary(folder: Path) -> Vocabulary:
    """Returns what `write_vocabulary` wrote. Older runs have no rules: they take those of this package.

    Raises:
        InputError: A file is missing or cannot be read.
        ArtifactError: A file is not what it should be, or of another version.
    """
    path, rules_path = folder / LAYOUT.vocabulary, folder / LAYOUT.tokenizer
    try:
        rules = parse_rules(rules_path.read_text(encoding="utf-8"), file=rules_path) if rules_path.exists() else None
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder}: its vocabulary cannot be read ({error}): train again or restore it") from error
    return Vocabulary.from_json(content, rules, file=path)


def write_validation(folder: Path, texts: LabelledTexts) -> None:
    """Writes the encoded validation reviews beside the checkpoint, for the exporter to compare graphs on."""
    tensors = {
        "ids": torch.from_numpy(texts.encoded.ids),
        "offsets": torch.from_numpy(texts.encoded.offsets),
        "labels": torch.from_numpy(texts.labels),
    }
    if texts.domain_ids is not None:
        tensors["domain_ids"] = torch.from_numpy(texts.domain_ids)
    write_tensors(folder / VALIDATION, tensors)


def read_validation(folder: Path) -> LabelledTexts:
    """Returns what `write_validation` wrote, or no texts if it wrote nothing.

    Raises:
        InputError: The file is damaged.
    """
    if not (folder / VALIDATION).exists():
        return LabelledTexts(EncodedTexts(np.zeros(0, np.int32), np.zeros(1, np.int64)), np.zeros(0, np.int8))
    tensors = {name: tensor.numpy() for name, tensor in read_tensors(folder / VALIDATION).items()}
    return LabelledTexts(EncodedTexts(tensors["ids"], tensors["offsets"]), tensors["labels"], tensors.get("domain_ids"))


def write_quotable(folder: Path, texts: Sequence[str]) -> None:
    """Writes the texts [v] of the validation reviews that may be quoted from, an empty one for a review that may not.

    If none may be quoted from, there is no such file, nor one that an earlier run left.
    """
    if any(texts):
        write_json(folder / QUOTABLE, {"format_version": FORMAT_VERSION, "texts": list(texts)})
    else:
        (folder / QUOTABLE).unlink(missing_ok=True)


def read_quotable(folder: Path) -> list[str]:
    """Returns what `write_quotable` wrote, or nothing if there is nothing to quote from.

    Raises:
        InputError: The file is damaged.
    """
    path = folder / QUOTABLE
    return [str(text) for text in read_json(path).get("texts", [])] if path.exists() else []
