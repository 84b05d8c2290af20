"""`sentscore file` on folders: a tree of inputs becomes a tree of outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore import Scorer

BAD = {"dt=1/part-1.parquet": "not a whole Parquet file", "dt=2/part-0.parquet": "no column 'review'"}


def tree(folder: Path) -> dict[str, bytes]:
    """Returns the content of all files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """12 Parquet files in partitions, 2 of them bad, one file of another format, and what is left out."""
    folder = tmp_path / "lake"
    for number in range(12):
        path = folder / f"dt={number // 4}" / f"part-{number % 4}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [f"a great film {number}", None, "awful and boring"]
        pq.write_table(pa.table({"id": [1, 2, 3], "title": ["x", "y", "z"], "review": texts}), path)
    (folder / "dt=1" / "part-1.parquet").write_bytes(b"PAR1, cut off")
    pq.write_table(pa.table({"n": ["1"]}), folder / "dt=2" / "part-0.parquet")
    (folder / "dt=0" / "more.csv").write_text("id,title,review\n4,x,a bad film\n")
    (folder / "dt=0" / "_SUCCESS").touch()
    (folder / "notes.doc").touch()
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_bad_file_stops_the_job_or_is_skipped(lake: Path, tiny_artifact: Path, invoke, assert_one_line) -> None:
    result = invoke("file", "lake", "-m", tiny_artifact, "-c", "review")
    message = r"lake/dt=1/part-1\.parquet: not a whole .*; inputs finished: 6; the same command leaves them out"
    assert_one_line(result, 3, message)
    assert len(tree(lake.with_name("lake.scored"))) == 6 + 1
    result = invoke(
        "file", "lake", "-m", tiny_artifact, "-c", "review", "--on-error", "skip", "--skip-existing", "--threads", "1"
    )
    assert (result.exit_code, result.stdout) == (3, "")
    *skipped, last = result.stderr.splitlines()
    assert len(skipped) == 2
    for line, (name, reason) in zip(skipped, BAD.items(), strict=True):
        assert line.startswith(f"skipped: lake/{name}: {reason}")
    assert re.fullmatch(
        r"lake: 5 files, 15 rows, 10 scored, 5 empty, [\d,]+ reviews/s, \d+\.\d % positive \(lstm in fp32 on cpu\) "
        r"-> lake\.scored; skipped 2 that cannot be read: lake/dt=1/part-1\.parquet, lake/dt=2/part-0\.parquet; "
        r"left out 6 whose outputs exist, 1 with names that begin with \. or _, 1 of unknown formats",
        last,
    )
    expected = {"_sentscore.jsonl"} | {name for name in tree(lake) if not name.endswith(("_SUCCESS", ".doc"))} - set(
        BAD
    )
    assert set(tree(lake.with_name("lake.scored"))) == expected
    table = pq.read_table(lake.with_name("lake.scored") / "dt=2" / "part-3.parquet", partitioning=None)
    assert table.schema.names == ["id", "title", "review", "sentiment", "score"]
    scores = Scorer.load(tiny_artifact, device="cpu").score(["a great film 11", None, "awful and boring"])
    assert table["score"].to_pylist() == [scores[0], None, scores[2]]


def test_so_many_bad_files_are_skipped(lake: Path, tiny_artifact: Path, invoke) -> None:
    result = invoke("file", "lake", "-m", tiny_artifact, "-c", "review", "--on-error", "skip", "--max-bad", "1")
    assert result.exit_code == 3
    assert "skipped before: lake/dt=1/part-1.parquet, the most that --max-bad 1 allows" in result.stderr
    assert len(tree(lake.with_name("lake.scored"))) == 8 + 1


def test_a_pattern_into_a_new_folder_in_another_format(lake: Path, tiny_artifact: Path, invoke) -> None:
    arguments = ("lake/dt=*/part-[23].parquet", "-o", "new/out", "--to", "csv", "--keep", "id,title", "-c", "review")
    result = invoke("file", *arguments, "-m", tiny_artifact)
    assert (result.exit_code, result.stderr.count("\n")) == (0, 1)
    found = tree(lake.with_name("new"))
    assert sorted(found) == ["out/_sentscore.jsonl"] + [
        f"out/dt={day}/part-{part}.csv" for day in range(3) for part in (2, 3)
    ]
    assert found["out/dt=0/part-2.csv"].startswith(b"id,title,sentiment,score\n1,x,")


