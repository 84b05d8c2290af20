from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore import Scorer, __version__
from sentscore.cli.file import file
from sentscore.files import hidden_sibling
from sentscore.formats import Kind
from sentscore.model.options import ModelOptions
from sentscore.sinks.text_writers import encode_delimited

REVIEWS = Path(__file__).parents[2] / "data" / "reviews.parquet"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestFile:
    def test_the_sample_reviews(self, tmp_path: Path, tiny_artifact: Path, invoke) -> None:
        out = tmp_path / "out.parquet"
        result = invoke("file", REVIEWS, "--model", tiny_artifact, "--device", "cpu", "-o", out)
        assert (result.exit_code, result.stdout) == (0, "")
        assert re.fullmatch(
            rf"{REVIEWS}: 60 rows, 58 scored, 2 empty, [\d,]+ reviews/s, "
            rf"\d+\.\d % positive \(lstm in fp32 on cpu\) -> {out}\n",
            result.stderr,
        )
        table = pq.read_table(out)
        expected = Scorer.load(tiny_artifact, device="cpu").score(table["review"].to_pylist())
        assert np.array_equal(table["score"].to_numpy(), expected, equal_nan=True)
        made_by = json.loads(table.schema.metadata[b"sentscore"])
        manifest = Scorer.load(tiny_artifact, device="cpu").artifact.manifest_sha256
        assert made_by == {
            "models": [{"name": "lstm", "manifest_sha256": manifest, "precision": "fp32"}],
            "version": __version__,
        }

    def test_explanations(self, reviews: Path, tiny_artifact: Path, invoke) -> None:
        assert invoke("file", reviews, "-m", tiny_artifact, "--explain", 2, "--prefix", "my_").exit_code == 0
        rows = list(csv.DictReader(io.StringIO((reviews.parent / "reviews.scored.csv").read_text())))
        assert list(rows[0]) == ["id", "review", "my_sentiment", "my_score", "my_explain_words", "my_explain_effects"]
        for row in rows[:2]:
            words, effects = json.loads(row["my_explain_words"]), json.loads(row["my_explain_effects"])
            assert len(words) == len(effects) == 2
            assert set(words) <= set(row["review"].split())
            assert abs(effects[0]) >= abs(effects[1])
        assert (rows[2]["my_explain_words"], rows[2]["my_explain_effects"]) == ("", "")

    @pytest.mark.parametrize("count", [0, 101])
    def test_explanations_have_one_to_a_hundred_words(self, reviews: Path, invoke, count: int) -> None:
        result = invoke("file", reviews, "--explain", count)
        assert result.exit_code == 2
        assert "--explain" in result.stderr

    def test_beside_the_input_by_default(self, reviews: Path, tiny_artifact: Path, invoke) -> None:
        assert invoke("file", reviews, "-m", tiny_artifact).exit_code == 0
        rows = list(csv.DictReader(io.StringIO((reviews.parent / "reviews.scored.csv").read_text())))
        assert [row["id"] for row in rows] == ["1", "2", "3"]
        assert rows[2] == {"id": "3", "review": "", "sentiment": "", "score": ""}
        assert {row["sentiment"] for row in rows[:2]} <= {"negative", "positive"}

    def test_existing_outputs_are_left_as_they_are(
        self, reviews: Path, tiny_artifact: Path, invoke, assert_one_line
    ) -> None:
        other = reviews.with_name("other.csv")
        other.write_text("text\na film\n")
        done = reviews.with_name("reviews.scored.csv")
        done.write_text("of last night")
        assert_one_line(invoke("file", reviews, other, "-m", tiny_artifact), 6, "--skip-existing to leave it out")
        result = invoke("file", reviews, other, "-m", tiny_artifact, "--skip-existing")
        assert result.exit_code == 0
        assert result.stderr.startswith(f"{reviews}: left out, for {done} exists\n{other}: 1 rows")
        assert done.read_text() == "of last night"
        assert other.with_name("other.scored.csv").exists()
        result = invoke("file", reviews, other, "-m", tiny_artifact, "--skip-existing")
        assert (result.exit_code, len(result.stderr.splitlines())) == (0, 2)

    def test_an_error_half_way_says_how_to_carry_on(
        self, tmp_path: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, invoke, assert_one_line
    ) -> None:
        monkeypatch.setattr("sentscore.jobs.journal._FIRST_WRITE_S", 0.0)
        path = tmp_path / "a.jsonl"
        path.write_text('{"text": "a film"}\n' * 20_000 + "{\n")
        result = invoke("file", path, "-m", tiny_artifact)
        assert_one_line(result, 3, "line 20001 is not JSON.*; what is scored is kept: the same command carries on")
        path.write_text('{"text": "a film"}\n' * 20_000)
        assert "by the run before" in invoke("file", path, "-m", tiny_artifact).stderr

    def test_a_link_to_nothing_is_no_output_yet(
        self, reviews: Path, tiny_artifact: Path, invoke, assert_one_line
    ) -> None:
        reviews.with_name("reviews.scored.csv").symlink_to("store.csv")
        assert_one_line(invoke("file", reviews, "-m", tiny_artifact), 6, "exists already")
        assert invoke("file", reviews, "-m", tiny_artifact, "--skip-existing").exit_code == 0
        assert reviews.with_name("store.csv").exists()

    @pytest.mark.parametrize("option", ["--force", "--whole"])
    def test_options_that_leaving_out_does_not_go_with(
        self, reviews: Path, option: str, invoke, assert_one_line
    ) -> None:
        assert_one_line(invoke("file", reviews, option, "--skip-existing"), 2, f"{option}.*--skip-existing")

    def test_two_models(self, reviews: Path, tiny_artifact: Path, tiny_gru_artifact: Path, invoke) -> None:
        result = invoke("file", reviews, "-m", tiny_artifact, "-m", tiny_gru_artifact, "-o", "-", "--prefix", "x_")
        assert result.exit_code == 0
        header = result.stdout.splitlines()[0]
        assert header == "id,review,x_lstm_score,x_lstm_sentiment,x_gru_score,x_gru_sentiment"
        assert result.stderr.rstrip().endswith("-> stdout")

    @pytest.mark.parametrize(
        ("content", "options", "expected"),
        [
            (b"a film\n\n", (), r"a film\t(nega|posi)tive\t0\.\d+\n\t\t\n"),
            (b'{"text":"a film"}', (), r'\{"text":"a film", "sentiment": "(nega|posi)tive", "score": 0\.\d+\}\n'),
            (b"n,text\n1,a film\n", ("--format", "csv"), r"n,text,sentiment,score\n1,a film,\w+,0\.\d+\n"),
        ],
    )
    def test_stdin_to_stdout(
        self, tiny_artifact: Path, content: bytes, options: tuple[str, ...], expected: str, invoke
    ) -> None:
        result = invoke("file", "-", "-m", tiny_artifact, *options, stdin=content)
        assert result.exit_code == 0
        assert re.fullmatch(expected, result.stdout)
        assert result.stderr.startswith("stdin: ")

    def test_parquet_through_pipes(self, tiny_artifact: Path, invoke) -> None:
        result = invoke("file", "-", "-m", tiny_artifact, stdin=REVIEWS.read_bytes())
        assert result.exit_code == 0
        assert pq.read_table(pa.BufferReader(result.stdout_bytes)).num_rows == 60

    def test_several_inputs(self, tmp_path: Path, tiny_artifact: Path, invoke) -> None:
        for name in ("a.txt", "b.jsonl"):
            (tmp_path / name).write_text('{"text": "a film"}\n')
        out = tmp_path / "out"
        result = invoke("file", tmp_path / "a.txt", tmp_path / "b.jsonl", "-m", tiny_artifact, "-o", f"{out}/")
        assert (result.exit_code, len(result.stderr.splitlines())) == (0, 2)
        assert files(out) == ["_sentscore.jsonl", "a.txt", "b.jsonl"]

    def test_whole_files(self, tmp_path: Path, tiny_artifact: Path, invoke) -> None:
        for name in ("a.txt", "b.md"):
            (tmp_path / name).write_text("a film\nnot bad\n")
        names = [str(tmp_path / name) for name in ("a.txt", "b.md")]
        result = invoke("file", *names, "--whole", "-m", tiny_artifact)
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert [row["file"] for row in rows] == names
        assert rows[0]["score"] == rows[1]["score"] != ""
        assert result.stderr.startswith("2 files: 2 rows, 2 scored")

    def test_it_is_importable(self, reviews: Path, tiny_artifact: Path) -> None:
        summary = file([str(reviews)], models=[str(tiny_artifact)], options=ModelOptions("cpu", batch_tokens=16))
        assert (summary.rows, summary.scored, summary.models[0].device) == (3, 2, "cpu")


