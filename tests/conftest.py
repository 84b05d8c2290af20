from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

# Models of a few units run fastest on one thread, and two of them beside each other never wait for a third.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

WORDS = [
    "the",
    "a",
    "film",
    "movie",
    "was",
    "is",
    "it",
    "and",
    "of",
    "great",
    "awful",
    "good",
    "bad",
    "boring",
    "wonderful",
    "plot",
    "acting",
    ".",
    ",",
    "!",
    "?",
    "not",
    "n't",
    "did",
    "i",
    "loved",
    "hated",
    "this",
    "that",
    "story",
    "ending",
    "very",
    "too",
    "long",
]

REVIEWS = {"neg": "An awful, boring film number {}.", "pos": "A great, wonderful film number {}.", "unsup": "Film {}."}

MakeRun = Callable[..., Path]


@pytest.fixture(scope="session")
def imdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An aclImdb folder of 20 reviews a class, each of a movie of its own."""
    folder = tmp_path_factory.mktemp("data") / "aclImdb"
    for split in ("train", "test"):
        for kind, text in REVIEWS.items():
            if (split, kind) == ("test", "unsup"):
                continue
            (folder / split / kind).mkdir(parents=True)
            for number in range(20):
                (folder / split / kind / f"{number}_5.txt").write_text(text.format(number))
            lines = [f"http://www.imdb.com/title/tt{split}{kind}{number}/usercomments\n" for number in range(20)]
            (folder / split / f"urls_{kind}.txt").write_text("".join(lines))
    return folder


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """Makes a run folder as a training leaves it, with small random weights."""
    import torch

    from sentscore.text.encoder import Encoder
    from sentscore.text.normalize import as_text_array
    from sentscore.text.vocabulary import Vocabulary
    from sentscore_train.data.batches import LabelledTexts
    from sentscore_train.models.classifier import Architecture, SentimentClassifier
    from sentscore_train.models.weights import to_tensors
    from sentscore_train.training import checkpoint

    def make(kind: str = "lstm", *, seed: int = 0, lowercase: bool = True, **sizes: object) -> Path:
        folder = tmp_path_factory.mktemp(f"run-{kind}")
        vocabulary = Vocabulary(tokens=("<unk>", "<pad>", *WORDS), lowercase=lowercase)
        fields = {"embedding_dim": 6, "hidden_size": 8, **sizes}
        architecture = Architecture(kind, len(vocabulary), **fields)  # type: ignore[arg-type]
        torch.manual_seed(seed)
        model = SentimentClassifier(architecture)
        with torch.no_grad():
            for tensor in model.parameters():
                tensor.copy_(torch.randn_like(tensor) * 0.7)
        random = np.random.default_rng(seed)
        reviews = [" ".join(random.choice(WORDS, random.integers(1, 60))) for _ in range(40)]
        checkpoint.write_tensors(folder / "best.safetensors", to_tensors(model))
        checkpoint.write_json(
            folder / "best.json",
            {
                "format_version": checkpoint.FORMAT_VERSION,
                "architecture": asdict(architecture),
                "preset": "default",
                "recipe": {"seed": seed, "validation_share": 0.25},
                "metrics": {"validation": {"accuracy": 0.5, "loss": 0.7}},
                "data": {"name": "random words"},
                "temperature": 1.25,
            },
        )
        (folder / "vocab.json").write_text(vocabulary.to_json(), encoding="utf-8")
        labels = random.integers(0, 2, len(reviews), dtype=np.int8)
        checkpoint.write_validation(folder, LabelledTexts(Encoder(vocabulary).encode(as_text_array(reviews)), labels))
        return folder

    return make


@pytest.fixture(scope="session")
def make_artifact(make_run: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """Makes an artifact folder of a small model with random weights."""
    from sentscore_export.export import export
    from sentscore_export.parity import ParityConfig

    def make(kind: str = "lstm", **sizes: object) -> Path:
        out = tmp_path_factory.mktemp("artifacts") / kind
        export(make_run(kind, **sizes), out, parity=ParityConfig(batches=6, max_batch=8, max_tokens=40))
        return out

    return make


@pytest.fixture(scope="session")
def tiny_artifact(make_artifact: MakeRun) -> Path:
    """An artifact usable as `--model PATH`: its scores are arbitrary, its files are real."""
    return make_artifact("lstm")


@pytest.fixture(scope="session")
def tiny_gru_artifact(make_artifact: MakeRun) -> Path:
    """The same with a GRU."""
    return make_artifact("gru", seed=3)
