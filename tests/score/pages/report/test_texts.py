from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from sentscore.pages.report.rows import Rows
from sentscore.pages.report.texts import TopTexts


def make_rows(texts: list[str | None], scores: np.ndarray, first: int = 0, words=None, effects=None) -> Rows:
    values = pa.array(texts, pa.large_string())
    return Rows("x.parquet", first, (scores.astype(np.float32),), values, None, None, (words,), (effects,))


def test_the_largest_of_all_windows_are_kept() -> None:
    random = np.random.default_rng(0)
    scores = random.permutation(1_000) / 1_000
    top = TopTexts(7)
    for start in range(0, 1_000, 64):
        part = scores[start : start + 64]
        texts = [f"text {start + row}" for row in range(len(part))]
        rows = make_rows(texts, part, start)
        top.add(rows, rows.scores[0])
    expected = np.argsort(-scores)[:7].tolist()
    assert [each.row for each in top.texts] == expected
    assert [each.text for each in top.texts] == [f"text {row}" for row in expected]


def test_equal_texts_are_kept_once_and_of_equal_keys_the_first() -> None:
    top = TopTexts(2)
    rows = make_rows(["b", "a", "a", "c", None], np.array([0.5, 0.9, 0.9, 0.5, np.nan]))
    top.add(rows, rows.scores[0])
    rows = make_rows(["a", "d"], np.array([0.9, 0.5]), 5)
    top.add(rows, rows.scores[0])
    assert [(each.text, each.row) for each in top.texts] == [("a", 1), ("b", 0)]
    rows = make_rows(["e"], np.array([0.7]), 7)
    top.add(rows, rows.scores[0])
    assert [each.text for each in top.texts] == ["a", "e"]


def test_none_are_kept_where_none_are_wanted() -> None:
    top = TopTexts(0)
    rows = make_rows(["a"], np.array([0.5]))
    top.add(rows, rows.scores[0])
    assert top.texts == []


@pytest.mark.parametrize("as_json", [False, True])
def test_explanations_of_the_file(as_json: bool) -> None:
    words, effects = [["great", "<b>"], None], [[1.5, -0.25], None]
    columns = [
        pa.array([json.dumps(each) if each else "" for each in column]) if as_json else pa.array(column)
        for column in (words, effects)
    ]
    top = TopTexts(2)
    rows = make_rows(["a great <b>", "b"], np.array([0.9, 0.1]), 0, *columns)
    top.add(rows, rows.scores[0])
    assert [each.effects for each in top.texts] == [(("great", 1.5), ("<b>", -0.25)), None]


@pytest.mark.parametrize(
    ("words", "effects"),
    [
        ('["a"]', "[1, 2]"),
        ("[1]", "[1]"),
        ('["a"]', "[NaN]"),
        ('["a"]', "[1e400]"),
        ('["a"]', f"[{10**400}]"),
        ('["a"]', '["b"]'),
        ("{}", "{}"),
        ("[" * 9_000, "1"),
    ],
)
def test_damaged_explanations_are_none(words: str, effects: str) -> None:
    top = TopTexts(1)
    rows = make_rows(["a"], np.array([0.9]), 0, pa.array([words]), pa.array([effects]))
    top.add(rows, rows.scores[0])
    assert [each.effects for each in top.texts] == [None]


def test_whole_numbers_of_any_size_are_effects() -> None:
    top = TopTexts(1)
    rows = make_rows(["a"], np.array([0.9]), 0, pa.array(['["a"]']), pa.array([f"[{10**30}]"]))
    top.add(rows, rows.scores[0])
    assert [each.effects for each in top.texts] == [(("a", 1e30),)]


def test_a_score_without_a_text_is_not_shown() -> None:
    top = TopTexts(1)
    rows = make_rows([None, "a", None], np.array([0.9, 0.8, np.nan]))
    top.add(rows, rows.scores[0])
    assert [each.text for each in top.texts] == ["a"]
