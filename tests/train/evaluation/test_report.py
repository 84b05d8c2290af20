from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sentscore_train.evaluation.evaluate import Evaluation, ScoredReviews, compare, group_reviews
from sentscore_train.evaluation.groups import measure_groups
from sentscore_train.evaluation.metrics import mcnemar_p, measure
from sentscore_train.evaluation.report import comparison_report, evaluation_report
from sentscore_train.evaluation.reviews import LabelledReviews

KINDS = {"domain": ["toys"] * 500 + ["mu|sic"] * 1_500}
LABELS = np.repeat(np.array([0, 1], np.int8), 1_000)


def evaluation(model: str, wrong: slice, seconds: float) -> Evaluation:
    """A model that is 80 % sure of everything and wrong on some rows."""
    right = np.where(LABELS == 1, 0.8, 0.2)
    right[wrong] = 1 - right[wrong]
    lengths = np.arange(1, 2_001)
    groups = group_reviews(KINDS, lengths)
    return Evaluation(
        model=model,
        manifest_sha256="0" * 64,
        precision="fp32",
        device="cpu",
        source="IMDB validation",
        size=12_345_678,
        fitted_on="validation",
        metrics=measure(right, LABELS, lengths, temperature=1.5),
        by={name: measure_groups(right, LABELS, rows) for name, rows in groups.items()},
        scored=ScoredReviews(right.astype(np.float32), lengths, seconds),
    )


@pytest.fixture
def first() -> Evaluation:
    return evaluation("lstm", slice(0, 200), 8.0)


def test_a_model_is_reported_in_aligned_tables(first) -> None:
    found = first
    blocks = evaluation_report(found).split("\n\n")
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
    toys = found.by["domain"]["toys"]
    assert blocks[4].splitlines()[0].split("  ")[0] == "domain"
    assert blocks[4].splitlines()[2].split()[:3] == ["toys", "500", "60.00"]
    assert blocks[4].splitlines()[2].endswith(f"%  {toys.ece:.4f}     {toys.ece_by_chance:.4f}")
    assert blocks[5].splitlines()[1].split()[:6] == ["1", "to", "25", "tokens", "25", "0.00"]
    assert blocks[5].splitlines()[-1].split()[:6] == ["more", "than", "500", "tokens", "1,500", "100.00"]


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
    reviews = LabelledReviews("", [], LABELS, KINDS)
    tables = comparison_report(compare(first, second, reviews)).split("\n\n")
    lines = tables[0].splitlines()
    interval = first.metrics.accuracy_interval
    assert lines[2] == (
        f"| lstm, fp32 | 90.00 % | {100 * interval.low:.2f} to {100 * interval.high:.2f} % | 0.9000 | "
        f"{first.metrics.calibrated.log_loss:.4f} | 0.1000 | 12.3 | 250 |"
    )
    assert lines[3].startswith("| gru, fp32 | 87.50 % | ")
    assert lines[3].endswith("| 12.3 | 500 |")
    assert len(lines) == 4  # what others have published is of other reviews
    assert tables[1].splitlines() == [
        "| domain | reviews | lstm | gru | difference | p |",
        "| --- | --- | --- | --- | --- | --- |",
        "| mu\\|sic | 1,500 | 100.00 % | 100.00 % | +0.00 | 1 |",
        f"| toys | 500 | 60.00 % | 50.00 % | +10.00 | {mcnemar_p(200, 150):.3g} |",
    ]
    assert tables[2].splitlines()[2].startswith("| 1 to 25 tokens | 25 | 0.00 % | 100.00 % | -100.00 | ")
    notes = tables[3].splitlines()
    assert notes[1].startswith(
        "- 82.50 % get the same sentiment from both. 200 are right in lstm alone, 150 in gru alone: p = 0.00"
    )
    assert notes[2].startswith("- Accuracy of lstm less that of gru: +2.50 points, 95 % interval +0.")


def test_the_notebooks_accuracies_stand_beside_those_of_the_same_reviews(first) -> None:
    found = compare(first, evaluation("gru", slice(150, 400), 4.0), LabelledReviews("IMDB test", [], LABELS))
    lines = comparison_report(found).splitlines()
    assert lines[4].startswith("| notebook's LSTM | 86.77 % | ")
    assert lines[5].startswith("| notebook's GRU | 87.47 % | ")
    assert lines[-1].startswith("- The notebook's accuracies are those that the tutorial notebook")
