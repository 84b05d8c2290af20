from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sentscore_train.evaluation.evaluate import Evaluation, ScoredReviews, compare
from sentscore_train.evaluation.metrics import measure
from sentscore_train.evaluation.report import comparison_report, evaluation_report
from sentscore_train.evaluation.reviews import LabelledReviews

LABELS = np.repeat(np.array([0, 1], np.int8), 1_000)


def evaluation(model: str, wrong: slice, seconds: float) -> Evaluation:
    """A model that is 80 % sure of everything and wrong on some rows."""
    right = np.where(LABELS == 1, 0.8, 0.2)
    right[wrong] = 1 - right[wrong]
    lengths = np.arange(1, 2_001)
    return Evaluation(
        model=model,
        manifest_sha256="0" * 64,
        precision="fp32",
        device="cpu",
        source="IMDB validation",
        size=12_345_678,
        fitted_on="validation",
        metrics=measure(right, LABELS, lengths, temperature=1.5),
        scored=ScoredReviews(right.astype(np.float32), lengths, seconds),
    )


@pytest.fixture
def first() -> Evaluation:
    return evaluation("lstm", slice(0, 200), 8.0)


def test_a_model_is_reported_in_aligned_tables(first) -> None:
    blocks = evaluation_report(first).split("\n\n")
    assert blocks[0] == "lstm in fp32 on cpu: 2,000 reviews, IMDB validation"
    assert blocks[1].splitlines() == [
        "accuracy    90.00 %",
        "AUC          0.9000",
        "F1           0.9091",
        "precision   83.33 %",
        "recall     100.00 %",
    ]
    # Two bins: 800 called negative, all rightly, and 1,200 called positive, of which 1,000 are.
    ece = 0.4 * 0.2 + 0.6 * (1_000 / 1_200 - 0.8)
    assert blocks[2].splitlines()[0] == "temperature     1.5000  1.0000"
    assert blocks[2].splitlines()[3].startswith(f"ECE, 15 bins    {ece:.4f}  ")
    assert blocks[3].splitlines()[1:] == [
        "negative              800              200",
        "positive                0            1,000",
    ]
    assert blocks[4].splitlines()[1] == "1 to 200            200    0.00 %"
    assert blocks[4].splitlines()[-1] == "1,801 to 2,000      200  100.00 %"


def test_names_hold_nothing_that_a_terminal_obeys(first) -> None:
    odd = replace(first, model="m\x1b[31m\n\udcff", source="t\x07.parquet", fitted_on="\u202eIMDB")
    report, comparison = evaluation_report(odd), comparison_report(compare(odd, first, LabelledReviews("", [], LABELS)))
    assert report.startswith("m\\x1b[31m\\n\\udcff in fp32 on cpu: 2,000 reviews, t\\x07.parquet\n")
    assert r"fitted on \u202eIMDB." in report
    assert comparison.splitlines()[2].startswith("| m\\x1b[31m\\n\\udcff, fp32 | ")
    for line in [*report.split("\n"), *comparison.split("\n")]:
        assert line.isprintable()


def test_two_models_are_told_apart_by_the_reviews_that_they_disagree_on(first) -> None:
    second = evaluation("gru", slice(150, 400), 4.0)
    lines = comparison_report(compare(first, second, LabelledReviews("", [], LABELS))).splitlines()
    interval = first.metrics.accuracy_interval
    assert lines[2] == (
        f"| lstm, fp32 | 90.00 % | {100 * interval.low:.2f} to {100 * interval.high:.2f} % | 0.9000 | "
        f"{first.metrics.calibrated.log_loss:.4f} | 0.1000 | 12.3 | 250 |"
    )
    assert lines[3].startswith("| gru, fp32 | 87.50 % | ")
    assert lines[3].endswith("| 12.3 | 500 |")
    assert lines[8].startswith(
        "- 82.50 % get the same sentiment from both. 200 are right in lstm alone, 150 in gru alone: p = 0.00"
    )
    assert lines[9].startswith("- Accuracy of lstm less that of gru: +2.50 points, 95 % interval +0.")
