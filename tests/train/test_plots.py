from __future__ import annotations

import re

from sentscore_train.plots import plot_history

HISTORY = [
    {"epoch": 1, "train_loss": 0.6, "train_accuracy": 0.7, "validation_loss": 0.4, "validation_accuracy": 0.8},
    {"epoch": 2, "train_loss": 0.3, "train_accuracy": 0.9, "validation_loss": 0.3, "validation_accuracy": 0.85},
]


def test_the_curves_are_drawn_and_the_same_history_gives_the_same_bytes(tmp_path) -> None:
    for name in ("a.svg", "b.svg"):
        plot_history(HISTORY, tmp_path / name)
    content = (tmp_path / "a.svg").read_text()
    assert content == (tmp_path / "b.svg").read_text()
    texts = re.findall(r">([^<>]+)</text>", content)
    assert {"epoch", "accuracy", "loss (nats)", "train", "validation"} <= set(texts)
    assert not re.search(r"\d{4}-\d{2}-\d{2}T", content)


def test_a_png_is_a_png(tmp_path) -> None:
    plot_history(HISTORY, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
