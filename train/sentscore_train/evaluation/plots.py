"""Draws the curves of a training and the plots of an evaluation."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sentscore.files import write_file
from sentscore_train.evaluation.metrics import LengthBin, ReliabilityBin

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """Draws the loss and the accuracy of training and validation by epoch, as an SVG or PNG by the path's ending.

    Args:
        history: The entries of `history.json`.
        path: The file to write or replace.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with _new_figure(path, width=8.0) as figure:
        epochs = [entry["epoch"] for entry in history]
        for axes, value, label in zip(
            figure.subplots(1, 2), ("loss", "accuracy"), ("loss (nats)", "accuracy"), strict=True
        ):
            for split, style in (("train", "o--"), ("validation", "o-")):
                axes.plot(epochs, [entry[f"{split}_{value}"] for entry in history], style, label=split)
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
            axes.legend()
            if value == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def plot_roc(curves: Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]], path: Path) -> None:
    """Draws ROC curves as an SVG or PNG.

    Args:
        curves: False and true positive rates [m], both ascending, by the name of the curve.
        path: The file to write or replace.
    """
    with _new_figure(path) as figure:
        axes = figure.subplots()
        axes.plot((0, 1), (0, 1), ":", color="gray", label="chance")
        for name, (false_positive_rate, true_positive_rate) in curves.items():
            axes.plot(false_positive_rate, true_positive_rate, label=name)
        axes.set(aspect="equal", xlabel="false positive rate", ylabel="true positive rate")
        axes.grid(alpha=0.3)
        axes.legend()


def plot_reliability(curves: Mapping[str, Sequence[ReliabilityBin]], path: Path) -> None:
    """Draws the share of positive texts by mean probability, as an SVG or PNG.

    Args:
        curves: Bins in ascending order, by the name of the curve.
        path: The file to write or replace.
    """
    with _new_figure(path, width=6.5) as figure:
        axes = figure.subplots()
        axes.plot((0, 1), (0, 1), ":", color="gray", label="perfect calibration")
        for name, bins in curves.items():
            axes.plot([each.probability for each in bins], [each.positive for each in bins], ".-", label=name)
        axes.set(aspect="equal", xlabel="mean probability", ylabel="share of positive texts")
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right center")  # inside the axes, four names would cover the curves


def plot_accuracy_by_length(curves: Mapping[str, Sequence[LengthBin]], path: Path) -> None:
    """Draws the accuracy by number of tokens as an SVG or PNG; a bin is as wide as the lengths in it.

    Args:
        curves: Bins in ascending order, by the name of the curve.
        path: The file to write or replace.
    """
    from matplotlib.ticker import PercentFormatter, ScalarFormatter

    with _new_figure(path, width=6.0) as figure:
        axes = figure.subplots()
        for name, bins in curves.items():
            middles = [math.sqrt(each.shortest * each.longest) for each in bins]  # of the bin on a logarithmic axis
            axes.errorbar(
                middles,
                [each.accuracy for each in bins],
                xerr=(
                    [middle - each.shortest for middle, each in zip(middles, bins, strict=True)],
                    [each.longest - middle for middle, each in zip(middles, bins, strict=True)],
                ),
                fmt="o",
                label=name,
            )
        axes.set(xscale="log", xlabel="tokens", ylabel="accuracy")
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(alpha=0.3)
        axes.legend()


@contextmanager
def _new_figure(path: Path, *, width: float = 4.0) -> Iterator[Figure]:
    """Gives a figure `width` inches wide, and writes it to the path when the block ends."""
    import matplotlib
    from matplotlib.figure import Figure

    # The same values give the same bytes: no date, no random ids.
    with matplotlib.rc_context({"svg.hashsalt": "sentscore", "svg.fonttype": "none"}):
        figure = Figure(figsize=(width, 3.2), layout="constrained")
        yield figure
        image = io.BytesIO()
        kind = path.suffix.removeprefix(".")
        figure.savefig(image, format=kind, metadata={"Date": None} if kind == "svg" else None, dpi=150)
    write_file(path, image.getvalue())
