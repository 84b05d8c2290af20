from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import baselines
from _measure import Paired
from sentscore.scorer import Scorer


def write(path: Path, texts: list[str], labels: list[int | None]) -> Path:
    pq.write_table(pa.table({"text": texts, "label": pa.array(labels, pa.int8())}), path)
    return path


def reviews(count: int, seed: int) -> tuple[list[str], list[int | None]]:
    """Reviews of 10 words, one of which tells the label."""
    random = np.random.default_rng(seed)
    texts, labels = [], []
    for number in range(count):
        filler = random.choice(["film", "story", "ending", "plot", "acting", "was", "very"], 9).tolist()
        texts.append(" ".join([*filler[:4], ("awful", "great")[number % 2], *filler[4:]]))
        labels.append(number % 2)
    return texts, labels


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write(tmp_path / "train.parquet", *reviews(80, 1))


@pytest.fixture
def test(tmp_path: Path) -> Path:
    texts, labels = reviews(30, 2)
    return write(tmp_path / "test.parquet", [*texts, "  "], [*labels, 1])


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["baselines.py", *map(str, arguments)])
    baselines.main()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_models_and_classifiers_stand_side_by_side(
    monkeypatch, capsys, train, test, tiny_artifact, tiny_gru_artifact
) -> None:
    run(monkeypatch, "--train", train, "--test", test, "--model", tiny_artifact, "--model", tiny_gru_artifact)
    output = capsys.readouterr()
    lines = output.out.splitlines()
    header, rows = cells(lines[0]), [cells(line) for line in lines[2:6]]
    assert header[:2] == ["30 reviews", "right (95 % interval)"]  # the blank one is left out
    assert header[2:] == [f"points above {row[0]}" for row in rows[2:]]
    assert [row[0] for row in rows[:2]] == ["lstm", "gru"]
    assert [row[1].partition(" ")[0] for row in rows[2:]] == ["100.00%"] * 2
    assert all(cell.startswith("-") and " (0 to " in cell for row in rows[:2] for cell in row[2:])
    assert [row[2:] for row in rows[2:]] == [["", ""], ["", ""]]
    assert "fitted on 80 reviews" in lines[-1]
    assert "lstm: 30 of 30 reviews" in output.err


def test_json_has_the_models_own_scores(monkeypatch, capsys, train, test, tiny_artifact) -> None:
    run(monkeypatch, "--train", train, "--test", test, "--model", tiny_artifact, "--json")
    found = json.loads(capsys.readouterr().out)
    texts, labels = reviews(30, 2)
    right = (Scorer.load(tiny_artifact, precision="fp32").score(texts) >= 0.5) == (np.array(labels) == 1)
    assert (found["reviews"], found["fitted_on"]) == (30, 80)
    assert found["accuracy"]["lstm"]["value"] == right.mean()
    for pair in found["paired"]["lstm"].values():
        assert (pair["first_only"], pair["second_only"]) == (0, 30 - int(right.sum()))


def test_several_tables_are_told_apart_and_rows_for_testing_are_not_fitted_on(
    monkeypatch, capsys, tmp_path, train, test, tiny_artifact
) -> None:
    texts, labels = reviews(30, 3)
    path = tmp_path / "shop.parquet"
    splits, domains = ["train"] * 20 + ["test"] * 10, ["toys", "toys", "music"] * 10
    pq.write_table(pa.table({"text": texts, "label": labels, "split": splits, "domain": domains}), path)
    tables = ["--train", train, "--train", path, "--test", test, "--test", path]
    run(monkeypatch, *tables, "--model", tiny_artifact)
    lines = capsys.readouterr().out.splitlines()
    assert cells(lines[0])[0] == "40 reviews"
    assert cells(lines[6])[:3] == ["source", "reviews", "lstm"]
    assert [cells(line)[:2] for line in lines[8:10]] == [["shop", "10"], ["test", "30"]]
    assert [cells(line)[:2] for line in lines[13:16]] == [["music", "4"], ["test", "30"], ["toys", "6"]]
    assert all(cells(line)[3:] == ["100.00%"] * 2 for line in (*lines[8:10], *lines[13:16]))
    assert "fitted on 100 reviews" in lines[-1]
    run(monkeypatch, *tables, "--model", tiny_artifact, "--json")
    found = json.loads(capsys.readouterr().out)["by"]["source"]["shop"]
    right = (Scorer.load(tiny_artifact, precision="fp32").score(texts[20:]) >= 0.5) == (np.array(labels[20:]) == 1)
    assert (found["reviews"], found["accuracy"]["lstm"]["value"]) == (10, right.mean())


def test_the_columns_of_the_tables_can_be_named(monkeypatch, capsys, tmp_path, tiny_artifact) -> None:
    texts, labels = reviews(40, 4)
    path = tmp_path / "shop.csv"
    rows = [f"{texts[row]},{4 * labels[row] + 1},{'ab'[row % 2]}" for row in range(40)]
    path.write_text("\n".join(["body,points,kind", *rows]))
    columns = ["--text", "body", "--label", "points", "--by", "kind"]
    run(monkeypatch, "--train", path, "--test", path, "--model", tiny_artifact, *columns)
    lines = capsys.readouterr().out.splitlines()
    assert [cells(line)[:2] for line in lines[6:10]] == [["kind", "reviews"], ["---", "---"], ["a", "20"], ["b", "20"]]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["good film", "bad film"], [1, 7], "column 'label' has labels from 1 to 7"),
        (["good film", "bad film"], [None, None], "no row is labelled: both classes are needed"),
        (["good film", "great film"], [4, 5], "all labels are 1: both classes are needed"),
        (["", " "], [0, 1], "no row has a text"),
    ],
)
def test_a_table_to_fit_on_that_will_not_do_is_named(
    monkeypatch, capsys, tmp_path, test, tiny_artifact, texts, labels, message
) -> None:
    path = write(tmp_path / "odd.parquet", texts, labels)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, "--train", path, "--test", test, "--model", tiny_artifact)
    assert stop.value.code == 3
    assert f"baselines.py: error: {path}: {message}" in capsys.readouterr().err


def test_a_table_without_labels_or_no_table_is_named(monkeypatch, capsys, tmp_path, train, tiny_artifact) -> None:
    path = tmp_path / "bare.parquet"
    pq.write_table(pa.table({"text": ["good film"]}), path)
    for table, message in ((path, "no column is known to hold labels"), (tmp_path / "none.parquet", "")):
        with pytest.raises(SystemExit) as stop:
            run(monkeypatch, "--train", train, "--test", table, "--model", tiny_artifact)
        assert stop.value.code == 3
        assert f"{table}: {message}" in capsys.readouterr().err


def test_a_cell_has_points_counts_and_p() -> None:
    assert baselines.cell(Paired(-0.0123, 1_200, 1_323, 0.0214)) == "-1.23 (1,200 to 1,323, p = 0.021)"
