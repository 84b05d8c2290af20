from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sentscore.cli.console import Display, format_changes, format_run, format_summary, progress_bar
from sentscore.errors import Argument, InputError
from sentscore.jobs import Changes, RunSummary, plan_jobs
from sentscore.jobs.pipeline import Stages
from sentscore.jobs.run import ModelSummary, Summary
from sentscore.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("total", "size"), [(100, None), (None, 1_000), (None, None)])
def test_the_bar_shows_rows_on_a_terminal(monkeypatch: pytest.MonkeyPatch, total: int | None, size: int | None) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar() as show:
        assert show is not None
        show(Progress("a [b].csv", 1_234, total, 500, size))
    assert "a [b].csv" in terminal.getvalue()
    assert "1,234 reviews" in terminal.getvalue()


def test_there_is_no_bar_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar() as show:
        assert show is None
    monkeypatch.setattr(sys, "stderr", None)
    with progress_bar() as show:
        assert show is None


def test_the_summary_is_one_line() -> None:
    models = (ModelSummary("lstm", "cpu", "int8", 500), ModelSummary("gru", "cuda", "fp32", 1))
    summary = Summary("a.csv", "a.scored.csv", rows=1_010, scored=1_000, models=models, seconds=0.5, stages=Stages())
    assert format_summary(summary) == (
        "a.csv: 1,010 rows, 1,000 scored, 10 empty, 2,000 reviews/s, "
        "50.0 % positive (lstm in int8 on cpu), 0.1 % positive (gru in fp32 on cuda) -> a.scored.csv"
    )


def test_the_summary_of_no_rows() -> None:
    models = (ModelSummary("lstm", "cpu", "fp32", 0),)
    line = format_summary(Summary("a", "b", rows=0, scored=0, models=models, seconds=0.1, stages=Stages()))
    assert line == "a: 0 rows, 0 scored, 0 empty, 0 reviews/s, none positive (lstm in fp32 on cpu) -> b"


def test_the_summary_tells_what_a_run_before_has_scored() -> None:
    models = (ModelSummary("lstm", "cpu", "int8", 500),)
    summary = Summary("a", "b", rows=1_010, scored=1_000, models=models, seconds=0.5, stages=Stages(), kept=400)
    assert format_summary(summary) == (
        "a: 1,010 rows, 1,000 scored (400 by the run before), 10 empty, 1,200 reviews/s, "
        "50.0 % positive (lstm in int8 on cpu) -> b"
    )


def test_the_bar_goes_by_what_is_scored_now(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    clock = [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("rich.console.monotonic", lambda: clock[0])
    with progress_bar() as show:
        assert show is not None
        show(Progress("a.csv", 900, 1_000, 0, None, kept=900))
        clock[0] = 10.0
        show(Progress("a.csv", 950, 1_000, 0, None, kept=900))
    assert "950 reviews, 5/s" in terminal.getvalue()


def test_the_summary_of_a_folder_names_what_was_skipped_and_counts_what_was_left_out(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.doc"):
        (tmp_path / name).write_text("text\n")
    plan = plan_jobs([str(tmp_path)], output=None, format=None, force=False)
    done = RunSummary()
    models = (ModelSummary("lstm", "cpu", "int8", 500),)
    done.add(Summary("a.csv", "out", rows=1_010, scored=1_000, models=models, seconds=0.5, stages=Stages(), kept=400))
    done.add_bad("b.csv")
    done.existing = 3
    assert format_run(plan, done) == (
        f"{tmp_path}: 1 files, 1,010 rows, 1,000 scored (400 by the run before), 10 empty, 1,200 reviews/s, "
        f"50.0 % positive (lstm in int8 on cpu) -> {tmp_path}.scored; skipped 1 that cannot be read: b.csv; "
        "left out 3 whose outputs exist, 1 of unknown formats"
    )
    assert format_run(plan, RunSummary()) == (
        f"{tmp_path}: 0 files, 0 rows, 0 scored, 0 empty, 0 reviews/s -> {tmp_path}.scored; "
        "left out 1 of unknown formats"
    )


def test_twenty_outputs_whose_inputs_are_gone_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    changes = Changes()
    for number in range(1_025):
        changes.add_gone(str(number))
    for change in ("new", "changed", "made by another", "same", "same"):
        changes.add(change)
    plan = plan_jobs([str(tmp_path)], output=None, format=None, force=False, incremental=True)
    line = format_changes(plan, changes)
    assert line.startswith(
        f"{tmp_path}: 1 new, 1 changed, 1 made by another model or other options, 2 as they were; "
        "1,025 outputs stay whose inputs are gone: 0, 1, 2, "
    )
    assert line.endswith(" 18, 19 and 1,005 more")
    plan.incremental = False
    assert format_changes(plan, changes) == f"{tmp_path}: the run that was not finished goes on: 2 of 5 files are done"


def test_the_bar_of_a_folder_begins_anew_with_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("text\n")
    plan = plan_jobs([str(tmp_path)], output=None, format=None, force=False)
    display = Display(plan)
    with display.showing():
        for number, job in enumerate(plan, 1):
            with display.following(job) as show:
                assert show is not None
                show(Progress(f"{number}.csv", 7 * number, 100))
        display.show_bad(job, InputError("b.csv: is\ndamaged: name a ", Argument("column")))
    assert "1/2 1.csv" in terminal.getvalue()
    assert "2/2 2.csv" in terminal.getvalue()
    assert "14 reviews" in terminal.getvalue()
    assert f"skipped: {job.name}: b.csv: is damaged: name a --column" in terminal.getvalue()


def test_a_terminal_gets_a_bar_and_the_summary(reviews: Path, tiny_artifact: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    command = [sys.executable, "-m", "sentscore", "file", reviews, "-m", tiny_artifact]
    process = subprocess.Popen(command, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            block = os.read(ours, 4_096)
        except OSError:  # how a terminal says that nobody holds its other end
            break
        if not block:
            break
        shown += block
    os.close(ours)
    assert process.wait() == 0
    assert b"reviews/s" in shown.splitlines()[-1]
    assert b"3 reviews" in shown
