"""Makes tiny artifacts with random weights, whose scores differ from text to text."""

from __future__ import annotations

import random
from dataclasses import asdict
from pathlib import Path

import numpy as np

_TOKENS = (
    ("the a film was great awful good bad not n't loved do U.S.A. 10/10 http://x.y/z ... ( ) so e - mail < > & ; : , .")
    .lower()
    .split()
)


CELLS = ("lstm", "gru")


def make_models(folder: Path) -> None:
    """Makes an artifact of each kind of cell, with a graph in int8 too, in folders of their names."""
    for cell in CELLS:
        _make_model(cell, folder)


def _make_model(cell: str, folder: Path) -> None:
    import torch

    from sentscore.text.encoder import Encoder
    from sentscore.text.normalize import as_text_array
    from sentscore.text.vocabulary import Vocabulary
    from sentscore_export.export import export
    from sentscore_export.parity import ParityConfig
    from sentscore_train.data.batches import LabelledTexts
    from sentscore_train.models.classifier import Architecture, SentimentClassifier
    from sentscore_train.models.weights import to_tensors
    from sentscore_train.training import checkpoint

    run = folder / f"{cell}-run"
    run.mkdir()
    vocabulary = Vocabulary(tokens=("<unk>", "<pad>", *_TOKENS), lowercase=True, html_entities=True)
    architecture = Architecture(cell, len(vocabulary), embedding_dim=6, hidden_size=8)
    torch.manual_seed(0)
    model = SentimentClassifier(architecture)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.copy_(torch.randn_like(tensor) * 0.7)
    checkpoint.write_tensors(run / "best.safetensors", to_tensors(model))
    about = {
        "format_version": checkpoint.FORMAT_VERSION,
        "architecture": asdict(architecture),
        "preset": "default",
        "recipe": {"seed": 0, "validation_share": 0.25},
        "metrics": {"validation": {"accuracy": 0.5, "loss": 0.7}},
        "data": {"name": "random words"},
        "temperature": 1.25,
    }
    checkpoint.write_json(run / "best.json", about)
    (run / "vocab.json").write_text(vocabulary.to_json(), encoding="utf-8")
    rng = random.Random(0)
    reviews = [" ".join(rng.choices(_TOKENS, k=rng.randrange(1, 60))) for _ in range(40)]
    labels = np.array([rng.randrange(2) for _ in reviews], np.int8)
    checkpoint.write_validation(run, LabelledTexts(Encoder(vocabulary).encode(as_text_array(reviews)), labels))
    parity = ParityConfig(batches=6, max_batch=8, max_tokens=40)
    export(run, folder / cell, precisions=["int8"], parity=parity)
