from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from sentscore import Scorer, __version__
from sentscore.cli import app
from sentscore.cli.doctor import doctor
from sentscore.cli.file import file
from sentscore.cli.options import complete_model
from sentscore.cli.text import text
from sentscore.errors import SentscoreError
from sentscore.formats import Kind
from sentscore.model.engine import Engine
from sentscore.model.options import ModelOptions
from sentscore.sinks.text_writers import encode_delimited

REVIEWS = Path(__file__).parents[2] / "data" / "reviews.parquet"
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEAVY = ("torch", "spacy", "onnxruntime", "numpy", "pyarrow")


def invoke(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sentscore", *map(str, arguments)]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_one_line(result: Result, code: int, message: str) -> None:
    assert (result.exit_code, result.stdout) == (code, "")
    assert re.fullmatch(rf"sentscore: error: .*{message}.*\n", result.stderr), result.stderr


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text("id,review\n1,a wonderful film\n2,awful and boring\n3,\n")
    return path


class TestImports:
    @pytest.mark.parametrize("statement", ["import sentscore.cli", "from sentscore.cli import app; app(['--help'])"])
    def test_neither_the_import_nor_help_loads_anything_heavy(self, statement: str) -> None:
        script = f"import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n{statement}"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        loaded = set(done.stderr.split())
        assert "typer" in loaded
        assert loaded.isdisjoint(HEAVY)
        assert "rich" not in loaded

    def test_the_module_runs(self) -> None:
        done = subprocess.run(command("--version"), capture_output=True, text=True, check=True)
        assert done.stdout == f"sentscore {__version__}\n"

    @pytest.mark.parametrize("name", ["", "file", "text", "models", "doctor"])
    def test_every_command_has_help(self, name: str) -> None:
        result = invoke(*name.split(), "--help")
        assert result.exit_code == 0
        assert result.stdout.startswith("Usage: ")


class TestFile:
    def test_the_sample_reviews(self, tmp_path: Path, tiny_artifact: Path) -> None:
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

    def test_beside_the_input_by_default(self, reviews: Path, tiny_artifact: Path) -> None:
        assert invoke("file", reviews, "-m", tiny_artifact).exit_code == 0
        rows = list(csv.DictReader(io.StringIO((reviews.parent / "reviews.scored.csv").read_text())))
        assert [row["id"] for row in rows] == ["1", "2", "3"]
        assert rows[2] == {"id": "3", "review": "", "sentiment": "", "score": ""}
        assert {row["sentiment"] for row in rows[:2]} <= {"negative", "positive"}

    def test_existing_outputs_are_left_as_they_are(self, reviews: Path, tiny_artifact: Path) -> None:
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
        self, tmp_path: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sentscore.jobs.journal._WRITE_EVERY_S", 0.0)
        path = tmp_path / "a.jsonl"
        path.write_text('{"text": "a film"}\n' * 20_000 + "{\n")
        result = invoke("file", path, "-m", tiny_artifact)
        assert_one_line(result, 3, "line 20001 is not JSON.*; what is scored is kept: the same command carries on")
        path.write_text('{"text": "a film"}\n' * 20_000)
        assert "by the run before" in invoke("file", path, "-m", tiny_artifact).stderr

    def test_a_link_to_nothing_is_no_output_yet(self, reviews: Path, tiny_artifact: Path) -> None:
        reviews.with_name("reviews.scored.csv").symlink_to("store.csv")
        assert_one_line(invoke("file", reviews, "-m", tiny_artifact), 6, "exists already")
        assert invoke("file", reviews, "-m", tiny_artifact, "--skip-existing").exit_code == 0
        assert reviews.with_name("store.csv").exists()

    @pytest.mark.parametrize("option", ["--force", "--whole"])
    def test_options_that_leaving_out_does_not_go_with(self, reviews: Path, option: str) -> None:
        assert_one_line(invoke("file", reviews, option, "--skip-existing"), 2, f"{option}.*--skip-existing")

    def test_two_models(self, reviews: Path, tiny_artifact: Path, tiny_gru_artifact: Path) -> None:
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
        self, tiny_artifact: Path, content: bytes, options: tuple[str, ...], expected: str
    ) -> None:
        result = invoke("file", "-", "-m", tiny_artifact, *options, stdin=content)
        assert result.exit_code == 0
        assert re.fullmatch(expected, result.stdout)
        assert result.stderr.startswith("stdin: ")

    def test_parquet_through_pipes(self, tiny_artifact: Path) -> None:
        result = invoke("file", "-", "-m", tiny_artifact, stdin=REVIEWS.read_bytes())
        assert result.exit_code == 0
        assert pq.read_table(pa.BufferReader(result.stdout_bytes)).num_rows == 60

    def test_several_inputs(self, tmp_path: Path, tiny_artifact: Path) -> None:
        for name in ("a.txt", "b.jsonl"):
            (tmp_path / name).write_text('{"text": "a film"}\n')
        out = tmp_path / "out"
        out.mkdir()
        result = invoke("file", tmp_path / "a.txt", tmp_path / "b.jsonl", "-m", tiny_artifact, "-o", out)
        assert (result.exit_code, len(result.stderr.splitlines())) == (0, 2)
        assert files(out) == ["a.scored.txt", "b.scored.jsonl"]

    def test_whole_files(self, tmp_path: Path, tiny_artifact: Path) -> None:
        for name in ("a.txt", "b.md"):
            (tmp_path / name).write_text("a film\nnot bad\n")
        names = [str(tmp_path / name) for name in ("a.txt", "b.md")]
        result = invoke("file", *names, "--whole", "-m", tiny_artifact)
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert [row["file"] for row in rows] == names
        assert rows[0]["score"] == rows[1]["score"] != ""
        assert result.stderr.startswith("2 files: 2 rows, 2 scored")

    def test_it_is_importable(self, reviews: Path, tiny_artifact: Path) -> None:
        [summary] = file([str(reviews)], models=[str(tiny_artifact)], options=ModelOptions("cpu", batch_tokens=16))
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
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / name).write_bytes(content)
        model = () if "-m" in options else ("-m", tiny_artifact)
        assert_one_line(invoke("file", name, *model, *options), code, re.escape(message))
        assert files(tmp_path) == [name]

    @pytest.mark.parametrize("name", ["a.csv", "a"])
    def test_a_missing_input(self, tmp_path: Path, tiny_artifact: Path, name: str) -> None:
        assert_one_line(invoke("file", tmp_path / name, "-m", tiny_artifact), 3, f"{re.escape(name)}: no such file")
        assert files(tmp_path) == []

    @pytest.mark.parametrize("name", ["a.csv", "a"])
    def test_a_directory(self, tmp_path: Path, tiny_artifact: Path, name: str) -> None:
        (tmp_path / name).mkdir()
        assert_one_line(invoke("file", tmp_path / name, "-m", tiny_artifact), 3, "is a directory")

    def test_an_existing_output_is_refused_before_a_model_is_looked_for(self, reviews: Path) -> None:
        (reviews.parent / "reviews.scored.csv").write_text("mine")
        result = invoke("file", reviews, "-m", "none-such")
        assert_one_line(result, 6, r"reviews\.scored\.csv: exists already: give --force")
        assert (reviews.parent / "reviews.scored.csv").read_text() == "mine"

    def test_force_replaces_it(self, reviews: Path, tiny_artifact: Path) -> None:
        (reviews.parent / "reviews.scored.csv").write_text("old")
        assert invoke("file", reviews, "-m", tiny_artifact, "-f").exit_code == 0
        assert (reviews.parent / "reviews.scored.csv").read_text().startswith("id,review,sentiment,score\n")

    def test_a_model_given_twice(self, reviews: Path, tiny_artifact: Path) -> None:
        assert_one_line(invoke("file", reviews, "-m", tiny_artifact, "-m", tiny_artifact), 2, "lstm: given twice")

    def test_a_tampered_model(self, reviews: Path, tiny_artifact: Path, tmp_path: Path) -> None:
        model = shutil.copytree(tiny_artifact, tmp_path / "tampered")
        content = bytearray((model / "model.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (model / "model.onnx").write_bytes(content)
        assert_one_line(invoke("file", reviews, "-m", model), 4, r"model\.onnx: sha256")
        assert files(tmp_path) == ["reviews.csv", "tampered"]

    def test_an_unknown_manifest_version(self, reviews: Path, tiny_artifact: Path, tmp_path: Path) -> None:
        model = shutil.copytree(tiny_artifact, tmp_path / "newer")
        manifest = json.loads((model / "manifest.json").read_text())
        (model / "manifest.json").write_text(json.dumps({**manifest, "format_version": 2}))
        assert_one_line(
            invoke("file", reviews, "-m", model),
            4,
            r"manifest\.json: format version 2, but .* reads 1: update sentscore",
        )
        assert files(tmp_path) == ["newer", "reviews.csv"]

    @pytest.mark.parametrize("options", [(), ("a", "--bogus"), ("a", "--batch-tokens", "0"), ("a", "--device", "tpu")])
    def test_wrong_options_exit_with_2(self, options: tuple[str, ...]) -> None:
        result = invoke("file", *options)
        assert (result.exit_code, result.stdout) == (2, "")

    def test_no_command_shows_help(self) -> None:
        assert "Commands:" in invoke().output

    def test_an_unexpected_error_is_one_line_and_has_its_traceback_with_debug(
        self, reviews: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(self: Scorer, texts: pa.Array) -> None:
            raise ZeroDivisionError("two\nlines")

        monkeypatch.setattr(Scorer, "score", fail)
        result = invoke("file", reviews, "-m", tiny_artifact)
        assert_one_line(result, 1, "unexpected ZeroDivisionError: two lines; sentscore --debug")
        result = invoke("--debug", "file", reviews, "-m", tiny_artifact)
        assert result.exit_code == 1
        assert "Traceback" in result.stderr
        assert "in fail" in result.stderr
        assert files(reviews.parent) == ["reviews.csv"]

    def test_debug_shows_the_cause_of_an_expected_error_too(self, tmp_path: Path, tiny_artifact: Path) -> None:
        result = invoke("--debug", "file", tmp_path / "a.csv", "-m", tiny_artifact)
        assert result.exit_code == 3
        assert "FileNotFoundError" in result.stderr


# A shell that runs the tests in the background has its children ignore some signals: undo that.
HEEDING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from sentscore.cli import main
main()
"""


@contextmanager
def waiting_job(folder: Path, model: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A job that has begun its output and waits for more input."""
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDING, "file", "-", "--format", "txt", "-o", folder / "out.csv", "-m", model],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 120
        while not any(name.endswith(".part") for name in files(folder)):
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()


# Batches take a while, and what is scored is written down at once.
SLOW = """
import time
from sentscore.jobs import journal
from sentscore.model.session import Session
run = Session.run
Session.run = lambda *arguments: (time.sleep(0.02), run(*arguments))[1]
journal._WRITE_EVERY_S = 0.0
"""


class TestEndings:
    @pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
    def test_a_job_that_was_killed_is_carried_on(
        self, tmp_path: Path, tiny_artifact: Path, kind: signal.Signals
    ) -> None:
        table = pa.table({"text": [f"a wonderful film {n}" for n in range(60_000)]})
        pq.write_table(table, tmp_path / "a.parquet", row_group_size=9_000)
        arguments = ["file", tmp_path / "a.parquet", "-m", tiny_artifact, "--device", "cpu", "--threads", "1"]
        assert invoke(*arguments, "-o", tmp_path / "whole.parquet").exit_code == 0
        with subprocess.Popen(
            [sys.executable, "-c", SLOW + HEEDING, *arguments], stderr=subprocess.PIPE, text=True
        ) as process:
            deadline = time.monotonic() + 120
            while not any(path.stat().st_size > 50_000 for path in tmp_path.glob(".*.scores")):
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(kind)
            _, errors = process.communicate(timeout=60)
        if kind is signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
            assert any(name.endswith(".part") for name in files(tmp_path))
        else:
            assert process.returncode == 130
            assert errors == "sentscore: error: interrupted; what is scored is kept: the same command carries on\n"
        result = invoke(*arguments)
        assert result.exit_code == 0
        [kept] = re.findall(r"60,000 scored \(([\d,]+) by the run before\)", result.stderr)
        assert 9_000 < int(kept.replace(",", "")) < 60_000
        assert files(tmp_path) == ["a.parquet", "a.scored.parquet", "whole.parquet"]
        assert (tmp_path / "a.scored.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_an_interrupt_cleans_up(self, tmp_path: Path, tiny_artifact: Path, kind: signal.Signals) -> None:
        with waiting_job(tmp_path, tiny_artifact) as process:
            process.send_signal(kind)
            _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, b"sentscore: error: interrupted\n")
        assert files(tmp_path) == []

    def test_an_interrupt_tells_of_outputs_that_are_done(
        self, reviews: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = reviews.with_name("other.csv")
        other.write_text("text\na film\n")
        submit = Engine.submit

        def stopped(self: Engine, texts: Any, pool: Any) -> Any:
            if reviews.with_name("reviews.scored.csv").exists():
                raise KeyboardInterrupt
            return submit(self, texts, pool)

        monkeypatch.setattr(Engine, "submit", stopped)
        result = invoke("file", reviews, other, "-m", tiny_artifact)
        assert result.exit_code == 130
        assert result.stderr.endswith("interrupted; inputs finished: the first 1; --skip-existing leaves them out\n")

    def test_with_force_they_are_not_told_by_what_exists(
        self, reviews: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = reviews.with_name("other.csv")
        other.write_text("text\na film\n")

        def stopped(batch: pa.RecordBatch, kind: Kind) -> bytes:
            if batch.schema.names[0] == "text":
                raise KeyboardInterrupt
            return encode_delimited(batch, kind)

        monkeypatch.setattr("sentscore.sinks.open.encode_delimited", stopped)
        result = invoke("file", reviews, other, "-m", tiny_artifact, "--force")
        assert result.exit_code == 130
        assert result.stderr.endswith("interrupted; inputs finished: the first 1; leave them out\n")

    def test_a_closed_pipe_is_quiet(self, tmp_path: Path, tiny_artifact: Path) -> None:
        (tmp_path / "a.txt").write_text("a wonderful film\n" * 30_000)
        with subprocess.Popen(
            command("file", tmp_path / "a.txt", "-o", "-", "-m", tiny_artifact, "--device", "cpu"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            if process.stdout is not None:
                assert process.stdout.readline().startswith(b"a wonderful film\t")
                process.stdout.close()
            errors = process.stderr.read() if process.stderr is not None else b""
        assert (process.returncode, errors) == (6, b"")

    def test_a_terminal_gets_a_bar_and_the_summary(self, reviews: Path, tiny_artifact: Path) -> None:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
        process = subprocess.Popen(command("file", reviews, "-m", tiny_artifact), stderr=theirs, env=environment)
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


class TestText:
    def test_a_table(self, tiny_artifact: Path) -> None:
        long = "a wonderful film " * 40
        result = invoke("text", "a [b]film[/b]\x1b[31m", long, " ", "-m", tiny_artifact)
        assert result.exit_code == 0
        assert "\x1b" not in result.stdout
        assert "a [b]film[/b]" in result.stdout
        assert "…" in result.stdout
        lines = result.stdout.splitlines()
        assert lines[0].split() == ["text", "sentiment", "score"]
        assert re.fullmatch(r" (a wonderful film )+.*… +(positive|negative) +0\.\d{4} *", lines[3])
        assert re.fullmatch(r" +- +- *", lines[4])
        assert max(map(len, lines)) <= 80

    def test_json(self, tiny_artifact: Path) -> None:
        result = invoke("text", "--json", "schön", "", "-m", tiny_artifact)
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        assert [line["text"] for line in lines] == ["schön", ""]
        assert lines[0]["sentiment"] == ("positive" if lines[0]["score"] >= 0.5 else "negative")
        assert lines[1] == {"text": "", "sentiment": None, "score": None}
        assert "schön" in result.stdout

    def test_lines_of_stdin(self, tiny_artifact: Path) -> None:
        result = invoke("text", "first", "-", "--json", "-m", tiny_artifact, stdin=b"second\r\nthird")
        assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["first", "second", "third"]

    def test_a_text_that_is_not_utf_8(self, tiny_artifact: Path) -> None:
        assert_one_line(invoke("text", "caf\udce9", "-m", tiny_artifact), 3, "is not UTF-8")

    def test_it_is_importable(self, tiny_artifact: Path, tiny_gru_artifact: Path) -> None:
        [scored] = text(["a film"], models=[str(tiny_artifact), str(tiny_gru_artifact)])
        assert list(scored.results) == ["lstm_score", "lstm_sentiment", "gru_score", "gru_sentiment"]
        expected = Scorer.load(tiny_artifact).score(["a film"])[0]
        assert np.float32(scored.results["lstm_score"] or 0) == expected


@pytest.fixture
def shipped(tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with one model."""
    monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [tiny_artifact])
    return tiny_artifact


class TestModels:
    def test_a_table(self, shipped: Path) -> None:
        result = invoke("models")
        assert result.exit_code == 0
        assert "BiLSTM, 2 x 8" in result.stdout

    def test_a_path_stands_on_one_line(self, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "40")
        assert str(shipped) in invoke("models").stdout

    def test_json(self, shipped: Path) -> None:
        result = invoke("models", "--json")
        info = json.loads(result.stdout)
        assert (info["name"], info["path"]) == ("lstm", str(shipped))
        listed = json.loads((shipped / "manifest.json").read_text())["files"]
        assert info["size"] == sum(entry["size"] for entry in listed.values())

    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [])
        result = invoke("models")
        assert (result.exit_code, result.stdout) == (0, "")
        assert "no models come with this installation" in result.stderr

    def test_completion_offers_shipped_models_and_folders(
        self, shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert complete_model("ls") == ["lstm"]
        assert complete_model("x") == []
        assert complete_model(f"{shipped.parent}/") == [str(shipped)]


class TestDoctor:
    def test_all_is_well(self, shipped: Path) -> None:
        result = invoke("doctor")
        assert result.exit_code == 0, result.stdout
        assert "CPUExecutionProvider: works" in result.stdout
        assert f"{shipped}: works" in result.stdout
        assert result.stdout.endswith("all is well\n")

    def test_json(self, shipped: Path) -> None:
        found = json.loads(invoke("doctor", "--json").stdout)
        assert found["versions"]["pyarrow"] == pa.__version__
        assert (found["problems"], found["exit_code"]) == ([], 0)

    def test_a_damaged_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "manifest.json").write_text("{}")
        monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [tmp_path])
        result = invoke("doctor")
        assert result.exit_code == 4
        assert "problem: " in result.stdout

    def test_no_models(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [])
        assert doctor().exit_code == 4

    def test_both_onnxruntime_packages(self, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.metadata.version", lambda package: "1.31.1")
        found = doctor()
        assert found.exit_code == 5
        assert "overwrite each other" in found.problems[0]

    @pytest.mark.parametrize("error", [ImportError, SentscoreError, RuntimeError])
    def test_no_provider_works(self, shipped: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
        def fail(artifact: object) -> dict[str, str]:
            raise error("broken\nfor good")

        monkeypatch.setattr("sentscore.model.session.check_providers", fail)
        found = doctor()
        assert found.exit_code == 5
        assert found.providers == {"onnxruntime": f"cannot be used: {error.__name__}: broken for good"}
