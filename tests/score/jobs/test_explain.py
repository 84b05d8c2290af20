from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import UsageError
from sentscore.files import hidden_sibling
from sentscore.jobs import check_inputs, journal, plan_jobs
from sentscore.jobs.explain import BlockProgress
from sentscore.jobs.journal import KINDS, Journal
from sentscore.occlusion import Explainer, Explanation
from sentscore.progress import Progress
from sentscore.scorer import Scorer

TEXTS = ["A great film, not too long!", None, "awful", " ", "a story<br />very boring", "awful", "great great plot"]


@pytest.fixture(scope="module")
def lstm(tiny_artifact: Path) -> Scorer:
    return Scorer.load(tiny_artifact, device="cpu", threads=2)


@pytest.fixture(scope="module")
def gru(tiny_gru_artifact: Path) -> Scorer:
    return Scorer.load(tiny_gru_artifact, device="cpu", threads=2)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": TEXTS}), path, row_group_size=3)
    return path


def expected(scorer: Scorer, count: int) -> tuple[list[list[str] | None], list[list[float] | None]]:
    words: list[list[str] | None] = []
    effects: list[list[float] | None] = []
    for text in TEXTS:
        explained = Explainer(scorer.engine).explain(text)
        if explained is None:
            words.append(None)
            effects.append(None)
            continue
        strongest = [explained.words[index] for index in explained.strongest(count)]
        words.append([explained.spell(word) for word in strongest])
        effects.append([float(np.float32(word.effect)) for word in strongest])
    return words, effects


@pytest.mark.parametrize("count", [1, 3, 100])
def test_each_row_gets_its_strongest_words_and_their_effects(run, table: Path, lstm: Scorer, count: int) -> None:
    run(table, scorers=[lstm], explain=count)
    found = pq.read_table(table.with_name("a.scored.parquet"))
    assert found.schema.names == ["text", "sentiment", "score", "explain_words", "explain_effects"]
    assert found.schema.types[3:] == [pa.list_(pa.string()), pa.list_(pa.float32())]
    words, effects = expected(lstm, count)
    assert found["explain_words"].to_pylist() == words
    assert found["explain_effects"].to_pylist() == effects
    assert [score is None for score in found["score"].to_pylist()] == [each is None for each in words]
    made_by = json.loads(found.schema.metadata[b"sentscore"])
    assert made_by["explanations"] == {"method": "occlusion", "version": 1, "words": count}


def test_several_models_and_a_prefix_in_csv(run, table: Path, tmp_path: Path, lstm: Scorer, gru: Scorer) -> None:
    run(table, tmp_path / "b.csv", scorers=[lstm, gru], prefix="p_", explain=2)
    with (tmp_path / "b.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-4:] == [
        "p_lstm_explain_words",
        "p_lstm_explain_effects",
        "p_gru_explain_words",
        "p_gru_explain_effects",
    ]
    for name, scorer in (("lstm", lstm), ("gru", gru)):
        words, effects = expected(scorer, 2)
        cells = [row[f"p_{name}_explain_words"] for row in rows]
        assert [json.loads(cell) if cell else None for cell in cells] == words
        cells = [row[f"p_{name}_explain_effects"] for row in rows]
        found = [json.loads(cell) if cell else None for cell in cells]
        assert [None if each is None else np.float32(each).tolist() for each in found] == effects
        assert max(map(len, cells)) <= 2 * len("-0.123456789") + 4  # no digits beyond those of a float32


