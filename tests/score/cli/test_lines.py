from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentscore.cli.lines import clean_line

ODD = "\x1b[31m\x07\x9b2J\x7f\u202e"
SHOWN = r"\x1b[31m\x07\x9b2J\x7f\u202e"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("schön \u3000日本\u00a0👩\u200d💻", "schön \u3000日本\u00a0👩\u200d💻"),
        (ODD, SHOWN),
        ("a\nb\r\tc\u2028", r"a\nb\r\tc\u2028"),
        ("caf\udce9", r"caf\udce9"),
        ("", ""),
    ],
)
def test_what_is_not_seen_is_escaped(text, shown) -> None:
    assert clean_line(text) == shown


@given(st.text(st.characters()))
def test_a_clean_line_is_utf_8_and_stays_clean(text) -> None:
    assert clean_line(text).encode("utf-8")[:0] == b""
    assert clean_line(clean_line(text)) == clean_line(text)
    assert "\x1b" not in clean_line(text)


def assert_clean(*outputs: str) -> None:
    for output in outputs:
        lines = output.split("\n")
        assert [clean_line(line) for line in lines] == lines


def test_names_in_a_file_reach_no_terminal(tiny_artifact: Path, invoke, tmp_path) -> None:
    table = tmp_path / f"in{ODD}.csv"
    table.write_text(f'id,"re{ODD}view","other{ODD}"\n1,good,bad\n', encoding="utf-8")
    failed = invoke("file", table, "-m", tiny_artifact)
    assert failed.exit_code == 3
    assert r"other\x1b[31m" in failed.stderr
    done = invoke("file", table, "-m", tiny_artifact, "-c", f"other{ODD}")
    assert done.exit_code == 0
    assert rf"in{SHOWN}.csv: 1 rows" in done.stderr
    left_out = invoke("file", table, "-m", tiny_artifact, "--skip-existing")
    assert rf"in{SHOWN}.scored.csv exists" in left_out.stderr
    debugged = invoke("--debug", "file", table, "-m", tiny_artifact)
    assert "Traceback" in debugged.stderr
    assert_clean(*(each.stderr for each in (failed, done, left_out, debugged)))


@pytest.mark.parametrize(
    "arguments",
    [
        [f"--{ODD}"],
        [ODD],
        ["text", f"--{ODD}"],
        ["text", "a", "--device", ODD],
        ["text", "a", "--model", ODD],
        ["text", "a", "--model", "\udcff"],
        ["models", ODD],
        ["file", "-m", f"x{ODD}", "a.csv"],
        ["file", "-o", f"{ODD}.{ODD}", "a.csv"],
        ["report", f"{ODD}.csv"],
        ["report", "a.csv", "--by", ODD],
        ["bench", f"{ODD}.csv"],
    ],
)
def test_arguments_are_shown_clean(invoke, arguments) -> None:
    result = invoke(*arguments)
    assert result.exit_code in {2, 3, 4}
    assert_clean(result.stderr, result.stdout)


def test_models_and_doctor_show_folders_clean(tiny_artifact: Path, invoke, tmp_path, monkeypatch) -> None:
    folder = tmp_path / os.fsdecode(b"models\x1b\xff")
    folder.symlink_to(tiny_artifact)
    monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [folder])
    for command in ("models", "doctor"):
        shown = invoke(command)
        assert shown.exit_code == 0
        assert r"models\x1b\udcff" in shown.stdout
        assert_clean(shown.stdout, shown.stderr)
        assert json.loads(invoke(command, "--json").stdout)


def test_a_program_shows_names_clean_wherever_it_ends() -> None:
    command = [sys.executable, "-m", "sentscore", "text", "--\x1b[31m"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert r"No such option: --\x1b[31m" in done.stderr