def test_the_first_bad_file_costs_no_model(
    lake: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, invoke, assert_one_line
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("sentscore.scorer.Scorer.__init__", refuse)
    result = invoke("file", "lake/dt=2", "-m", tiny_artifact, "-c", "review")
    assert_one_line(result, 3, r"lake/dt=2/part-0\.parquet: no column 'review'")
    assert not lake.with_name("dt=2.scored").exists()


def test_nothing_to_do_loads_no_model(lake: Path, invoke) -> None:
    out = lake.with_name("out")
    out.mkdir()
    (out / "more.csv").touch()
    result = invoke("file", "lake/dt=0/*.csv", "-o", "out", "-m", "none-such", "--skip-existing")
    assert result.exit_code == 0
    assert result.stderr.endswith("left out 1 whose outputs exist\n")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("lake", "--max-bad", "3"), 2, "--max-bad counts the inputs that are skipped: give --on-error skip too"),
        (("lake", "--keep", "id,"), 2, "--keep id,: a name is empty"),
        (("lake", "--to", "xls"), 2, "--to xls: not a known format"),
        (("lake/dt=0", "lake/dt=1", "-o", "out"), 2, "would both go there"),
        (("none/*.csv",), 3, "as a pattern it matches none"),
        (("lake", "--whole", "--keep", "id"), 2, "leave out .*--keep"),
        (("foo://bucket/lake",), 3, "foo is no store that is known .*: s3, gs, abfs and hdfs are"),
        (("s3:///lake",), 2, "names no bucket"),
        (("lake", "-o", "foo://bucket/out/"), 2, "foo is no store that is known"),
    ],
)
def test_what_does_not_fit(
    lake: Path, arguments: tuple[str, ...], code: int, message: str, invoke, assert_one_line
) -> None:
    before = tree(lake.parent)
    assert_one_line(invoke("file", *arguments, "-m", "none-such"), code, message)
    assert tree(lake.parent) == before


def test_the_report_of_a_folder_has_every_input(lake: Path, tiny_artifact: Path, invoke, read_report) -> None:
    command = ("file", "lake", "-m", tiny_artifact, "-c", "review", "--report", "run.json")
    result = invoke(*command)
    report = read_report(Path("run.json"))
    assert (result.exit_code, report["exit_code"], report["status"]) == (3, 3, "failed")
    states = [each["status"] for each in report["inputs"]]
    assert states == ["scored"] * 6 + ["failed"] + ["not_begun"] * 6
    done = {each["input"].removeprefix("lake/") for each in report["inputs"] if each["status"] == "scored"}
    assert "not a whole Parquet file" in report["inputs"][6]["error"]["message"]

    result = invoke(*command, "--on-error", "skip", "--log-format", "json")
    report = read_report(Path("run.json"))
    assert (result.exit_code, report["exit_code"]) == (3, 3)
    assert {each["input"]: each["status"] for each in report["inputs"]} == {
        f"lake/{name}": "failed" if name in BAD else "left_out" if name in done else "scored"
        for name in sorted(tree(lake))
        if name not in {"notes.doc", "dt=0/_SUCCESS"}
    }
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert [event["input"] for event in events if event["event"] == "skipped"] == [f"lake/{name}" for name in BAD]
    assert {"changes", "scored", "finished"} <= {event["event"] for event in events}


def test_other_explanations_are_made_anew(lake: Path, tiny_artifact: Path, invoke) -> None:
    for name in BAD:
        (lake / name).unlink()
    command = ("file", "lake", "-m", tiny_artifact, "-c", "review", "--incremental")
    made = []
    for options in ([], ["--explain", "1"], ["--explain", "1"]):
        result = invoke(*command, *options)
        assert result.exit_code == 0, result.stderr
        made.append(re.search(r"(\d+) new, \d+ changed, (\d+) made by another", result.stderr).groups())
    assert made == [("11", "0"), ("0", "11"), ("0", "0")]
    columns = pq.read_schema("lake.scored/dt=1/part-0.parquet").names
    assert columns[-2:] == ["explain_words", "explain_effects"]


