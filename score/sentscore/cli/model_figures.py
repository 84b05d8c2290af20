"""The figures of one model that `sentscore models NAME` shows: those of its card."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sentscore.model.artifact import Artifact


@dataclass(frozen=True)
class Figures:
    """How good a model was on some reviews. None stands for what its manifest does not say.

    Attributes:
        reviews: The split, and the source in it, or `all`, if it has several.
        precision: The precision of the graph that was measured.
        accuracy: The share of reviews that it gets right.
        interval: The ends of the 95 % interval of the accuracy.
        auc: The area under the ROC curve.
        calibration_error: The mean distance between the probability and the share of positive reviews.
    """

    reviews: str
    precision: str
    accuracy: float | None
    interval: tuple[float, float] | None
    auc: float | None
    calibration_error: float | None

    @property
    def cells(self) -> list[str]:
        """The values as a table shows them."""
        interval = "-" if self.interval is None else " to ".join(_percent(end) for end in self.interval)
        others = ["-" if value is None else f"{value:.4f}" for value in (self.auc, self.calibration_error)]
        return [self.reviews, self.precision, _percent(self.accuracy), interval, *others]


def model_figures(artifact: Artifact) -> list[Figures]:
    """Returns the figures of a model's manifest: of each split and source in fp32, then of the test in the others.

    Whatever is not a number there is left out, for nothing in scoring relies on it.
    """
    manifest = artifact.manifest
    found: list[Figures] = []
    for split in ("validation", "test"):
        found += _measured(split, "fp32", manifest.metrics.get(split))
    for precision, measured in manifest.precisions.items():
        found += _measured("test", precision, measured.get("test") if isinstance(measured, Mapping) else None)
    return found


def _measured(split: str, precision: str, metrics: object) -> Iterator[Figures]:
    """Yields the figures of a split and of each source in it."""
    if not isinstance(metrics, Mapping) or "accuracy" not in metrics:
        return
    by = metrics.get("by")
    sources = by.get("source") if isinstance(by, Mapping) else None
    named = sources.items() if isinstance(sources, Mapping) else ()
    yield _figures(f"{split}, all" if named else split, precision, metrics)
    for name, each in named:
        if isinstance(each, Mapping):
            yield _figures(f"{split}, {name}", precision, each)


def _figures(reviews: str, precision: str, metrics: Mapping[str, Any]) -> Figures:
    ends = metrics.get("accuracy_interval")
    numbers = [number for end in ends if (number := read_number(end)) is not None] if isinstance(ends, list) else []
    interval = (numbers[0], numbers[1]) if len(numbers) == 2 else None
    accuracy, auc, error = (read_number(metrics.get(key)) for key in ("accuracy", "auc", "ece"))
    return Figures(reviews, precision, accuracy, interval, auc, error)


def read_number(value: object) -> float | None:
    """Returns a value of a manifest as a number; None where it is none, or not finite."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's whole numbers have no end
        return None
    return number if math.isfinite(number) else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"
