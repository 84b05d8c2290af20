from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from sentscore import __version__
from sentscore.jobs import Job, Summary, plan_jobs
from sentscore.jobs.pipeline import Stages
from sentscore.jobs.run import ModelSummary
from sentscore.jobs.run_report import RunReport
from sentscore.scorer import Scorer

HISTOGRAM = (3, *[0] * 18, 1)


def job(name: str) -> Job:
    [planned] = plan_jobs([name], output=f"{name}.out.csv", format=None, force=True)
    return planned


def summary(name: str = "a.csv", models: Sequence[str] = ("lstm",), **counts: int) -> Summary:
    stages = Stages(
        1.0, 2.0, 3.0, 4.0, 8.0, truncated=counts.pop("truncated", 0), mostly_unknown=counts.pop("unknown", 0)
    )
    of_models = tuple(ModelSummary(model, "cpu", "fp32", 1, HISTOGRAM, 1.2) for model in models)
    return Summary(name, f"{name}.out", rows=5, scored=4, models=of_models, seconds=2.0, stages=stages, kept=1)


@pytest.fixture
def scorer(make_scorer) -> Scorer:
    return make_scorer()


def test_a_run_that_finished(tmp_path: Path, scorer: Scorer, read_report) -> None:
    report = RunReport({"column": "review", "threads": None})
    report.add_models([scorer], 0.5)
    report.add_scored(summary("a.csv", truncated=1))
    report.add_scored(summary("b.csv", unknown=2))
    report.end(0)
    report.write(tmp_path / "run.json")
    found = read_report(tmp_path / "run.json")
    assert (found["status"], found["exit_code"], found["errors"]) == ("finished", 0, [])
    assert found["options"] == {"column": "review", "threads": None}
    assert found["versions"]["sentscore"] == __version__
    assert found["began"] <= found["ended"]
    [model] = found["models"]
    assert (model["name"], model["manifest_sha256"]) == ("lstm", scorer.manifest_sha256)
    assert (model["positive"], model["share_positive"], model["mean_score"]) == (2, 0.25, 0.3)
    assert model["histogram"] == [6, *[0] * 18, 2]
    assert found["totals"] == {
        "inputs": 2, "scored_inputs": 2, "left_out_inputs": 0, "failed_inputs": 0, "rows": 10, "scored": 8, "empty": 2,
        "truncated": 1, "mostly_unknown": 2, "kept": 2,
    }  # fmt: skip
    assert found["seconds"] == {
        "load": 0.5, "read": 2.0, "encode": 4.0, "wait": 6.0, "write": 8.0, "score": 16.0, "jobs": 4.0,
    }  # fmt: skip
    assert found["reviews_per_s"] == 1.5  # without those that a run before has scored
    assert [entry["input"] for entry in found["inputs"]] == ["a.csv", "b.csv"]
    assert found["inputs"][0]["models"] == [{"name": "lstm", "positive": 1, "share_positive": 0.25}]
    assert len(found["warnings"]) == 2
    assert "1 texts have more than 8,192 tokens" in found["warnings"][0]
    assert "2 of 8 texts are mostly of words" in found["warnings"][1]


def test_each_input_says_what_became_of_it(tmp_path: Path, scorer: Scorer, read_report) -> None:
    """A bad file that is set aside has its error, and the run goes on."""
    report = RunReport()
    report.add_models([scorer], 0.0)
    report.add_left_out(job("a.csv"))
    report.add_failed(job("bad.csv"), "bad.csv: line 3 has too few fields", 3)
    report.add_scored(summary("b.csv"))
    report.add_failed(job("c.csv"), "interrupted", 130)
    report.add_not_begun(job("d.csv"))
    report.end(130, "interrupted")
    report.write(tmp_path / "run.json")
    found = read_report(tmp_path / "run.json")
    assert (found["status"], found["exit_code"], found["errors"]) == ("interrupted", 130, ["interrupted"])
    statuses = [(entry["input"], entry["status"]) for entry in found["inputs"]]
    assert statuses == [
        ("a.csv", "left_out"), ("bad.csv", "failed"), ("b.csv", "scored"), ("c.csv", "interrupted"),
        ("d.csv", "not_begun"),
    ]  # fmt: skip
    assert found["inputs"][1]["error"] == {"message": "bad.csv: line 3 has too few fields", "exit_code": 3}
    assert found["inputs"][1]["output"] == "bad.csv.out.csv"
    totals = found["totals"]
    assert (totals["inputs"], totals["scored_inputs"]) == (5, 1)
    assert (totals["left_out_inputs"], totals["failed_inputs"]) == (1, 1)


