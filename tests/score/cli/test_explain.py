from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sentscore.cli.explain import explain
from sentscore.scorer import Scorer


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_the_words_in_the_terminal(tiny_artifact: Path, invoke) -> None:
    result = invoke("explain", "great [b]film[/b]\x1b[31m<br />awful", "-m", tiny_artifact)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    lines = result.stdout.splitlines()
    assert lines[0].startswith(("positive, 0.", "negative, 0."))
    assert lines[0].endswith("(lstm in fp32 on cpu)")
    assert lines[2:4] == ["great [b]film[/b]\\x1b[31m", "awful"]
    assert lines[5].split() == ["effect", "word"]
    effects = [float(line.split()[0]) for line in lines[7:10]]
    assert effects == sorted(effects, key=abs, reverse=True)
    assert "Each word was left out in turn" in result.stdout
    assert "The effects add up to" in " ".join(lines)


@pytest.mark.parametrize(
    ("variables", "has_codes", "has_colours"),
    [({}, False, False), ({"FORCE_COLOR": "1"}, True, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False)],
)
def test_colours_are_for_terminals_that_want_them(
    tiny_artifact: Path, invoke, monkeypatch: pytest.MonkeyPatch, variables, has_codes, has_colours
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = invoke("explain", "great film awful", "-m", tiny_artifact)
    assert ("\x1b[" in result.stdout) == has_codes  # what lowers the score is underlined, too
    assert ("\x1b[32m" in result.stdout or "\x1b[1;32m" in result.stdout) == has_colours
    assert ("31m" in result.stdout) == has_colours


def test_json(tiny_artifact: Path, tiny_gru_artifact: Path, invoke) -> None:
    result = invoke("explain", "--json", "Great  schön", " ", "-m", tiny_artifact, "-m", tiny_gru_artifact)
    assert result.exit_code == 0
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["model"] for each in objects] == ["lstm", "gru", "lstm", "gru"]
    first = objects[0]
    assert (first["text"], first["sentiment"]) == ("Great  schön", "positive" if first["score"] >= 0.5 else "negative")
    assert [(word["word"], word["start"], word["stop"]) for word in first["words"]] == [
        ("Great", 0, 5),
        ("schön", 7, 12),
    ]
    assert first["sum_of_effects"] == pytest.approx(sum(word["effect"] for word in first["words"]), abs=2e-6)
    assert first["score"] == pytest.approx(Scorer.load(tiny_artifact).score(["Great  schön"])[0], abs=1e-6)
    assert first["method"].startswith("Each word was left out")
    assert {"log_odds", "baseline_log_odds"} < first.keys()
    assert objects[2] == {"text": " ", "model": "lstm", "sentiment": None, "score": None, "words": []}


def test_a_page_is_written_and_replaced(tiny_artifact: Path, invoke, tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    for text in ("great", "<script>"):
        result = invoke("explain", text, "film", "-m", tiny_artifact, "--html", page)
        assert (result.exit_code, result.stderr) == (0, "")
    content = page.read_text(encoding="utf-8")
    assert content.startswith("<!doctype html>")
    assert "&lt;script&gt;" in content
    assert "<script" not in content
    assert content.count("<h2>") == 2
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_a_page_has_to_be_a_file(tmp_path: Path, invoke, assert_one_line) -> None:
    assert_one_line(invoke("explain", "a", "--html", tmp_path), 6, "is no file: name a file for the page")
    assert_one_line(invoke("explain", "a", "--html", os.devnull), 6, "is no file: name a file for the page")


def test_lines_of_stdin_and_nothing_to_score(tiny_artifact: Path, invoke) -> None:
    result = invoke("explain", "-", "-m", tiny_artifact, stdin=b"great film\r\n\r\n")
    assert result.exit_code == 0
    assert "great film" in result.stdout
    assert "nothing to score (lstm in fp32 on cpu)" in result.stdout


def test_a_text_that_is_not_utf_8(tiny_artifact: Path, invoke, assert_one_line) -> None:
    assert_one_line(invoke("explain", "caf\udce9", "-m", tiny_artifact), 3, "is not UTF-8")


def test_it_is_importable(tiny_artifact: Path) -> None:
    [explained] = explain(["a film"], models=[str(tiny_artifact)])
    assert explained.explanation is not None
    assert [explained.explanation.spell(word) for word in explained.explanation.words] == ["a", "film"]
    assert explained.score == pytest.approx(Scorer.load(tiny_artifact).score(["a film"])[0], abs=1e-6)
