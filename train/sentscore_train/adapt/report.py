"""Measures a model before and after an adaptation on the held-out reviews, and says it in a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentscore.cli.lines import clean_line
from sentscore_train.evaluation.metrics import Agreement, Metrics, compare_models, measure
from sentscore_train.evaluation.report import format_interval, format_points, format_share, markdown_table

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Change:
    """What an adaptation changed, measured on the held-out reviews.

    Attributes:
        before: How good the model to start from is.
        after: How good the adapted model is.
        agreement: How the two differ; the adapted model is the first.
    """

    before: Metrics
    after: Metrics
    agreement: Agreement


def measure_change(
    before: Probabilities,
    after: Probabilities,
    labels: npt.NDArray[np.int8],
    lengths: npt.NDArray[np.int64],
    *,
    temperatures: tuple[float, float],
) -> Change:
    """Measures the probabilities of two models.

    Args:
        before: The probabilities [v] of the model to start from.
        after: Those of the adapted model [v].
        labels: The labels [v], of both classes.
        lengths: The numbers of tokens [v].
        temperatures: The temperatures that are in the probabilities, before and after.
    """
    found = [
        measure(probabilities, labels, lengths, temperature=temperature)
        for probabilities, temperature in zip((before, after), temperatures, strict=True)
    ]
    return Change(found[0], found[1], compare_models(after, before, labels))


def change_report(change: Change, names: tuple[str, str], reviews: str) -> str:
    """Returns a Markdown table of a model before and after, and how likely the change is chance.

    Args:
        change: What was measured.
        names: The names of the model before and after.
        reviews: What the held-out reviews are.
    """
    rows = [
        ["model", "accuracy", "95 % interval", "AUC", "log loss", "calibration error"],
        ["---"] * 6,
        *(_row(name, metrics) for name, metrics in zip(names, (change.before, change.after), strict=True)),
    ]
    a, count = change.agreement, change.after.reviews
    low, high = map(format_points, (a.difference_interval.low, a.difference_interval.high))
    notes = (
        f"- Measured on {count:,} {reviews}, from which nothing was learned. Its temperature alone was fitted to them, "
        "which the accuracy does not depend on.",
        f"- {a.only_first_right:,} of them only the adapted model gets right, {a.only_second_right:,} only the one "
        f"before: p = {a.mcnemar_p:.3g} by McNemar's exact test. The accuracy changed by {format_points(a.difference)} "
        f"points, 95 % interval {low} to {high}.",
    )
    return "\n".join([markdown_table(rows), "", *map(clean_line, notes)]) + "\n"


def _row(name: str, metrics: Metrics) -> list[str]:
    return [
        name,
        format_share(metrics.accuracy),
        format_interval(metrics.accuracy_interval),
        f"{metrics.auc:.4f}",
        f"{metrics.calibrated.log_loss:.4f}",
        f"{metrics.calibrated.ece:.4f}",
    ]