def test_a_run_that_has_just_begun_says_so(tmp_path: Path, read_report) -> None:
    RunReport().write(tmp_path / "run.json")
    found = read_report(tmp_path / "run.json")
    assert (found["status"], found["exit_code"], found["ended"]) == ("running", None, None)
    assert found["models"] == found["inputs"] == []


def test_many_inputs_are_not_held_in_memory(
    tmp_path: Path, scorer: Scorer, monkeypatch: pytest.MonkeyPatch, read_report
) -> None:
    monkeypatch.setattr("sentscore.jobs.run_report._MOST_IN_MEMORY", 1_000)
    report = RunReport()
    report.add_models([scorer], 0.0)
    for number in range(50):
        report.add_scored(summary(f"part-{number}.csv"))
        if number == 25:
            report.write(tmp_path / "run.json")  # what is read here does not end what is written later
    assert report._entries._rolled  # on disk
    report.write(tmp_path / "run.json")
    names = [entry["input"] for entry in read_report(tmp_path / "run.json")["inputs"]]
    assert names == [f"part-{number}.csv" for number in range(50)]


def test_names_that_are_not_utf_8_are_written_as_json_does(tmp_path: Path, scorer: Scorer, read_report) -> None:
    report = RunReport({"inputs": ["caf\udce9.csv"]})
    report.add_models([scorer], 0.0)
    report.add_scored(summary("caf\udce9.csv"))
    report.write(tmp_path / "run.json")
    assert read_report(tmp_path / "run.json")["inputs"][0]["input"] == "caf\udce9.csv"


def test_models_of_one_name_are_told_apart(tmp_path: Path, make_scorer, read_report) -> None:
    first, second = make_scorer(), make_scorer()
    second.name = "2026-12/lstm"
    second.artifact = replace(second.artifact, path=Path("/models/2026-12/lstm"))
    report = RunReport()
    report.add_models([first, second], 0.0)
    report.add_scored(summary(models=("lstm", "2026-12/lstm")))
    report.write(tmp_path / "run.json")
    found = read_report(tmp_path / "run.json")
    assert [model["name"] for model in found["models"]] == ["lstm", "2026-12/lstm"]
    assert found["models"][1]["folder"] == "/models/2026-12/lstm"


def test_nothing_scored_has_no_shares(tmp_path: Path, scorer: Scorer, read_report) -> None:
    report = RunReport()
    report.add_models([scorer], 0.0)
    none = (ModelSummary("lstm", "cpu", "fp32", 0),)
    report.add_scored(Summary("a", "b", rows=2, scored=0, models=none, seconds=0.0, stages=Stages()))
    report.write(tmp_path / "run.json")
    found = read_report(tmp_path / "run.json")
    assert found["models"][0]["share_positive"] is None
    assert found["warnings"] == ["none of 2 rows has a text: is it the right column?"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("status", "done"), ("exit_code", "0"), ("began", "today"), ("totals", {}), ("extra", 1), ("inputs", [{}])],
)
def test_the_schema_refuses_what_is_no_report(tmp_path: Path, field: str, value: object, read_report) -> None:
    RunReport().write(tmp_path / "run.json")
    report = read_report(tmp_path / "run.json")
    (tmp_path / "other.json").write_text(json.dumps({**report, field: value}))
    with pytest.raises(jsonschema.ValidationError):
        read_report(tmp_path / "other.json")


def test_the_schema_asks_for_the_counts_of_what_is_scored(tmp_path: Path, scorer: Scorer, read_report) -> None:
    report = RunReport()
    report.add_models([scorer], 0.0)
    report.add_scored(summary())
    report.write(tmp_path / "run.json")
    content = read_report(tmp_path / "run.json")
    del content["inputs"][0]["rows"]
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(jsonschema.ValidationError, match="'rows' is a required property"):
        read_report(tmp_path / "run.json")


def test_the_schema_comes_with_the_package() -> None:
    schema = resources.files("sentscore.jobs").joinpath("run_report.schema.json").read_text(encoding="utf-8")
    assert json.loads(schema)["properties"]["format_version"] == {"const": 1}
