from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import rivals
from _contenders import ENTRIES, Entry
from _rival import Rival, Setting


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Forty reviews of 1 to 40 words, one without any, with labels."""
    texts = ["", *("good film " * number for number in range(1, 40))]
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"text": texts, "label": pa.array([number % 2 for number in range(40)], pa.int8())}), path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["rivals.py", *map(str, arguments)])
    rivals.main()


def never(setting: Setting) -> Rival:
    pytest.fail("a rival was loaded before the options were looked at")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_a_row_a_rival_and_what_it_was_measured_with(monkeypatch, capsys, reviews, tiny_artifact) -> None:
    sizes = ["--size", "sessions=7", "--size", "file=39"]
    run(monkeypatch, reviews, "--model", tiny_artifact, "--only", "sessions,file", "--runs", 1, *sizes)
    out = capsys.readouterr().out.splitlines()
    sessions, file = cells(out[2]), cells(out[3])
    assert cells(out[0])[1] == "`file` is so many times as fast"
    assert sessions[0].startswith("sentscore fp32, ONNX Runtime sessions alone, batches of ")
    assert sessions[4] == "7"
    assert [file[0], file[1], file[4]] == ["`sentscore file --precision fp32`, the whole process", "1", "39"]
    assert file[3].endswith("of 39")
    assert any(line.startswith("- Reviews: 39,") for line in out)
    assert any("onnxruntime" in line and "Python" in line for line in out)


def test_networks_and_bare_sessions_are_timed_without_accuracy(monkeypatch, capsys, reviews, tiny_gru_artifact) -> None:
    import torch

    threads = torch.get_num_threads()
    monkeypatch.setattr(rivals, "available_cpus", lambda: 1)  # a second thread of torch waits for the first at work
    names = ["notebook", "torch", "sessions"]
    sizes = [option for name in names for option in ("--size", f"{name}=4")]
    try:
        run(
            monkeypatch,
            reviews,
            "--model",
            tiny_gru_artifact,
            "--only",
            ",".join(names),
            "--trial",
            2,
            "--runs",
            1,
            *sizes,
        )
    finally:
        torch.set_num_threads(threads)
    rows = [cells(line) for line in capsys.readouterr().out.splitlines()[2:5]]
    assert rows[0][0] == "the notebook's loop: torch, one review at a time, 2 x 256 BiGRU without packing"
    assert rows[0][1] == "1"
    assert [row[3] for row in rows] == ["-", "-", "-"]
    assert [row[6] for row in rows] == ["texts", "token ids", "padded token ids"]


def test_accuracy_and_ratios_are_those_of_the_runs(monkeypatch, capsys, reviews, tiny_artifact) -> None:
    def always(seconds: float, answer: bool) -> Entry:
        def load(setting: Setting) -> Rival:
            def start(rows: np.ndarray) -> object:
                return lambda: clock.append(clock[-1] + seconds * len(rows)) or np.full(len(rows), answer)

            return Rival("always", "texts", 1, start, positive=lambda result: result)

        return Entry(load, {})

    clock = [0.0]
    monkeypatch.setattr(rivals.time, "perf_counter", lambda: clock[-1])
    monkeypatch.setitem(ENTRIES, "slow", always(0.5, True))
    monkeypatch.setitem(ENTRIES, "fast", always(0.125, False))
    run(monkeypatch, reviews, "--model", tiny_artifact, "--only", "fast,slow", "--seconds", 100)
    out = capsys.readouterr().out.splitlines()
    fast, slow = cells(out[2]), cells(out[3])
    assert fast[1:3] == ["1", "8.00 (8.00 to 8.00)"]
    assert slow[1:3] == ["4.00 (4.00 to 4.00)", "2.00 (2.00 to 2.00)"]
    assert fast[3].startswith("0.487 (")  # 19 of 39 reviews are negative
    assert slow[3].startswith("0.513 (")
    assert any(line.startswith("- Intervals of medians: 93.8%") for line in out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "magic"], "--only magic: no such rival"),
        (["--only", "lost"], "not installed: lost-package (for lost)"),
        (["--only", "fitted"], "fitted needs labelled reviews to fit on: give --train"),
        (["--only", "file", "--reference", "scorer"], "--reference scorer is not among file"),
        (["--only", "file", "--size", "scorer=5"], "--size scorer=5: write RIVAL=N"),
        (["--only", "file", "--size", "file=0"], "--size file=0: write RIVAL=N"),
        (["--only", "file", "--runs", "0"], "--runs and --trial must be at least 1"),
    ],
)
def test_a_wrong_option_or_a_missing_package_is_named(monkeypatch, capsys, options, message) -> None:
    monkeypatch.setitem(ENTRIES, "lost", Entry(never, {"no_such_module": "lost-package"}))
    monkeypatch.setitem(ENTRIES, "fitted", Entry(never, {}, needs_train=True))
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "reviews.parquet", *options)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_a_precision_that_the_model_does_not_have_is_named(monkeypatch, capsys, reviews, tiny_artifact) -> None:
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, reviews, "--model", tiny_artifact, "--only", "file-int8")
    assert stop.value.code == 2
    assert f"--only file-int8: model {tiny_artifact} has fp32 alone" in capsys.readouterr().err


def test_a_table_without_reviews_is_named(monkeypatch, tmp_path, tiny_artifact) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"body": ["good film"]}), path)
    with pytest.raises(SystemExit, match=r"other\.parquet: no column text"):
        run(monkeypatch, path, "--model", tiny_artifact, "--only", "file")
