"""`sentscore file` night after night: `--incremental`, and runs that were killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import Result

from sentscore.jobs.state import STATE_NAME, State

Score = Callable[..., Result]


def tree(folder: Path) -> dict[str, bytes]:
    """Returns the content of all files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(path: Path, *texts: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"review": list(texts)}), path)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """20 files in partitions, of which 2 are damaged."""
    for number in range(20):
        write(tmp_path / "lake" / f"dt={number // 5}" / f"part-{number % 5}.parquet", f"a great film {number}", "awful")
    for name in ("dt=0/part-3.parquet", "dt=2/part-0.parquet"):
        (tmp_path / "lake" / name).write_bytes(b"PAR1, cut off")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lake"


@pytest.fixture
def score(tiny_artifact: Path, invoke) -> Score:
    return lambda *options: invoke("file", "lake", "-m", tiny_artifact, "--on-error", "skip", *options)


def test_the_second_night_does_what_is_new_or_has_changed(lake: Path, score: Score, assert_one_line) -> None:
    out = lake.with_name("lake.scored")
    assert score().exit_code == 3
    first = tree(out)
    assert len(first) == 18 + 1
    assert_one_line(score(), 6, "exists already: give --force .*, --incremental to .*, --skip-existing to .*")
    write(lake / "dt=4" / "part-0.parquet", "not bad")
    write(lake / "dt=0" / "part-0.parquet", "another film")
    write(lake / "dt=0" / "part-3.parquet", "mended")
    (lake / "dt=1" / "part-1.parquet").unlink()
    result = score("--incremental")
    assert result.exit_code == 3
    begins, skipped, ends = result.stderr.splitlines()
    gone = "1 outputs stay whose inputs are gone: lake.scored/dt=1/part-1.parquet"
    changes = "3 new, 1 changed, 0 made by another model or other options, 16 as they were"
    assert begins == f"lake: {changes}; {gone}"
    assert skipped.startswith("skipped: lake/dt=2/part-0.parquet: ")
    assert re.match(r"lake: 3 files, 3 rows, .*; skipped 1 .*; left out 16 that were done$", ends)
    second = tree(out)
    changed = {name for name in second if second[name] != first.get(name)}
    assert changed == {"dt=4/part-0.parquet", "dt=0/part-0.parquet", "dt=0/part-3.parquet", STATE_NAME}
    assert second[STATE_NAME].startswith(first[STATE_NAME])
    assert pq.read_table(out / "dt=0" / "part-0.parquet", partitioning=None)["review"].to_pylist() == ["another film"]


def test_another_option_scores_all_again(lake: Path, score: Score, tiny_gru_artifact: Path) -> None:
    score()
    result = score("--incremental", "--prefix", "x_")
    assert "lake: 2 new, 0 changed, 18 made by another model or other options, 0 as they were" in result.stderr
    table = pq.read_table(lake.with_name("lake.scored") / "dt=1" / "part-0.parquet", partitioning=None)
    assert table.schema.names == ["review", "x_sentiment", "x_score"]


def test_an_output_that_is_not_ours_is_never_replaced(lake: Path, score: Score, assert_one_line) -> None:
    score()
    write(lake / "new.parquet", "a film")
    (lake.with_name("lake.scored") / "new.parquet").write_text("mine")
    assert_one_line(score("--incremental"), 6, r"new\.parquet: exists already: give --force to .*, --skip-existing")
    assert (lake.with_name("lake.scored") / "new.parquet").read_text() == "mine"


def test_a_folder_in_use_is_refused_at_once(lake: Path, score: Score, assert_one_line) -> None:
    score()
    state = State(lake.with_name("lake.scored"))
    for option in ("--incremental", "--force", "--skip-existing"):
        assert_one_line(score(option), 6, r"lake\.scored: another run is writing there")
    state.close()


def test_a_run_that_stopped_goes_on_but_not_with_other_options(
    lake: Path, tiny_artifact: Path, score: Score, invoke, assert_one_line
) -> None:
    command = ("file", "lake", "-m", tiny_artifact)
    assert_one_line(invoke(*command), 3, "part-3.*; inputs finished: 3; the same command leaves them out")
    assert_one_line(
        invoke(*command, "--prefix", "x_"), 6, "that was not finished there had .* other options: repeat it"
    )
    write(lake / "dt=0" / "part-3.parquet", "mended")
    write(lake / "dt=2" / "part-0.parquet", "mended")
    result = invoke(*command)
    assert result.exit_code == 0
    assert result.stderr.startswith("lake: the run that was not finished goes on: 3 of 20 files are done\n")
    found = tree(lake.with_name("lake.scored"))
    assert len(found) == 21
    again = invoke(*command, "-o", "again")
    assert again.exit_code == 0
    again_found = tree(lake.with_name("again"))
    again_found.pop(STATE_NAME)  # the mended files had other sizes when they were begun first
    found.pop(STATE_NAME)
    assert found == again_found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--incremental", "--force"), "leave out --force"),
        (("--incremental", "--skip-existing"), "leave out --skip-existing"),
        (("--incremental", "--whole"), "--whole makes one table"),
    ],
)
def test_options_that_do_not_go_together(invoke, assert_one_line, options: tuple[str, ...], message: str) -> None:
    assert_one_line(invoke("file", "a.csv", *options), 2, message)


def test_one_file_needs_a_folder_of_outputs(lake: Path, tiny_artifact: Path, invoke, assert_one_line) -> None:
    command = ("file", "lake/dt=0/part-0.parquet", "-m", tiny_artifact, "--incremental")
    assert_one_line(invoke(*command), 2, "--incremental: .* is in no folder of outputs: give -o FOLDER/")
    for expected in ("1 new, 0 changed", "0 new, 0 changed"):
        result = invoke(*command, "-o", "out/")
        assert result.exit_code == 0
        assert expected in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal there")
def test_a_run_that_is_killed_again_and_again_leaves_the_tree_of_one_that_was_not(
    lake: Path, tiny_artifact: Path, score: Score
) -> None:
    options = ["--on-error", "skip", "--threads", "1", "--device", "cpu"]
    command = [sys.executable, "-m", "sentscore", "file", "lake", "-o", "killed", "-m", str(tiny_artifact), *options]
    state = lake.with_name("killed") / STATE_NAME
    for done in (3, 9):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (state.exists() and state.read_bytes().count(b'"done"') >= done):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert b"finished" not in state.read_bytes()
    assert subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True).returncode == 3
    score("-o", "whole")
    assert tree(lake.with_name("killed")) == tree(lake.with_name("whole"))
