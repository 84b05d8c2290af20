"""Makes texts of evaluations: tables for a terminal of one model, a Markdown table of two."""

from __future__ import annotations

from collections.abc import Sequence

from sentscore.cli.lines import clean_line
from sentscore_train.evaluation.evaluate import PUBLISHED, Comparison, Evaluation
from sentscore_train.evaluation.metrics import CALIBRATION_BINS, Interval


def evaluation_report(found: Evaluation) -> str:
    """Returns the tables of one model's metrics."""
    m = found.metrics
    confusion, calibrations = m.confusion, (m.calibrated, m.uncalibrated)
    blocks = [
        [
            ["accuracy", _share(m.accuracy)],
            ["AUC", f"{m.auc:.4f}"],
            ["F1", f"{m.f1:.4f}"],
            ["precision", _share(m.precision)],
            ["recall", _share(m.recall)],
        ],
        [
            ["temperature", *(f"{each.temperature:.4f}" for each in calibrations)],
            ["log loss, nats", *(f"{each.log_loss:.4f}" for each in calibrations)],
            ["Brier score", *(f"{each.brier:.4f}" for each in calibrations)],
            [f"ECE, {CALIBRATION_BINS} bins", *(f"{each.ece:.4f}" for each in calibrations)],
        ],
        [
            ["label", "called negative", "called positive"],
            ["negative", f"{confusion.true_negative:,}", f"{confusion.false_positive:,}"],
            ["positive", f"{confusion.false_negative:,}", f"{confusion.true_positive:,}"],
        ],
        [
            ["tokens", "reviews", "accuracy"],
            *([f"{b.shortest:,} to {b.longest:,}", f"{b.reviews:,}", _share(b.accuracy)] for b in m.by_length),
        ],
    ]
    head = clean_line(f"{found.model} in {found.precision} on {found.device}: {m.reviews:,} reviews, {found.source}")
    interval = m.accuracy_interval
    note = (
        f"Accuracy: 95 % interval {_interval(interval)}, bootstrap of {interval.resamples:,} resamples. "
        f"Temperature: fitted on {clean_line(found.fitted_on)}."
    )
    return "\n\n".join([head, *map(_align, blocks), note]) + "\n"


def comparison_report(found: Comparison) -> str:
    """Returns a Markdown table of two models and the notebook's, and notes on how the two differ."""
    rows = [
        ["model", "accuracy", "95 % interval", "AUC", "log loss", "ECE", "MB", "reviews/s"],
        ["---"] * 8,
        *(_row(each) for each in found.models),
        *([name, _share(accuracy), *[""] * 6] for name, accuracy in PUBLISHED.items()),
    ]
    first, second = found.models
    a, resamples = found.agreement, first.metrics.accuracy_interval.resamples
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    notes = (
        f"- {first.metrics.reviews:,} reviews ({first.source}), on {first.device}. Intervals: bootstrap of "
        f"{resamples:,} resamples. ECE: {CALIBRATION_BINS} bins of equal mass. MB: graph and vocabulary. Reviews/s: "
        "from text to score, in this run.",
        f"- {_share(a.same_sentiment)} get the same sentiment from both. {a.only_first_right:,} are right in "
        f"{first.model} alone, {a.only_second_right:,} in {second.model} alone: p = {a.mcnemar_p:.3g} by McNemar's "
        "exact test.",
        f"- Accuracy of {first.model} less that of {second.model}: {_points(a.difference)} points, 95 % interval "
        f"{_points(a.difference_interval.low)} to {_points(a.difference_interval.high)}, by paired bootstrap.",
        "- The notebook's accuracies are those that the tutorial notebook, which `--preset notebook` follows, gives "
        "for the IMDB test reviews.",
    )
    return "\n".join([table, "", *map(clean_line, notes)]) + "\n"


def _row(found: Evaluation) -> list[str]:
    m = found.metrics
    return [
        clean_line(f"{found.model}, {found.precision}"),
        _share(m.accuracy),
        _interval(m.accuracy_interval),
        f"{m.auc:.4f}",
        f"{m.calibrated.log_loss:.4f}",
        f"{m.calibrated.ece:.4f}",
        f"{found.size / 1e6:.1f}",
        f"{found.reviews_per_s:,.0f}",
    ]


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _interval(interval: Interval) -> str:
    return f"{100 * interval.low:.2f} to {_share(interval.high)}"


def _align(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows as lines, with the first column to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