def test_a_report_replaces_no_input_and_no_output(lake: Path, tiny_artifact: Path, invoke, assert_one_line) -> None:
    (lake / "dt=0" / "reviews").write_text("review\na film\n")
    command = ("file", "lake/dt=0", "-m", tiny_artifact, "-c", "review", "--format", "csv", "-o", "out/")
    for name in (*BAD, "dt=0/part-0.parquet"):
        (lake / name).unlink(missing_ok=True)
    before = tree(lake)
    assert_one_line(invoke(*command, "--report", "lake/dt=0/reviews"), 2, "is no report or metrics")
    assert_one_line(invoke(*command, "--metrics", "lake/dt=0/new"), 2, "would be an input, for it is in lake/dt=0")
    Path("scored").write_text("some,output\n")
    assert_one_line(invoke(*command, "--report", "scored"), 2, "is no report or metrics")
    assert tree(lake) == before
    assert not Path("out").exists()


def test_outputs_of_another_folder_are_not_replaced(lake: Path, tiny_artifact: Path, invoke, assert_one_line) -> None:
    common = ("-m", tiny_artifact, "-c", "review", "-o", "out/", "--incremental")
    assert invoke("file", "lake/dt=0", *common).exit_code == 0
    before = tree(Path("out"))
    (lake / "dt=1" / "part-1.parquet").unlink()
    message = r"out/part-0.parquet: was made from .*dt=0/part-0.parquet, and lake/dt=1/part-0.parquet would replace it"
    assert_one_line(invoke("file", "lake/dt=1", *common), 6, message)
    assert tree(Path("out")) == before
    for path in (lake / "dt=0").glob("part-*"):
        path.unlink()
    assert invoke("file", "lake/dt=1", *common).exit_code == 0


def test_an_input_is_gone_only_if_it_is_not_there(lake: Path, tiny_artifact: Path, invoke) -> None:
    common = ("-m", tiny_artifact, "-c", "review", "-o", "out/", "--incremental")
    assert invoke("file", "lake/dt=0*/*.parquet", *common).exit_code == 0
    (lake / "dt=1" / "part-1.parquet").unlink()
    assert "gone" not in invoke("file", "lake/dt=1*/*.parquet", *common).stderr
    (lake / "dt=0" / "part-3.parquet").unlink()
    result = invoke("file", "lake/dt=1*/*.parquet", *common)
    assert "1 outputs stay whose inputs are gone: out/dt=0/part-3.parquet" in result.stderr


def test_a_run_after_a_stopped_incremental_one_does_the_rest(lake: Path, tiny_artifact: Path, invoke) -> None:
    command = ("file", "lake", "-m", tiny_artifact, "-c", "review")
    damaged = lake / "dt=1" / "part-1.parquet"
    (lake / "dt=2" / "part-0.parquet").unlink()
    content = damaged.read_bytes()
    damaged.unlink()
    assert invoke(*command).exit_code == 0
    damaged.write_bytes(content)
    assert invoke(*command, "--incremental").exit_code == 3
    pq.write_table(pa.table({"review": ["a film"]}), damaged)
    made = {path: path.stat().st_mtime_ns for path in Path("lake.scored").rglob("part-*")}
    result = invoke(*command)
    assert "11 of 12 files are done" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_what_says_what_is_there_is_no_output(lake: Path, tiny_artifact: Path, invoke, assert_one_line) -> None:
    (lake / "_sentscore.jsonl").write_text('{"review": "a film"}\n')
    result = invoke("file", "lake/_sentscore.jsonl", "lake/dt=0/more.csv", "-m", tiny_artifact, "-o", "out/")
    assert_one_line(result, 2, "its output would replace out/_sentscore.jsonl, which says what is there: rename it")
