"""Makes texts of evaluations: tables for a terminal of one model, a Markdown table of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sentscore.cli.lines import clean_line
from sentscore_train.evaluation.evaluate import Comparison, Evaluation
from sentscore_train.evaluation.groups import GroupMetrics
from sentscore_train.evaluation.metrics import CALIBRATION_BINS, Interval


def evaluation_report(found: Evaluation) -> str:
    """Returns the tables of one model's metrics."""
    m = found.metrics
    confusion, calibrations = m.confusion, (m.calibrated, m.uncalibrated)
    blocks = [
        [
            ["accuracy", format_share(m.accuracy)],
            ["AUC", f"{m.auc:.4f}"],
            ["F1", f"{m.f1:.4f}"],
            ["precision", format_share(m.precision)],
            ["recall", format_share(m.recall)],
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
        *(_group_rows(column, groups) for column, groups in found.by.items()),
    ]
    head = clean_line(f"{found.model} in {found.precision} on {found.device}: {m.reviews:,} reviews, {found.source}")
    interval = m.accuracy_interval
    note = (
        f"Accuracy: 95 % interval {format_interval(interval)}, bootstrap of {interval.resamples:,} resamples. "
        f"Temperature: fitted on {clean_line(found.fitted_on)}. By chance: the mean ECE of exactly right probabilities "
        "on so many reviews."
    )
    return "\n\n".join([head, *map(_align, blocks), note]) + "\n"


def comparison_report(found: Comparison) -> str:
    """Returns Markdown tables of two models, of all reviews and of each group, and notes on how the two differ."""
    rows = [
        ["model", "accuracy", "95 % interval", "AUC", "log loss", "ECE", "MB", "reviews/s"],
        ["---"] * 8,
        *(_row(each) for each in found.models),
        *([name, format_share(accuracy), *[""] * 6] for name, accuracy in found.published.items()),
    ]
    first, second = found.models
    a, resamples = found.agreement, first.metrics.accuracy_interval.resamples
    low, high = map(format_points, (a.difference_interval.low, a.difference_interval.high))
    notes = [
        f"- {first.metrics.reviews:,} reviews ({first.source}), on {first.device}. Intervals: bootstrap of "
        f"{resamples:,} resamples. ECE: {CALIBRATION_BINS} bins of equal mass. MB: graph and vocabulary. Reviews/s: "
        "from text to score, in this run.",
        f"- {format_share(a.same_sentiment)} get the same sentiment from both. {a.only_first_right:,} are right in "
        f"{first.model} alone, {a.only_second_right:,} in {second.model} alone: p = {a.mcnemar_p:.3g} by McNemar's "
        "exact test.",
        f"- Accuracy of {first.model} less that of {second.model}: {format_points(a.difference)} points, 95 % interval "
        f"{low} to {high}, by paired bootstrap.",
    ]
    if found.published:
        notes.append(
            "- The notebook's accuracies are those that the tutorial notebook, which `--preset notebook` follows, "
            "gives for these reviews."
        )
    tables = [rows, *(_compared_rows(column, found) for column in found.by)]
    return "\n\n".join([*map(markdown_table, tables), "\n".join(map(clean_line, notes))]) + "\n"


def _group_rows(column: str, groups: Mapping[str, GroupMetrics]) -> list[list[str]]:
    """Returns the rows of the table of one model's groups."""
    return [
        [column, "reviews", "accuracy", "95 % interval", "ECE", "by chance"],
        *(
            [
                name,
                f"{each.reviews:,}",
                format_share(each.accuracy),
                format_interval(each.accuracy_interval),
                f"{each.ece:.4f}",
                f"{each.ece_by_chance:.4f}",
            ]
            for name, each in groups.items()
        ),
    ]


def _compared_rows(column: str, found: Comparison) -> list[list[str]]:
    """Returns the rows of the table of two models' groups; a difference is in points, with McNemar's p-value."""
    first, second = found.models
    return [
        [column, "reviews", first.model, second.model, "difference", "p"],
        ["---"] * 6,
        *(
            [
                name,
                f"{first.by[column][name].reviews:,}",
                format_share(first.by[column][name].accuracy),
                format_share(first.by[column][name].accuracy - agreement.difference),
                format_points(agreement.difference),
                f"{agreement.mcnemar_p:.3g}",
            ]
            for name, agreement in found.by[column].items()
        ),
    ]


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows as a Markdown table. Nothing in a cell can end it, its row or the line."""
    return "\n".join(clean_line("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |") for row in rows)


def _row(found: Evaluation) -> list[str]:
    m = found.metrics
    return [
        clean_line(f"{found.model}, {found.precision}"),
        format_share(m.accuracy),
        format_interval(m.accuracy_interval),
        f"{m.auc:.4f}",
        f"{m.calibrated.log_loss:.4f}",
        f"{m.calibrated.ece:.4f}",
        f"{found.size / 1e6:.1f}",
        f"{found.reviews_per_s:,.0f}",
    ]


def format_share(value: float) -> str:
    """Returns a share in per cent."""
    return f"{100 * value:.2f} %"


def format_points(value: float) -> str:
    """Returns a difference of shares in points, with its sign and without the unit."""
    return f"{100 * value:+.2f}"


def format_interval(interval: Interval) -> str:
    """Returns an interval of shares in per cent."""
    return f"{100 * interval.low:.2f} to {format_share(interval.high)}"


def _align(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows as lines, with the first column to the left and the others to the right."""
    rows = [[clean_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
