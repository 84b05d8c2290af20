from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from sentscore import Scorer
from sentscore.cli.text import text
from sentscore.model.engine import Engine


def test_a_table(tiny_artifact: Path, invoke) -> None:
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


def test_json(tiny_artifact: Path, invoke) -> None:
    result = invoke("text", "--json", "schön", "", "-m", tiny_artifact)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["text"] for line in lines] == ["schön", ""]
    assert lines[0]["sentiment"] == ("positive" if lines[0]["score"] >= 0.5 else "negative")
    assert lines[1] == {"text": "", "sentiment": None, "score": None}
    assert "schön" in result.stdout


def test_lines_of_stdin(tiny_artifact: Path, invoke) -> None:
    result = invoke("text", "first", "-", "--json", "-m", tiny_artifact, stdin=b"second\r\nthird")
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == ["first", "second", "third"]


def test_a_text_that_is_not_utf_8(tiny_artifact: Path, invoke, assert_one_line) -> None:
    assert_one_line(invoke("text", "caf\udce9", "-m", tiny_artifact), 3, "is not UTF-8")


def test_it_is_importable(tiny_artifact: Path, tiny_gru_artifact: Path) -> None:
    [scored] = text(["a film"], models=[str(tiny_artifact), str(tiny_gru_artifact)])
    assert list(scored.results) == ["lstm_score", "lstm_sentiment", "gru_score", "gru_sentiment"]
    expected = Scorer.load(tiny_artifact).score(["a film"])[0]
    assert np.float32(scored.results["lstm_score"] or 0) == expected


@pytest.mark.parametrize("same", [True, False])
def test_texts_are_encoded_once_for_each_vocabulary(
    tiny_artifact: Path, make_artifact, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    models = [str(tiny_artifact), str(make_artifact("gru", lowercase=same))]
    texts = ["A great film", "", "awful"]
    expected = [Scorer.load(model).score(texts) for model in models]
    encoded: list[str] = []
    encode = Engine.encode
    monkeypatch.setattr(
        Engine, "encode", lambda engine, texts: encoded.append(engine.artifact.name) or encode(engine, texts)
    )
    scored = text(texts, models=models)
    assert encoded == (["lstm"] if same else ["lstm", "gru"])
    for name, scores in zip(("lstm_score", "gru_score"), expected, strict=True):
        found = np.array([each.results[name] for each in scored], np.float32)  # None becomes NaN
        assert np.array_equal(found, scores, equal_nan=True)
