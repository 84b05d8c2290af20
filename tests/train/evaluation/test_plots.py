from __future__ import annotations

import re

import numpy as np

from sentscore_train.evaluation.metrics import LengthBin, ReliabilityBin
from sentscore_train.evaluation.plots import plot_accuracy_by_length, plot_history, plot_reliability, plot_roc

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


def test_roc_curves_are_named_and_the_same_curves_give_the_same_bytes(tmp_path) -> None:
    curve = np.array([0.0, 0.0, 0.5, 1.0]), np.array([0.0, 0.5, 1.0, 1.0])
    for name in ("a.svg", "b.svg"):
        plot_roc({"lstm": curve, "gru": curve}, tmp_path / name)
    content = (tmp_path / "a.svg").read_text()
    assert content == (tmp_path / "b.svg").read_text()
    assert {"false positive rate", "true positive rate", "lstm", "gru", "chance"} <= set(read_texts(content))


def test_a_reliability_curve_has_a_marker_a_bin(tmp_path) -> None:
    bins = [ReliabilityBin(10, 0.1, 0.2), ReliabilityBin(10, 0.5, 0.4), ReliabilityBin(9, 0.9, 0.8)]
    plot_reliability({"temperature 1": bins}, tmp_path / "a.svg")
    content = (tmp_path / "a.svg").read_text()
    assert {"mean probability", "share of positive texts", "temperature 1"} <= set(read_texts(content))
    assert count_markers(content, color="#1f77b4") == 3 + 1  # and the legend's own


def test_accuracy_by_length_has_a_marker_a_bin(tmp_path) -> None:
    bins = [LengthBin(10, 90, 5, 0.8), LengthBin(91, 400, 5, 0.6)]
    plot_accuracy_by_length({"lstm": bins}, tmp_path / "a.svg")
    content = (tmp_path / "a.svg").read_text()
    assert {"tokens", "accuracy", "lstm"} <= set(read_texts(content))
    assert count_markers(content, color="#1f77b4") == 2 + 1


def read_texts(svg: str) -> list[str]:
    return re.findall(r">([^<>]+)</text>", svg)


def count_markers(svg: str, *, color: str) -> int:
    return len(re.findall(rf'<use [^>]*style="fill: {color}', svg))
