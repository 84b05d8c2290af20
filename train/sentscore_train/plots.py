"""Draws the curves of a training."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from sentscore_train.download import new_file


def plot_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """Writes loss and accuracy of training and validation by epoch as an SVG or PNG, as the path's ending says.

    Args:
        history: as `history.json` holds it.
        path: the file to write or replace.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    # The same history gives the same bytes: no date, no random ids.
    with matplotlib.rc_context({"svg.hashsalt": "sentscore", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        epochs = [entry["epoch"] for entry in history]
        for axes, value, label in zip(
            figure.subplots(1, 2), ("loss", "accuracy"), ("loss (nats)", "accuracy"), strict=True
        ):
            for split, style in (("train", "o--"), ("validation", "o-")):
                axes.plot(epochs, [entry[f"{split}_{value}"] for entry in history], style, label=split)
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
            axes.legend()
            if value == "accuracy":
                axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        image = io.BytesIO()
        kind = path.suffix.removeprefix(".")
        figure.savefig(image, format=kind, metadata={"Date": None} if kind == "svg" else None, dpi=150)
    with new_file(path) as file:
        file.write(image.getvalue())
