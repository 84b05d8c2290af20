from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sentscore.cli.plan import format_duration, format_forecast
from sentscore.jobs.forecast import Forecast

_FOUND = Forecast(
    model="lstm",
    device="cpu",
    precision="int8",
    threads=2,
    files=200,
    size=1_200_000_000,
    rows=1_000_000,
    rows_are_counted=True,
    unreadable=0,
    sampled_rows=16_384,
    sampled_files=50,
    tokens_per_row=264.7,
    reviews_per_s=812.3,
    start_s=0.6,
    seconds=1_232.0,
    largest_file_s=61.0,
)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    folder.mkdir()
    (folder / "a.csv").write_text("text\n" + "a wonderful film\n" * 60)
    (folder / "b.parquet").write_bytes(b"PAR1")
    return folder


def test_the_command(lake: Path, tiny_artifact: Path, invoke) -> None:
    options = ["--model", str(tiny_artifact), "--device", "cpu", "--threads", "1"]
    result = invoke("plan", str(lake), *options, "--deadline", "2h")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("2 files, 0.0 MB, about 60 rows of ")
    assert lines[1].startswith("lstm in fp32 on cpu, 1 thread: ")
    assert lines[2].startswith("this machine: ")
    assert lines[3:] == ["in 2 h 0 min: this one is enough"]
    assert result.stderr.startswith(f"cannot be read: {lake / 'b.parquet'}: not a whole Parquet file")
    assert sorted(path.name for path in lake.iterdir()) == ["a.csv", "b.parquet"]

    found = json.loads(invoke("plan", str(lake), *options, "--json").stdout)
    assert (found["rows"], found["workers"], found["unreadable_files"]) == (60, None, [str(lake / "b.parquet")])


def test_inputs_that_cannot_be_read_are_counted_and_told_the_option(
    lake: Path, tiny_artifact: Path, invoke, assert_one_line
) -> None:
    bad = []
    for number in range(4):
        bad.append(lake / f"two{number}.csv")
        bad[-1].write_text("title,summary\na film,a film\n")
    options = ["--model", str(tiny_artifact), "--device", "cpu", "--threads", "1"]
    result = invoke("plan", str(lake), *options)
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "and 2 more, which --json names"
    remedy = "several columns hold text: name one of 'title', 'summary' with --column"
    assert {line.partition(".csv: ")[2] for line in lines if ".csv" in line} == {remedy}
    assert_one_line(invoke("plan", *map(str, bad), *options), 3, f"none of 4 files can be read; .*two.*: {remedy}")
    assert_one_line(invoke("plan", str(bad[0]), *options), 3, remedy)


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (["--deadline", "soon"], 2, "a time of 'soon': write it as in --deadline 2h, 90m or 1h30m"),
        (["--format", "docx"], 2, "not a known format"),
        (["--column", "body"], 3, "body"),
        (["--model", "lstn"], 4, "no such model"),
    ],
)
def test_what_it_refuses(options, exit_code, message, lake, tiny_artifact, invoke, assert_one_line) -> None:
    (lake / "b.parquet").unlink()
    result = invoke("plan", str(lake), "--model", str(tiny_artifact), *options)
    assert_one_line(result, exit_code, message)


def test_the_lines() -> None:
    assert format_forecast(replace(_FOUND, rows_are_counted=False, deadline_s=7_200.0, workers=1)) == [
        "200 files, 1,200.0 MB, about 1,000,000 rows of 265 tokens (by 16,384 of them, from 50)",
        "lstm in int8 on cpu, 2 threads: 812 reviews/s here",
        "this machine: 20 min 32 s",
        "in 2 h 0 min: this one is enough",
    ]
    assert format_forecast(replace(_FOUND, deadline_s=300.0, workers=5))[3:] == [
        "in 5 min 0 s: 5 machines like this one"
    ]
    assert format_forecast(replace(_FOUND, deadline_s=60.0, workers=21))[4].startswith(
        "but the largest file alone takes 1 min 1 s"
    )
    few = replace(_FOUND, files=3, largest_file_s=50.0, deadline_s=60.0, workers=21)
    assert format_forecast(few)[4].startswith("but there are 3 files for them")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.6, "1 min 0 s"), (3_599.9, "1 h 0 min"), (7_384, "2 h 3 min"), (1_234_567, "14 d 6 h")],
)
def test_durations(seconds, text) -> None:
    assert format_duration(seconds) == text
