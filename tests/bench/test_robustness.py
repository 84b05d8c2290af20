from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import robustness
from _perturbations import perturbations
from robustness import CLEAN, JOINED, judge, read_short_texts, summarize
from sentscore import InputError
from sentscore.progress import silent
from sentscore.scorer import Scorer


class OneWord:
    """Finds a text positive that has the word good in it, as written here; blank texts have no score."""

    name = "one word"

    def score(self, texts: list[str]) -> np.ndarray:
        return np.array([0.9 if "good" in text else 0.1 if text.strip() else np.nan for text in texts], np.float32)


@pytest.fixture
def imdb(tmp_path: Path) -> Path:
    """Forty training reviews of twenty movies, two test reviews."""
    folder = tmp_path / "imdb"
    folder.mkdir()
    ids = [f"{kind}/{number}_{rating}" for kind, rating in (("neg", 2), ("pos", 9)) for number in range(20)]
    words = {"neg": "It was a bad film. The ending was awful.", "pos": "It was a good film. I loved the ending."}
    texts = [f"{words[name[:3]]} " * (1 + row % 4) for row, name in enumerate(ids)]
    labels = pa.array([int(name.startswith("pos")) for name in ids], pa.int8())
    pq.write_table(pa.table({"id": ids, "text": texts, "label": labels}), folder / "imdb-train.parquet")
    few = pa.table({"id": ids[19:21], "text": texts[19:21], "label": labels[19:21]})
    pq.write_table(few, folder / "imdb-test.parquet")
    movies = {"split": ["train"] * 40, "id": ids, "movie": [f"tt{row % 20}" for row in range(40)]}
    pq.write_table(pa.table(movies), folder / "imdb-movies.parquet")
    return folder


def with_split(artifact: Path, folder: Path, **data: object) -> Path:
    """A copy of an artifact whose manifest tells how the reviews were split."""
    copy = shutil.copytree(artifact, folder / artifact.parent.name / artifact.name)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["data"] |= data
    manifest["recipe"] |= {"seed": 5, "validation_share": 0.5}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.csv"
    path.write_text('text,label,category\ngood,1,plain\n"bad, awful",0,plain\nwhat a good joke,0,sarcasm\n')
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["robustness.py", *map(str, arguments)])
    robustness.main()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_outcomes_are_those_of_the_changed_texts() -> None:
    texts = ["A good one. Seen twice."] * 6 + ["A bad one. Seen once."] * 5 + ["Nothing. But good."]
    labels = np.array([1] * 6 + [0] * 6, np.int8)
    found = summarize(list(judge(OneWord(), texts, labels, seed=1, report=silent)))
    assert list(found) == [CLEAN, *perturbations(1), JOINED]
    assert (found[CLEAN].accuracy, found[CLEAN].points_below, found[CLEAN].kept) == (11 / 12, 0.0, 1.0)
    shouted = found["upper case"]  # all seven that were positive are so no more
    assert (shouted.accuracy, shouted.kept) == (0.5, 5 / 12)
    assert shouted.points_below == pytest.approx(100 * 5 / 12)
    first = found["first sentence only"]  # puts the last text right, against what was said of all of it
    assert (first.accuracy, first.kept) == (1.0, 11 / 12)
    assert first.points_below == pytest.approx(-100 / 12)
    assert found["no punctuation"] == found["HTML entities"] == found["an emoji after each sentence"] == found[CLEAN]


def test_a_text_of_which_nothing_is_left_is_wrong_and_keeps_nothing() -> None:
    found = summarize(list(judge(OneWord(), ["?!", "a bad one"], np.zeros(2, np.int8), seed=1, report=silent)))
    assert (found["no punctuation"].accuracy, found["no punctuation"].kept) == (0.5, 0.5)
    assert JOINED not in found


