from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from interrupts import HEEDING, draw_signals, interrupt
from sentscore import Scorer
from sentscore.formats import Kind
from sentscore.model.engine import Engine
from sentscore.sinks.text_writers import encode_delimited

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sentscore", *map(str, arguments)]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_unexpected_error_is_one_line_and_has_its_traceback_with_debug(
    reviews: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, invoke, assert_one_line
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


def test_debug_shows_the_cause_of_an_expected_error_too(tmp_path: Path, tiny_artifact: Path, invoke) -> None:
    result = invoke("--debug", "file", tmp_path / "a.csv", "-m", tiny_artifact)
    assert result.exit_code == 3
    assert "FileNotFoundError" in result.stderr


@contextmanager
def waiting_job(folder: Path, model: Path, before: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A job that has begun its output and waits for more input."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HEEDING.replace("from", f"{before}\nfrom", 1),
            "file",
            "-",
            "--format",
            "txt",
            "-o",
            folder / "out.csv",
            "-m",
            model,
        ],
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
journal._FIRST_WRITE_S = journal._WRITE_EVERY_S = 0.05
"""


class TestEndings:
    @pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
    def test_a_job_that_was_killed_is_carried_on(
        self, tmp_path: Path, tiny_artifact: Path, kind: signal.Signals, invoke
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

    @pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
    def test_so_is_one_that_explains(self, tmp_path: Path, tiny_artifact: Path, kind: signal.Signals, invoke) -> None:
        pq.write_table(pa.table({"text": [f"a great film {n}" for n in range(600)]}), tmp_path / "a.parquet")
        arguments = ["file", tmp_path / "a.parquet", "-m", tiny_artifact, "--device", "cpu", "--explain", "2"]
        assert invoke(*arguments, "-o", tmp_path / "whole.parquet").exit_code == 0
        with subprocess.Popen(
            [sys.executable, "-c", SLOW + HEEDING, *arguments], stderr=subprocess.PIPE, text=True
        ) as process:
            deadline = time.monotonic() + 120
            while not any(path.stat().st_size > 2_000 for path in tmp_path.glob(".*.explanations")):
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(kind)
            _, errors = process.communicate(timeout=60)
        if kind is signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 130
            assert errors == "sentscore: error: interrupted; what is scored is kept: the same command carries on\n"
        assert invoke(*arguments).exit_code == 0
        assert files(tmp_path) == ["a.parquet", "a.scored.parquet", "whole.parquet"]
        assert (tmp_path / "a.scored.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_an_interrupt_cleans_up(self, tmp_path: Path, tiny_artifact: Path, kind: signal.Signals) -> None:
        with waiting_job(tmp_path, tiny_artifact) as process:
            process.send_signal(kind)
            _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, b"sentscore: error: interrupted\n")
        assert files(tmp_path) == []

    def test_more_signals_change_nothing(self, tmp_path: Path, tiny_artifact: Path) -> None:
        """Two or three at moments from the first import to the middle of the job: one line, 130 and no part."""
        pq.write_table(pa.table({"text": [f"a wonderful film {n}" for n in range(200_000)]}), tmp_path / "a.parquet")
        arguments = ["file", tmp_path / "a.parquet", "-m", tiny_artifact, "--device", "cpu"]
        chance = random.Random(1)

        def run(number: int) -> str:
            folder = tmp_path / str(number)
            folder.mkdir()
            command = [sys.executable, "-c", HEEDING, *map(str, arguments), "-o", str(folder / "out.csv")]
            return interrupt(command, folder, after_s=number * 0.08, signals=draws[number])

        draws = [draw_signals(chance) for _ in range(20)]
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(run, range(20))) == {"130, one line"}

    @pytest.mark.parametrize("kind", INTERRUPTS)
    def test_a_signal_that_is_ignored_stays_so(self, tmp_path: Path, tiny_artifact: Path, kind: signal.Signals) -> None:
        with waiting_job(tmp_path, tiny_artifact, before=f"signal.signal({int(kind)}, signal.SIG_IGN)") as process:
            process.send_signal(kind)
            _, errors = process.communicate(b"a film\n", timeout=60)
        assert process.returncode == 0, errors
        assert files(tmp_path) == ["out.csv"]

    def test_an_interrupt_tells_of_outputs_that_are_done(
        self, reviews: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, invoke
    ) -> None:
        other = reviews.with_name("other.csv")
        other.write_text("text\na film\n")
        submit = Engine.submit

        def stopped(self: Engine, texts: Any, pool: Any, *, wanted: Any = None) -> Any:
            if reviews.with_name("reviews.scored.csv").exists():
                raise KeyboardInterrupt
            return submit(self, texts, pool, wanted=wanted)

        monkeypatch.setattr(Engine, "submit", stopped)
        result = invoke("file", reviews, other, "-m", tiny_artifact)
        assert result.exit_code == 130
        assert result.stderr.endswith("interrupted; inputs finished: the first 1; --skip-existing leaves them out\n")

    def test_with_force_they_are_not_told_by_what_exists(
        self, reviews: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, invoke
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