def test_equal_texts_are_explained_once(run, table: Path, lstm: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    explained = count_explanations(monkeypatch)
    run(table, scorers=[lstm], explain=1)
    assert sorted(explained) == sorted({text for text in TEXTS if text and text.strip()})


def count_explanations(monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> list[str]:
    """Returns a list that gets the texts that are explained; the one of the number `stop_at` is an interrupt."""
    explained: list[str] = []
    explain = Explainer.explain

    def count(explainer: Explainer, text: str, pool: object = None) -> Explanation | None:
        if len(explained) == stop_at:
            raise KeyboardInterrupt
        explained.append(text)
        return explain(explainer, text, pool)  # type: ignore[arg-type]

    monkeypatch.setattr(Explainer, "explain", count)
    return explained


@pytest.mark.parametrize("stop_at", [0, 1, 3])
@pytest.mark.parametrize("models", [1, 2])
def test_a_job_that_was_stopped_is_carried_on_to_the_same_bytes(
    run: Callable, table: Path, tmp_path: Path, tiny_artifact: Path, gru: Scorer, monkeypatch, stop_at: int, models: int
) -> None:
    one_thread = Scorer.load(tiny_artifact, device="cpu", threads=1)
    scorers = [one_thread, gru][:models]
    whole, stopped = tmp_path / "whole.parquet", tmp_path / "stopped.parquet"
    run(table, whole, scorers=scorers, explain=2)
    monkeypatch.setattr(journal, "_FIRST_WRITE_S", 0.0)
    monkeypatch.setattr(Journal, "_write_now_and_then", lambda journal: None)
    with monkeypatch.context() as patch:
        count_explanations(patch, stop_at)
        with pytest.raises(KeyboardInterrupt) as caught:
            run(table, stopped, scorers=scorers, explain=2, resume=True)
    assert caught.value.__notes__ == ["what is scored is kept: the same command carries on"]
    assert not stopped.exists()
    assert hidden_sibling(stopped, "explanations").exists() == (stop_at > 0)
    with monkeypatch.context() as patch:
        explained = count_explanations(patch)
        reports: list[Progress] = []
        run(table, stopped, scorers=scorers, explain=2, resume=True, on_progress=reports.append)
    assert len(explained) == models * (4 - stop_at // models)
    assert stopped.read_bytes() == whole.read_bytes()
    assert not any(hidden_sibling(stopped, kind).exists() for kind in KINDS)
    assert (reports[-1].done, reports[-1].total) == (len(TEXTS), len(TEXTS))
    assert (reports[-1].kept > 0) == (stop_at >= models)


@pytest.mark.parametrize(("before", "after"), [(2, 3), (None, 2)])
def test_explanations_of_another_number_of_words_are_not_taken(
    run: Callable, table: Path, tmp_path: Path, lstm: Scorer, monkeypatch, before: int | None, after: int
) -> None:
    output = tmp_path / "out.parquet"
    monkeypatch.setattr(journal, "_FIRST_WRITE_S", 0.0)
    with monkeypatch.context() as patch:
        count_explanations(patch, 2)
        if before is not None:
            with pytest.raises(KeyboardInterrupt):
                run(table, output, scorers=[lstm], explain=before, resume=True)
    explained = count_explanations(monkeypatch)
    run(table, output, scorers=[lstm], explain=after, resume=True)
    assert len(explained) == 4
    monkeypatch.undo()
    assert pq.read_table(output)["explain_words"].to_pylist() == expected(lstm, after)[0]


def test_without_resume_nothing_is_left(run: Callable, table: Path, tmp_path: Path, lstm: Scorer, monkeypatch) -> None:
    monkeypatch.setattr(journal, "_FIRST_WRITE_S", 0.0)
    with monkeypatch.context() as patch:
        count_explanations(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run(table, tmp_path / "out.parquet", scorers=[lstm], explain=1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_a_column_of_that_name_is_a_usage_error(run: Callable, tmp_path: Path, lstm: Scorer) -> None:
    (tmp_path / "a.csv").write_text("text,explain_words\nfilm,x\n")
    with pytest.raises(UsageError, match="has a column 'explain_words' already: give the new ones a `prefix`"):
        run(tmp_path / "a.csv", scorers=[lstm], column="text", explain=1)
    run(tmp_path / "a.csv", scorers=[lstm], column="text", explain=1, prefix="new_")
    [job] = plan_jobs([str(tmp_path / "a.csv")], output=None, format=None, force=True)
    with pytest.raises(UsageError, match="explain_words"):
        check_inputs([job], ["explain_words"], column="text")


def test_rows_without_texts(run: Callable, tmp_path: Path, lstm: Scorer) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    run(tmp_path / "a.parquet", scorers=[lstm], explain=2)
    assert pq.read_table(tmp_path / "a.scored.parquet").num_rows == 0
    pq.write_table(pa.table({"text": pa.array([None, " "], pa.string())}), tmp_path / "a.parquet")
    run(tmp_path / "a.parquet", scorers=[lstm], explain=2)
    assert pq.read_table(tmp_path / "a.scored.parquet")["explain_words"].to_pylist() == [None, None]


def test_how_far_a_block_is() -> None:
    assert BlockProgress(3, 4, 0).share == 0.75
    assert BlockProgress(0, 0, 0).share == 1.0
