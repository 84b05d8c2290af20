from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import frontier


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    texts = ["good film " * number for number in range(1, 40)]
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"text": texts, "label": pa.array([number % 2 for number in range(39)], pa.int8())}), path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["frontier.py", *map(str, arguments)])
    frontier.main()


def test_shapes_have_a_speed_and_models_an_accuracy_too(monkeypatch, capsys, reviews, tiny_artifact, tmp_path) -> None:
    found, picture = tmp_path / "found.json", tmp_path / "picture.svg"
    train = ["--rivals", "nbsvm", "--train", reviews]
    run(
        monkeypatch, reviews, "--only", "gru-1x64", *train, "--runs", 1, "--seconds", 0.1,
        "--json", found, "--plot", picture,
    )  # fmt: skip
    points = {point["name"]: point for point in json.loads(found.read_text())}
    assert list(points) == ["gru-1x64", "nbsvm"]
    assert points["gru-1x64"]["accuracy"] is None
    assert points["gru-1x64"]["reviews"] == 0
    assert 0.0 <= points["nbsvm"]["accuracy"] <= 1.0
    assert all(rate > 0 for point in points.values() for rate in point["rates"])
    assert "gru-1x64" in picture.read_text()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["nbsvm", "gru-1x64"]  # the fastest first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "gru-3x64"], "--only gru-3x64: no such shape: use some of lstm-1x64,"),
        (["--only", ""], "nothing to time"),
        (["--rivals", "nbsvm"], "nbsvm needs labelled reviews to fit on: give --train"),
    ],
)
def test_what_cannot_be_timed_is_said_at_once(monkeypatch, capsys, reviews, arguments, message) -> None:
    with pytest.raises(SystemExit):
        run(monkeypatch, reviews, *arguments)
    assert message in capsys.readouterr().err