def test_joined_reviews_are_compared_with_most_of_them() -> None:
    texts = ["good"] * 4 + ["dull"] + ["dull"] * 4 + ["good"]
    found = summarize(list(judge(OneWord(), texts, np.arange(10, dtype=np.int8) // 5, seed=1, report=silent)))
    assert (found[CLEAN].accuracy, found[JOINED].accuracy, found[JOINED].kept) == (0.2, 0.5, 0.5)


def test_the_tables_have_a_row_a_change_and_a_category(
    monkeypatch, capsys, imdb, short, tmp_path, tiny_artifact, tiny_gru_artifact
) -> None:
    models = [with_split(tiny_artifact, tmp_path), with_split(tiny_gru_artifact, tmp_path)]
    run(monkeypatch, *models, "--imdb", imdb, "--allow-partial", "--short", short)
    output = capsys.readouterr()
    above, below = (table.splitlines() for table in output.out.split("\n\n"))
    assert cells(above[0])[1:] == ["lstm: right", "points below", "keep", "gru: right", "points below", "keep"]
    assert cells(above[0])[0] == "IMDB validation"
    assert [cells(line)[0] for line in above[2:]] == [CLEAN, *perturbations(0), "5 reviews of one label joined"]
    assert [cells(above[2])[place] for place in (2, 3, 5, 6)] == ["0.00", "100.00%"] * 2
    assert [cells(line)[0] for line in below] == ["short texts", "---", "plain", "sarcasm", "all but sarcasm", "all"]
    assert [cells(line)[1] for line in below] == ["texts", "---", "2", "1", "2", "3"]
    assert "lstm: typing errors in 2% of the letters 20/20" in output.err


def test_json_has_the_same_figures_and_the_seed_decides(
    monkeypatch, capsys, imdb, short, tmp_path, tiny_artifact
) -> None:
    model = with_split(tiny_artifact, tmp_path, validation=20)
    found = []
    for _ in range(2):
        run(monkeypatch, model, "--imdb", imdb, "--allow-partial", "--short", short, "--json")
        found.append(json.loads(capsys.readouterr().out)["lstm"])
    assert found[0] == found[1]
    assert found[0]["reviews"]["IMDB validation"]["outcomes"][CLEAN]["points_below"] == 0.0
    assert found[0]["short_texts"]["all"]["texts"] == 3


def test_a_tables_domains_are_told_apart_and_its_rows_for_testing_stay_out(
    monkeypatch, capsys, short, tmp_path, tiny_artifact
) -> None:
    path = tmp_path / "shop.csv"
    rows = [f"It was a {'bg'[row % 2]}ood toy {row}.,{row % 2},{('toys', 'tools')[row % 3 == 0]}" for row in range(24)]
    path.write_text("\n".join(["body,stars,kind", *rows]))
    columns = ["--text", "body", "--label", "stars", "--by", "kind"]
    run(monkeypatch, tiny_artifact, "--table", path, *columns, "--short", short)
    tables = [table.splitlines() for table in capsys.readouterr().out.split("\n\n")]
    assert [cells(table[0])[0] for table in tables] == [str(path), "lstm: right by kind", "short texts"]
    assert cells(tables[1][0])[1:] == ["tools", "toys"]
    assert [cells(line)[0] for line in tables[1][2:]] == [CLEAN, *perturbations(0)]
    texts, labels = [row.split(",")[0] for row in rows], np.arange(24) % 2
    right = (Scorer.load(tiny_artifact, device="cpu", precision="fp32").score(texts) >= 0.5) == labels
    assert cells(tables[1][2])[1:] == [f"{right[::3].mean():.2%}", f"{np.delete(right, np.s_[::3]).mean():.2%}"]


def test_without_reviews_only_the_short_texts_are_measured(monkeypatch, capsys, short, tiny_artifact) -> None:
    run(monkeypatch, tiny_artifact, "--short", short)
    assert capsys.readouterr().out.startswith("| short texts | texts | lstm |")


def test_reviews_of_another_split_are_refused(monkeypatch, capsys, imdb, short, tmp_path, tiny_artifact) -> None:
    model = with_split(tiny_artifact, tmp_path, name="IMDB", validation=2_500)
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, model, "--imdb", imdb, "--allow-partial", "--short", short)
    assert stop.value.code == 3
    assert re.search(r"imdb: 20 validation reviews, .*manifest\.json says 2,500: name", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label,category\n", "no row"),
        ("text,label,category\ngood,2,plain\n", "row 1 is"),
        ("text,label,category\ngood,1,plain\nbad,0,\n", "row 2 is"),
        ("body,label,category\ngood,1,plain\n", "row 1 is"),
        (b"text,label,category\n\xff,1,plain\n", "cannot be read"),
    ],
)
def test_short_texts_that_are_not_so_are_refused(tmp_path, content, message) -> None:
    path = tmp_path / "short.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        read_short_texts(path)


def test_an_error_is_one_line_with_its_exit_code(monkeypatch, capsys, imdb, short, tiny_artifact) -> None:
    with pytest.raises(SystemExit) as stop:
        run(monkeypatch, tiny_artifact, tiny_artifact, "--imdb", imdb, "--short", short)
    assert stop.value.code == 2
    assert capsys.readouterr().err == "robustness.py: error: two models of one name: run one after the other\n"
