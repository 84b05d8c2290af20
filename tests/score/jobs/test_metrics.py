from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

from sentscore.jobs.metrics import format_metrics, write_metrics
from sentscore.jobs.pipeline import Stages
from sentscore.jobs.run import ModelSummary, Summary
from sentscore.jobs.run_report import RunReport

DETAILS = {"digest", "precision", "device"}
HISTOGRAM = (3, *[0] * 18, 1)


def samples(text: str, read=read_openmetrics) -> dict[tuple[str, ...], float]:
    """The values by the names of the samples and the values of their labels, but for what all have."""
    found = {}
    for family in read(text):
        for sample in family.samples:
            assert sample.timestamp is None
            labels = {
                name: value for name, value in sample.labels.items() if name not in {"digest", "precision", "device"}
            }
            assert labels.pop("run") == "nightly"
            found[sample.name.removeprefix("sentscore_run_"), *labels.values()] = sample.value
    return found


@pytest.fixture
def report(make_scorer) -> RunReport:
    run = RunReport()
    run.add_models([make_scorer()], 0.5)
    models = (ModelSummary("lstm", "cpu", "fp32", 1, HISTOGRAM, 1.25),)
    stages = Stages(1.0, 2.0, 3.0, 4.0, 8.0, truncated=1, mostly_unknown=2)
    run.add_scored(Summary("a", "b", rows=5, scored=4, models=models, seconds=2.0, stages=stages, kept=1))
    return run


@pytest.mark.parametrize("read", [read_openmetrics, read_prometheus])
def test_both_forms_of_the_text_are_understood(report: RunReport, read) -> None:
    report.end(0)
    found = samples(format_metrics(report, run="nightly"), read)
    assert found["exit_code",] == 0
    assert found["end_timestamp_seconds",] >= found["start_timestamp_seconds",] > 1.7e9
    assert [found["inputs", state] for state in ("scored", "left_out", "failed", "not_done")] == [1, 0, 0, 0]
    counts = {name: found[name,] for name in ("rows", "scored_rows", "empty_rows", "kept_rows")}
    assert counts == {"rows": 5, "scored_rows": 4, "empty_rows": 1, "kept_rows": 1}
    assert (found["truncated_rows",], found["mostly_unknown_rows",]) == (1, 2)
    assert (found["stage_seconds", "load"], found["stage_seconds", "score"]) == (0.5, 8.0)
    assert (found["reviews_per_second",], found["errors",]) == (1.5, 0)
    assert found["peak_memory_bytes",] > 10 << 20
    assert found["positive_rows", "lstm"] == 1
    buckets = [found["score_bucket", "lstm", le] for le in ("0.05", "0.95", "1.0", "+Inf")]
    assert buckets == [3, 3, 4, 4]
    assert (found["score_count", "lstm"], found["score_sum", "lstm"]) == (4, 1.25)


def test_a_failed_run_has_its_exit_code(report: RunReport) -> None:
    report.end(6, "the disk is full")
    found = samples(format_metrics(report, run="nightly"))
    assert (found["exit_code",], found["errors",]) == (6, 1)


def test_a_run_without_models_is_valid_too() -> None:
    report = RunReport()
    report.end(4, "no such model")
    assert ("score_count", "lstm") not in samples(format_metrics(report, run="nightly"))


def test_labels_are_escaped(report: RunReport) -> None:
    report.models[0].scorer.name = 'a "model"\\n\nof mine'
    assert ("positive_rows", 'a "model"\\n\nof mine') in samples(format_metrics(report, run="nightly"))


def test_the_file_is_replaced_and_names_the_run(tmp_path: Path, report: RunReport) -> None:
    path = tmp_path / "nightly.prom"
    path.write_text("of last night")
    write_metrics(report, path)
    assert samples(path.read_text())["rows",] == 5
    assert path.read_text().endswith("\n# EOF\n")
    assert [left.name for left in tmp_path.iterdir()] == ["nightly.prom"]
