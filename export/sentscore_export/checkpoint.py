"""Reads the best epoch of a training's run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sentscore.errors import InputError
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.models.classifier import Architecture, SentimentClassifier
from sentscore_train.models.weights import load_tensors, round_to_half
from sentscore_train.training import checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """The best epoch of a run, as the training wrote it.

    Attributes:
        model: The torch module with its weights. Those of the embedding are rounded to float16, in which the graph
            stores them, so that torch and the graph have the same weights.
        tensors: The same weights under the checkpoint's names.
        vocabulary: The vocabulary with its tokenizer rules.
        content: The content of best.json.
        validation: The encoded validation reviews and their labels. There are none if the run kept none.
        quotable: The texts of the validation reviews that may be quoted from. There are none if no review may be.
    """

    model: SentimentClassifier
    tensors: dict[str, torch.Tensor]
    vocabulary: Vocabulary
    content: dict[str, Any]
    validation: LabelledTexts
    quotable: list[str]

    @property
    def temperature(self) -> float:
        """The divisor of the logit. It is 1 if none was fitted."""
        return float(self.content.get("temperature", 1.0))


def read_checkpoint(folder: Path) -> Checkpoint:
    """Reads a run folder and verifies that its weights, architecture and vocabulary belong together.

    Raises:
        InputError: A file is missing or damaged, or the files do not fit each other.
    """
    if not (folder / "best.json").is_file():
        raise InputError(f"{folder}: no best.json in it: name the --run-dir of a training that finished an epoch")
    content = checkpoint.read_json(folder / "best.json")
    tensors = checkpoint.read_tensors(folder / "best.safetensors")
    try:
        tensors["embedding.weight"] = round_to_half(tensors["embedding.weight"])
        architecture = Architecture.from_dict(content["architecture"])
        model = SentimentClassifier(architecture)
        load_tensors(model, tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: its files do not fit each other ({reason}): train again") from error
    vocabulary = checkpoint.read_vocabulary(folder)
    if len(vocabulary) != architecture.vocab_size:
        raise InputError(
            f"{folder}: vocab.json has {len(vocabulary):,} tokens, the weights {architecture.vocab_size:,}: train again"
        )
    return Checkpoint(
        model, tensors, vocabulary, content, checkpoint.read_validation(folder), checkpoint.read_quotable(folder)
    )
