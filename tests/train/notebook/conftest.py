from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sentscore.progress import Report, silent
from sentscore_train.models.classifier import Cell
from sentscore_train.notebook import glove
from sentscore_train.notebook.glove import GloveFile
from sentscore_train.notebook.train import NotebookConfig, NotebookResult, run_notebook

GOOD, BAD = ("great", "lovely", "Superb"), ("awful", "dull", "Horrid")


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """A folder of 40 training and 12 test reviews."""
    folder = tmp_path / "aclImdb"
    chosen = random.Random(0)
    for split, count in (("train", 40), ("test", 12)):
        for number in range(count):
            kind, words = (("neg", BAD), ("pos", GOOD))[number % 2]
            filler = chosen.choices(("film", "plot", "isn't", "a", "the"), k=chosen.randint(2, 12))
            path = folder / split / kind / f"{number}_1.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(" ".join([*filler, chosen.choice(words), chosen.choice(words)]) + "<br />")
    return folder


@pytest.fixture
def vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of three GloVe vectors, which takes the place of the published ones."""
    path = tmp_path / "glove.6B.4d.txt"
    path.write_bytes(b"great 1 2 3 4\nawful -1 -2 -3 -4\nfilm 0.5 0 0 0\n")
    file = GloveFile(4, hashlib.md5(path.read_bytes()).hexdigest(), 3)
    monkeypatch.setattr(glove, "FILES", {4: file})
    return path


class Runner:
    """Runs the preset in folders of one test."""

    config = NotebookConfig(
        epochs=3, dim=4, vocabulary_size=30, batch_size=4, hidden_size=8, threads=1, checkpoint_every_s=1e9
    )

    def __init__(self, folder: Path, reviews: Path, vectors: Path) -> None:
        self.folder, self.reviews, self.vectors = folder, reviews, vectors

    def __call__(
        self,
        name: str,
        config: NotebookConfig = config,
        *,
        cell: Cell = "lstm",
        resume: bool = False,
        report: Report = silent,
    ) -> NotebookResult:
        return run_notebook(
            cell,
            config,
            self.folder / name,
            imdb_source=self.reviews,
            glove_source=self.vectors,
            data_dir=self.folder / "data",
            device=torch.device("cpu"),
            allow_partial=True,
            resume=resume,
            report=report,
        )


@pytest.fixture
def run(tmp_path: Path, reviews: Path, vectors: Path) -> Iterator[Runner]:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    yield Runner(tmp_path, reviews, vectors)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
