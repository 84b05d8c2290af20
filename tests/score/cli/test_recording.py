"""What `sentscore file` writes about a run: the report, the metrics and the log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sentscore.cli import app
from sentscore.errors import OutputError
from sentscore.files import hidden_sibling
from sentscore.jobs.run_report import RunReport
from sentscore.model.engine import Engine


def read_metrics(path: Path) -> dict[str, float]:
    families = text_string_to_metric_families(path.read_text())
    return {sample.name: sample.value for family in families for sample in family.samples}


def read_log(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def places(tmp_path: Path) -> tuple[str | Path, ...]:
    """The options that have the report and the metrics written."""
    return "--report", tmp_path / "run.json", "--metrics", tmp_path / "nightly.prom"


class TestReport:
    def test_of_a_run_that_finishes(
        self, reviews: Path, tmp_path: Path, tiny_artifact: Path, places, invoke, read_report
    ) -> None:
        result = invoke("file", reviews, "-m", tiny_artifact, "--column", "review", *places)
        assert result.exit_code == 0, result.stderr
        report = read_report(tmp_path / "run.json")
        assert (report["status"], report["exit_code"]) == ("finished", 0)
        assert (report["totals"]["rows"], report["totals"]["scored"], report["totals"]["empty"]) == (3, 2, 1)
        assert sum(report["models"][0]["histogram"]) == 2
        assert report["options"]["column"] == "review"
        assert report["inputs"][0]["output"] == str(reviews.with_name("reviews.scored.csv"))
        assert report["seconds"]["load"] > 0
        metrics = read_metrics(tmp_path / "nightly.prom")
        assert (metrics["sentscore_run_exit_code"], metrics["sentscore_run_rows"]) == (0, 3)

    def test_names_all_options(
        self, reviews: Path, tmp_path: Path, tiny_artifact: Path, places, invoke, read_report
    ) -> None:
        invoke("file", reviews, "-m", tiny_artifact, *places)
        parameters = typer.main.get_command(app).commands["file"].params  # type: ignore[attr-defined]
        assert {parameter.name for parameter in parameters} - {"help"} == set(
            read_report(tmp_path / "run.json")["options"]
        )

    def test_of_a_run_that_fails_half_way(
        self, reviews: Path, tmp_path: Path, tiny_artifact: Path, places, invoke, read_report
    ) -> None:
        damaged, last = tmp_path / "damaged.jsonl", tmp_path / "last.csv"
        damaged.write_text('{"text": "a film"}\n' * 20_000 + "{\n")
        last.write_text("text\na film\n")
        (tmp_path / "run.json").write_text('{\n  "format_version": 1,\n  "status": "finished"}')
        result = invoke("file", reviews, damaged, last, "-m", tiny_artifact, *places, "--no-resume")
        assert result.exit_code == 3
        report = read_report(tmp_path / "run.json")
        assert (report["status"], report["exit_code"]) == ("failed", 3)
        assert [entry["status"] for entry in report["inputs"]] == ["scored", "failed", "not_begun"]
        error = report["inputs"][1]["error"]
        assert error["exit_code"] == 3
        assert "line 20001 is not JSON" in error["message"]
        assert report["errors"] == [error["message"]]
        assert read_metrics(tmp_path / "nightly.prom")["sentscore_run_exit_code"] == 3

    def test_of_a_run_that_fails_before_its_first_job(
        self, reviews: Path, tmp_path: Path, places, invoke, read_report
    ) -> None:
        assert invoke("file", reviews, "-m", tmp_path / "nothing", *places).exit_code == 4
        report = read_report(tmp_path / "run.json")
        assert (report["status"], report["exit_code"], report["models"]) == ("failed", 4, [])
        assert "no such model" in report["errors"][0]
        assert read_metrics(tmp_path / "nightly.prom")["sentscore_run_exit_code"] == 4

    def test_says_what_is_wrong_in_terms_of_options(
        self, reviews: Path, tmp_path: Path, tiny_artifact: Path, places, invoke, read_report
    ) -> None:
        reviews.write_text("a,b\nx,y\n")
        assert invoke("file", reviews, "-m", tiny_artifact, *places).exit_code == 3
        assert read_report(tmp_path / "run.json")["errors"][0].endswith("name one of 'a', 'b' with --column")

    def test_of_an_unexpected_error(
        self, reviews: Path, tmp_path: Path, tiny_artifact: Path, monkeypatch, places, invoke, read_report
    ) -> None:
        def fail(self: Engine, texts: pa.Array, pool: Any, *, wanted: Any = None) -> None:
            raise ZeroDivisionError("two\nlines")

        monkeypatch.setattr(Engine, "submit", fail)
        monkeypatch.setattr("sentscore.scorer.Scorer.score", lambda self, texts: None)  # of the loading
        assert invoke("file", reviews, "-m", tiny_artifact, *places).exit_code == 1
        report = read_report(tmp_path / "run.json")
        assert (report["exit_code"], report["errors"]) == (1, ["unexpected ZeroDivisionError: two lines"])

    def test_of_a_run_that_is_interrupted_and_while_it_runs(
        self, tmp_path: Path, tiny_artifact: Path, places, read_report
    ) -> None:
        command = [sys.executable, "-m", "sentscore", "file", "-", "--format", "txt", "-o", tmp_path / "out.csv"]
        process = subprocess.Popen(
            [*command, "-m", tiny_artifact, *places, "--log-format", "json"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 120
        part = hidden_sibling(tmp_path / "out.csv", "*.part").name
        while not list(tmp_path.glob(part)) and time.monotonic() < deadline:
            time.sleep(0.05)
        report = read_report(tmp_path / "run.json")
        assert (report["status"], report["exit_code"]) == ("running", None)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 130, errors
        report = read_report(tmp_path / "run.json")
        assert (report["status"], report["exit_code"], report["errors"]) == ("interrupted", 130, ["interrupted"])
        assert [(entry["input"], entry["status"]) for entry in report["inputs"]] == [("stdin", "interrupted")]
        assert read_metrics(tmp_path / "nightly.prom")["sentscore_run_exit_code"] == 130
        last = read_log(errors.decode())[-1]
        assert (last["event"], last["message"], last["exit_code"]) == ("error", "interrupted", 130)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["nightly.prom", "run.json"]

    def test_tells_of_inputs_that_are_left_out(
        self, reviews: Path, tmp_path: Path, tiny_artifact: Path, places, invoke, read_report
    ) -> None:
        reviews.with_name("reviews.scored.csv").touch()
        assert invoke("file", reviews, "-m", tiny_artifact, "--skip-existing", *places).exit_code == 0
        report = read_report(tmp_path / "run.json")
        assert [entry["status"] for entry in report["inputs"]] == ["left_out"]
        assert read_metrics(tmp_path / "nightly.prom")["sentscore_run_exit_code"] == 0

    def test_that_cannot_be_written_in_the_end_is_an_error(
        self, reviews: Path, tmp_path: Path, tiny_artifact: Path, monkeypatch, places, invoke
    ) -> None:
        write, calls = RunReport.write, []

        def fail_later(self: RunReport, path: Path) -> None:
            calls.append(path)
            if len(calls) > 1:
                raise OutputError(f"{path}: cannot be written (No space left on device): free space there")
            write(self, path)

        monkeypatch.setattr(RunReport, "write", fail_later)
        result = invoke("file", reviews, "-m", tiny_artifact, *places)
        assert (result.exit_code, result.stderr.count("No space left on device")) == (6, 1)
        assert reviews.with_name("reviews.scored.csv").exists()
        calls.clear()
        result = invoke("file", reviews, "-m", tiny_artifact, *places)
        assert result.exit_code == 6
        assert "exists already" in result.stderr
        assert "; " + str(tmp_path / "run.json") + ": cannot be written" in result.stderr


class TestPlaces:
    @pytest.mark.parametrize(
        ("option", "name", "code", "message"),
        [
            ("--report", "run.csv", 2, "must not have the name of a table: end it in .json"),
            ("--metrics", "-", 2, "must not have the name of a table"),
            ("--report", "reviews.data", 2, "is there and is no report or metrics: name another file"),
            ("--metrics", "pipe", 6, "pipe: is no file"),
            ("--report", "folder.json", 6, "is a folder"),
            ("--metrics", "nothing/run.prom", 6, "there is no folder .*nothing: make it first"),
        ],
    )
    def test_that_are_no_place_for_it(
        self, tmp_path: Path, option: str, name: str, code: int, message: str, monkeypatch, invoke, assert_one_line
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Path("reviews.data").write_text("text\na\n")
        Path("folder.json").mkdir()
        os.mkfifo("pipe")
        assert_one_line(invoke("file", "reviews.data", "--format", "csv", option, name), code, message)
        assert Path("reviews.data").read_text() == "text\na\n"

    def test_report_and_metrics_need_two_files(self, reviews: Path, tmp_path: Path, invoke, assert_one_line) -> None:
        path = tmp_path / "run.json"
        assert_one_line(invoke("file", reviews, "--report", path, "--metrics", path), 2, "name two files")


class TestJsonLog:
    def test_each_line_is_an_object(
        self, reviews: Path, tmp_path: Path, tiny_artifact: Path, monkeypatch, invoke
    ) -> None:
        monkeypatch.setattr("sentscore.cli.json_log._PROGRESS_EVERY_S", 0.0)
        done = tmp_path / "done.csv"
        done.write_text("text\na\n")
        done.with_name("done.scored.csv").touch()
        result = invoke("file", reviews, done, "-m", tiny_artifact, "--skip-existing", "--log-format", "json")
        assert result.exit_code == 0
        log = read_log(result.stderr)
        assert {line["event"]: line["level"] for line in log} == dict.fromkeys(
            ["left_out", "model", "progress", "scored", "finished"], "info"
        )
        events = {line["event"]: line for line in log}
        assert events["left_out"]["input"] == str(done)
        assert (events["model"]["name"], events["model"]["precision"]) == ("lstm", "fp32")
        assert (events["progress"]["input"], events["progress"]["rows"]) == (str(reviews), 3)
        assert (events["scored"]["rows"], events["scored"]["scored"]) == (3, 2)
        assert (events["finished"]["exit_code"], events["finished"]["totals"]["inputs"]) == (0, 2)
        times = [line["time"] for line in log]
        assert times == sorted(times)

    def test_errors_and_tracebacks_are_objects_too(self, tmp_path: Path, tiny_artifact: Path, invoke) -> None:
        missing = tmp_path / "a.csv"
        result = invoke("--debug", "file", missing, "-m", tiny_artifact, "--log-format", "json")
        [error] = read_log(result.stderr)
        assert (result.exit_code, error["exit_code"], error["level"]) == (3, 3, "error")
        assert error["message"].startswith(f"{missing}: ")
        assert "FileNotFoundError" in error["traceback"]

    def test_warnings_are_logged(self, tmp_path: Path, tiny_artifact: Path, invoke) -> None:
        foreign = tmp_path / "a.txt"
        foreign.write_text("ein wunderbarer kleiner streifen\nthe film was great\n")
        log = read_log(invoke("file", foreign, "-m", tiny_artifact, "--log-format", "json").stderr)
        [warning] = [line for line in log if line["level"] == "warning"]
        assert warning["message"].startswith("1 of 2 texts are mostly of words that the model does not know")

    def test_a_gpu_with_too_little_memory_is_said_once(
        self, tmp_path: Path, tiny_artifact: Path, monkeypatch, invoke, read_report
    ) -> None:
        monkeypatch.setattr("sentscore.scorer.Scorer.memory_note", "batches were halved")
        names = [tmp_path / "a.txt", tmp_path / "b.txt"]
        for name in names:
            name.write_text("the film was great\n")
        report = tmp_path / "run.json"
        result = invoke("file", *names, "-m", tiny_artifact, "--report", report)
        assert result.stderr.count("warning: lstm: batches were halved\n") == 1
        assert read_report(report)["warnings"] == ["lstm: batches were halved"]
        log = read_log(invoke("file", *names, "-m", tiny_artifact, "--force", "--log-format", "json").stderr)
        assert [line["message"] for line in log if line["level"] == "warning"] == ["lstm: batches were halved"]
