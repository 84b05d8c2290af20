from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError, UsageError
from sentscore.pages.report.layout import ScoreColumn, find_scores, match_scores, read_layout

DIGEST = "ab" * 32


def make_schema(names: list[str], models: object = None) -> pa.Schema:
    schema = pa.schema([pa.field(name, pa.string()) for name in names])
    return schema if models is None else schema.with_metadata({"sentscore": json.dumps({"models": models})})


def describe(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "manifest_sha256": DIGEST, "precision": "int8"} for name in names]


def test_the_model_is_named_by_the_metadata() -> None:
    schema = make_schema(["review", "sentiment", "score", "explain_words", "explain_effects"], describe("lstm"))
    expected = ScoreColumn("score", "lstm", DIGEST, "int8", "explain_words", "explain_effects")
    assert find_scores(schema) == (expected,)
    assert expected.sentiment == "sentiment"


def test_several_models_with_a_prefix() -> None:
    names = ["review", "x_2026_11_lstm_score", "x_2026_11_lstm_sentiment", "x_gru_score", "x_gru_sentiment"]
    found = find_scores(make_schema(names, describe("2026-11/lstm", "gru")))
    assert [(each.name, each.model) for each in found] == [(names[1], "2026-11/lstm"), (names[3], "gru")]


def test_scores_of_an_earlier_run_are_not_of_this_model() -> None:
    names = ["review", "sentiment", "score", "new_sentiment", "new_score"]
    assert [each.name for each in find_scores(make_schema(names, describe("lstm")))] == ["new_score"]


def test_a_column_of_stars_is_no_score() -> None:
    assert find_scores(make_schema(["review", "score", "lstm_score", "lstm_sentiment"])) == (
        ScoreColumn("lstm_score", "lstm_score"),
    )


@pytest.mark.parametrize(
    "models",
    [
        1,
        [{}],
        describe("lstm", "gru"),
        [{**describe("lstm")[0], "manifest_sha256": "<script>"}],
        [{**describe("lstm")[0], "name": 1}],
        describe("a-b", "a_b"),
    ],
)
def test_metadata_that_does_not_fit_is_left_out(models: object) -> None:
    found = find_scores(make_schema(["review", "sentiment", "score"], models))
    assert found == (ScoreColumn("score", "score"),)


def test_metadata_that_is_no_json() -> None:
    schema = make_schema(["sentiment", "score"]).with_metadata({"sentscore": b"\xff["})
    assert find_scores(schema) == (ScoreColumn("score", "score"),)


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "jsonl", "parquet"])
def test_every_format(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    sign = "\t" if "tsv" in ending else ","
    content = f"id{sign}text{sign}sentiment{sign}score\n1{sign}a{sign}positive{sign}0.75\n".encode()
    if ending == "jsonl":
        content = b'{"id": 1, "text": "a", "sentiment": "positive", "score": 0.75}\n'
    if ending == "parquet":
        pq.write_table(pa.table({"id": [1], "text": ["a"], "sentiment": ["positive"], "score": [0.75]}), path)
    else:
        path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    layout = read_layout(str(path), by="id")
    assert (layout.text, layout.by, layout.time) == ("text", "id", None)
    assert [each.name for each in layout.scores] == ["score"]


def test_a_file_without_texts(tmp_path: Path) -> None:
    pq.write_table(pa.table({"shop": ["x"], "sentiment": ["positive"], "score": [0.75]}), tmp_path / "x.parquet")
    assert read_layout(str(tmp_path / "x.parquet"), by="shop").text is None


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("x.csv", "id,text\n1,a\n", {}, "no column of scores; it has 'id', 'text': score it with"),
        ("x.csv", "text,sentiment,score\n", {"by": "shop"}, "no column 'shop' for `by`; it has 'text', 'senti"),
        ("x.csv", "text,sentiment,score\n", {"time": "day"}, "no column 'day' for `time`; it has"),
        ("x.csv", "text,sentiment,score\n", {"column": "day"}, "no column 'day' for `column`; it has"),
        ("x.csv", "text,body,sentiment,score\n", {}, "several columns hold text"),
        ("x.csv", "text,sentiment,score,score\n", {}, "2 columns are named 'score'"),
        ("x.txt", "text\n", {}, "lines of text have no columns"),
        ("x.html", "text\n", {}, "the name tells no format"),
        ("x.parquet", "PAR1", {}, "not a whole Parquet file"),
    ],
)
def test_errors(tmp_path: Path, name: str, content: str, options: dict[str, str], message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"x\.") as caught:
        read_layout(str(tmp_path / name), **options)
    assert message in str(caught.value)


def test_stdin_is_not_read_twice() -> None:
    with pytest.raises(InputError, match="not a regular file"):
        read_layout("/dev/null")


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("text,sentiment,score\n")
    with pytest.raises(UsageError, match="is not UTF-8"):
        read_layout(str(tmp_path / "x.csv"), by="\udcff")


def test_scores_are_matched_by_name_or_because_they_are_alone() -> None:
    lstm, gru, score = (ScoreColumn(name, name) for name in ("lstm_score", "gru_score", "score"))
    assert match_scores([lstm, gru], [gru, lstm], 0) == 1
    assert match_scores([lstm], [score], 0) == 0
    assert match_scores([lstm, gru], [score], 0) is None