class TestFileErrors:
    """Every error is one line, has its exit code, and leaves the folder as it was."""

    @pytest.mark.parametrize(
        ("name", "content", "options", "code", "message"),
        [
            ("a.csv", b"id,review\n", ("-c", "text"), 3, "no column 'text'; it has 'id', 'review'"),
            ("a.csv", b"id,title\n", (), 3, "name one of 'id', 'title' with --column"),
            ("a.csv", b"review\n\xff\n", (), 3, "line 2: byte 0xff at offset 7 is not UTF-8"),
            ("a.csv", b"review,score\n", (), 2, "--prefix"),
            ("a.csv", b"n,review\n1\n", (), 3, "line 2 has 1 fields"),
            ("a.csv.gz", b"review\n", (), 3, "gzip data is damaged"),
            ("a.parquet", b"PAR1 cut off", (), 3, "not a whole Parquet file"),
            ("a.jsonl", b"{", (), 3, "line 1 is not JSON"),
            ("a.dat", b"review\n", (), 2, "give --format"),
            ("a.csv", b"review\n", ("--format", "xls"), 2, "--format xls: not a known format"),
            ("a.csv", b"review\n", ("--whole", "-c", "review"), 2, "--whole makes one table of files as they are"),
            ("a.csv", b"review\n", ("-o", "/proc/out.csv"), 6, "/proc/out.csv: cannot be written"),
            ("a.csv", b"review\n", ("-o", "/dev/full"), 6, "/dev/full: cannot be written"),
            ("a.csv", b"review\n", ("-o", "no/out.csv"), 6, "there is no folder no"),
            ("a.csv", b"review\n", ("-o", "out.doc"), 2, "--output out.doc"),
            ("a.csv", b"review\n", ("-o", "a.csv"), 2, "is the input itself"),
            ("a.csv", b"review\n", ("-m", "none-such"), 4, "none-such"),
        ],
    )
    def test_what_is_wrong_is_told(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        tiny_artifact: Path,
        name: str,
        content: bytes,
        options: tuple[str, ...],
        code: int,
        message: str,
        invoke,
        assert_one_line,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / name).write_bytes(content)
        model = () if "-m" in options else ("-m", tiny_artifact)
        assert_one_line(invoke("file", name, *model, *options), code, re.escape(message))
        assert files(tmp_path) == [name]

    @pytest.mark.parametrize("name", ["a.csv", "a"])
    def test_a_missing_input(self, tmp_path: Path, tiny_artifact: Path, name: str, invoke, assert_one_line) -> None:
        assert_one_line(invoke("file", tmp_path / name, "-m", tiny_artifact), 3, f"{re.escape(name)}: no such file")
        assert files(tmp_path) == []

    @pytest.mark.parametrize("name", ["a.csv", "a"])
    def test_an_empty_folder(self, tmp_path: Path, tiny_artifact: Path, name: str, invoke, assert_one_line) -> None:
        (tmp_path / name).mkdir()
        assert_one_line(invoke("file", tmp_path / name, "-m", tiny_artifact), 3, f"{name}: holds no file to score")

    def test_an_existing_output_is_refused_before_a_model_is_looked_for(
        self, reviews: Path, invoke, assert_one_line
    ) -> None:
        (reviews.parent / "reviews.scored.csv").write_text("mine")
        result = invoke("file", reviews, "-m", "none-such")
        assert_one_line(result, 6, r"reviews\.scored\.csv: exists already: give --force")
        assert (reviews.parent / "reviews.scored.csv").read_text() == "mine"

    def test_force_replaces_it(self, reviews: Path, tiny_artifact: Path, invoke) -> None:
        (reviews.parent / "reviews.scored.csv").write_text("old")
        assert invoke("file", reviews, "-m", tiny_artifact, "-f").exit_code == 0
        assert (reviews.parent / "reviews.scored.csv").read_text().startswith("id,review,sentiment,score\n")

    @pytest.mark.parametrize("option", [(), ("--skip-existing",)])
    def test_an_output_that_appears_while_the_job_runs_stays_and_the_scores_are_kept(
        self,
        reviews: Path,
        tiny_artifact: Path,
        option: tuple[str, ...],
        monkeypatch: pytest.MonkeyPatch,
        invoke,
        assert_one_line,
    ) -> None:
        def encode(batch: pa.RecordBatch, kind: Kind) -> bytes:
            output.write_text("of another process")
            return encode_delimited(batch, kind)

        output = reviews.with_name("reviews.scored.csv")
        monkeypatch.setattr("sentscore.jobs.journal._FIRST_WRITE_S", 0.0)
        with monkeypatch.context() as patch:
            patch.setattr("sentscore.sinks.open.encode_delimited", encode)
            result = invoke("file", reviews, "-m", tiny_artifact, *option)
        assert_one_line(
            result, 6, "exists already, made meanwhile: .* give --force to replace it; what is scored is kept"
        )
        assert output.read_text() == "of another process"
        result = invoke("file", reviews, "-m", tiny_artifact, "--force")
        assert "2 scored (2 by the run before)" in result.stderr
        assert output.read_text().startswith("id,review,sentiment,score\n")
        assert files(reviews.parent) == ["reviews.csv", "reviews.scored.csv"]

    @pytest.mark.parametrize("ending", ["csv", "jsonl", "txt", "parquet", "csv.gz"])
    def test_a_name_that_is_not_utf8_is_one_for_every_format(
        self, reviews: Path, tiny_artifact: Path, ending: str, invoke
    ) -> None:
        folder = reviews.parent / os.fsdecode(b"folder \xff")
        folder.mkdir()
        output = folder / os.fsdecode(b"\xfe." + ending.encode())
        assert invoke("file", reviews, "-m", tiny_artifact, "-o", output).exit_code == 0
        assert files(folder) == [output.name]

    def test_an_empty_output_is_not_the_current_folder(self, reviews: Path, invoke, assert_one_line) -> None:
        assert_one_line(invoke("file", reviews, "-o", ""), 2, "--output is empty")

    def test_a_model_given_twice(self, reviews: Path, tiny_artifact: Path, invoke, assert_one_line) -> None:
        assert_one_line(invoke("file", reviews, "-m", tiny_artifact, "-m", tiny_artifact), 2, "lstm: given twice")

    def test_a_tampered_model(
        self, reviews: Path, tiny_artifact: Path, tmp_path: Path, invoke, assert_one_line
    ) -> None:
        model = shutil.copytree(tiny_artifact, tmp_path / "tampered")
        content = bytearray((model / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (model / "model.onnx").write_bytes(content)
        assert_one_line(invoke("file", reviews, "-m", model), 4, r"model\.onnx: sha256")
        assert files(tmp_path) == ["reviews.csv", "tampered"]

    def test_an_unknown_manifest_version(
        self, reviews: Path, tiny_artifact: Path, tmp_path: Path, invoke, assert_one_line
    ) -> None:
        model = shutil.copytree(tiny_artifact, tmp_path / "newer")
        manifest = json.loads((model / "manifest.json").read_text())
        (model / "manifest.json").write_text(json.dumps({**manifest, "format_version": 3}))
        assert_one_line(
            invoke("file", reviews, "-m", model),
            4,
            r"manifest\.json: format version 3, but .* reads 1 and 2: update sentscore",
        )
        assert files(tmp_path) == ["newer", "reviews.csv"]


# Runs the command once, so that all is imported, and then once more with less memory or fewer rights.
TWICE = """
import os, resource, sys
from pathlib import Path
from sentscore.cli import main

def run(*arguments):
    sys.argv[1:] = ["file", *arguments, "-m", model, "--device", "cpu", "--threads", "1"]
    try:
        main()
    except SystemExit as end:
        return end.code

def limit_memory(more):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more,) * 2)

def give_up_root():
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65_534)
        os.setuid(65_534)

model, small, *rest = sys.argv[1:]
assert run(small, "-o", os.devnull) == 0
"""


def run_twice(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", TWICE + script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


class TestLimits:
    @pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="nothing tells how much memory is used")
    @pytest.mark.parametrize(("mebibytes", "codes"), [(8, {3, 5}), (32, {0, 3, 5}), (1_024, {0})])
    def test_too_little_memory_is_an_error_as_others_are(
        self, reviews: Path, tiny_artifact: Path, mebibytes: int, codes: set[int]
    ) -> None:
        large = reviews.with_name("large.csv")
        large.write_text("text\n" + "".join(f"a great film {n}. {'Not bad. ' * 30}\n" for n in range(3_000)))
        script = f"limit_memory({mebibytes} << 20)\nsys.exit(run(*rest))"
        done = run_twice(script, tiny_artifact, reviews, large)
        lines = done.stderr.splitlines()[1:]
        assert done.returncode in codes, done.stderr
        assert len(lines) == 1
        assert lines[0].startswith("sentscore: error: " if done.returncode else f"{large}: 3,000 rows")
        output = [] if done.returncode else ["large.scored.csv"]
        assert files(large.parent) == ["large.csv", *output, "reviews.csv"]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to others")
    def test_without_the_rights_of_root(self, reviews: Path, tiny_artifact: Path) -> None:
        """In a folder of one's own, in one that others write to, and in one that may only be read."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            model = shutil.copytree(tiny_artifact, folder / "model")
            table = shutil.copy(reviews, folder)
            for kind, mode in (("own", 0o700), ("shared", 0o1777), ("other", 0o755)):
                (folder / kind).mkdir()
                (folder / kind).chmod(mode)
                if kind == "own":
                    os.chown(folder / kind, 65_534, 65_534)
                output = folder / kind / "out.csv"
                for suffix in ("0123abcd.part", "scores"):
                    hidden_sibling(output, suffix).touch()
            outputs = [folder / kind / "out.csv" for kind in ("own", "shared", "other")]
            script = "give_up_root()\nprint([run(small, '-o', output) for output in rest])"
            done = run_twice(script, model, table, *outputs)
            assert done.stdout == "[0, 0, 6]\n", done.stderr
            *summaries, error = done.stderr.splitlines()[1:]
            assert len(summaries) == 2
            assert error == (
                f"sentscore: error: {outputs[2]}: cannot be written (Permission denied): "
                "free space there or choose another place"
            )
            left = sorted(hidden_sibling(outputs[0], suffix).name for suffix in ("0123abcd.part", "scores"))
            assert [files(output.parent) for output in outputs] == [[*left, "out.csv"]] * 2 + [left]
            assert outputs[1].stat().st_uid == 65_534
