from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore import ArtifactError, InputError, Scorer, UsageError
from sentscore import scorer as scorer_module
from sentscore.model.artifact import load_artifact

WORDS = ["great", "awful", "film", ".", "not", "n't", "a", "story", "too", "long", "unknownword", "!"]


@pytest.fixture(scope="module")
def lstm(tiny_artifact) -> Scorer:
    return Scorer.load(tiny_artifact, device="cpu")


@pytest.fixture(scope="module")
def gru(tiny_gru_artifact) -> Scorer:
    return Scorer.load(tiny_gru_artifact, device="cpu")


def reviews(count: int, longest: int = 90) -> list[str]:
    random = np.random.default_rng(5)
    return [" ".join(random.choice(WORDS, random.integers(1, longest))) for _ in range(count)]


def test_scores_are_probabilities_and_nothing_to_score_is_nan(lstm) -> None:
    scores = lstm.score(["a great film", None, "", " \t\u2003", "<br />", "awful"])
    assert scores.dtype == np.float32
    assert np.isnan(scores).tolist() == [False, True, True, True, True, False]
    assert 0 < scores[0] < 1
    assert scores[0] != scores[5]


def test_bytes_that_are_not_utf_8_are_an_input_error(lstm) -> None:
    with pytest.raises(InputError, match="UTF-8"):
        lstm.score(pa.array([b"\xff"], pa.binary()).view(pa.string()))


def test_no_texts_have_no_scores(lstm) -> None:
    assert lstm.score([]).shape == (0,)
    assert np.isnan(lstm.score(["", None])).all()


@pytest.mark.parametrize("model", ["lstm", "gru"])
def test_batches_order_and_threads_change_no_bit(model, request, tiny_artifact, tiny_gru_artifact) -> None:
    scorer = request.getfixturevalue(model)
    path = {"lstm": tiny_artifact, "gru": tiny_gru_artifact}[model]
    texts = reviews(150)
    alone = np.concatenate([scorer.score([text]) for text in texts])
    shuffled = np.random.default_rng(1).permutation(len(texts))
    assert np.array_equal(scorer.score([texts[index] for index in shuffled]), alone[shuffled])
    for batch_tokens, threads in ((1, 1), (64, 1), (500, 3), (10_000, 2)):
        other = Scorer.load(path, device="cpu", batch_tokens=batch_tokens, threads=threads)
        assert np.array_equal(other.score(texts), alone)


@settings(deadline=None, max_examples=50)
@given(texts=st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=6))
def test_any_texts_get_one_score_each(lstm, texts) -> None:
    scores = lstm.score(texts)
    assert scores.shape == (len(texts),)
    for text, score in zip(texts, scores, strict=True):
        assert np.array_equal(lstm.score([text])[0], score, equal_nan=True)


def test_every_arrow_type_gives_the_same_scores(lstm) -> None:
    texts = ["a great film", None, "awful"]
    expected = lstm.score(texts)
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        assert np.array_equal(lstm.score(pa.array(texts).cast(kind)), expected, equal_nan=True)


def batch(texts: list[str | None]) -> pa.RecordBatch:
    return pa.record_batch({"id": pa.array(range(len(texts)), pa.int16()), "review": pa.array(texts, pa.string())})


def test_record_batches_come_back_with_two_columns(lstm, monkeypatch) -> None:
    monkeypatch.setattr(scorer_module, "_WINDOW_ROWS", {"cpu": 5})
    texts = ["a great film", None, "awful", "too long", "", "not a story", "film"]
    pieces = [texts[:2], texts[2:3], [], texts[3:]]
    results = list(lstm.score_batches([batch(piece) for piece in pieces]))
    assert [result.num_rows for result in results] == [2, 1, 0, 4]
    table = pa.Table.from_batches(results)
    assert table.schema.names == ["id", "review", "sentiment", "score"]
    assert table.schema.field("score").type == pa.float32()
    assert table["review"].to_pylist() == texts
    expected = lstm.score(texts)
    assert table["score"].null_count == 2
    assert np.array_equal(table["score"].to_numpy(), expected, equal_nan=True)
    assert table["sentiment"].to_pylist() == [
        None if np.isnan(score) else "positive" if score >= 0.5 else "negative" for score in expected
    ]


def test_no_record_batches_give_none(lstm) -> None:
    assert list(lstm.score_batches([])) == []


@pytest.mark.parametrize("texts", [["a great film", None, "awful"], []])
def test_readers_and_tables_are_scored_as_their_batches_are(lstm, texts) -> None:
    one = batch(texts)
    [expected] = lstm.score_batches([one])
    table = pa.Table.from_batches([one])
    for batches in (one, table, pa.RecordBatchReader.from_batches(one.schema, [one]), iter([one])):
        assert list(lstm.score_batches(batches)) == [expected]
    assert pa.Table.from_batches(lstm.score_batches(table.slice(0, 0))).schema == expected.schema


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (
            [pa.table({"text": ["a"]})],
            "batches hold a Table, not record batches: give Arrow's",
        ),
        (["a film"], "batches hold a str, not record batches"),
        (None, "batches are a NoneType: give Arrow's record batches"),
    ],
)
def test_what_are_no_record_batches_is_an_input_error(lstm, batches, message) -> None:
    with pytest.raises(InputError, match=message):
        list(lstm.score_batches(batches))


def test_labels_are_the_sentiments_of_the_scores(lstm) -> None:
    texts = [*reviews(20), None, ""]
    expected = [None if np.isnan(score) else "positive" if score >= 0.5 else "negative" for score in lstm.score(texts)]
    assert lstm.label(texts) == expected
    assert {"positive", "negative", None} == set(expected)


def test_several_columns_of_text_are_an_error_that_names_the_argument(lstm) -> None:
    rows = pa.record_batch({"a": ["x"], "b": ["y"]})
    with pytest.raises(InputError, match=r"name one of 'a', 'b' with `column`$"):
        list(lstm.score_batches([rows]))


class TestCopies:
    """A scorer pickles as the place of its model and its options."""

    def test_a_copy_gives_the_same_scores_with_the_same_options(self, tiny_artifact) -> None:
        scorer = Scorer.load(tiny_artifact, device="cpu", batch_tokens=100, threads=3)
        scorer.score(["a film"])  # threads and tables of words stay here
        pickled = pickle.dumps(scorer)
        assert len(pickled) < 1_000
        copy = pickle.loads(pickled)
        assert repr(copy) == repr(scorer) == "Scorer('lstm', precision='fp32', device='cpu', threads=3)"
        assert copy.batch_tokens == 100
        assert np.array_equal(copy.score(reviews(50)), scorer.score(reviews(50)))

    def test_a_copy_takes_the_precision_that_was_chosen_and_threads_of_its_own(
        self, tiny_artifact, monkeypatch
    ) -> None:
        pickled = pickle.dumps(Scorer.load(tiny_artifact, device="cpu"))
        monkeypatch.setattr("sentscore.model.session._prefers_int8", lambda artifact: pytest.fail("chosen again"))
        monkeypatch.setattr("sentscore.model.engine.available_cpus", lambda: 7)
        assert (pickle.loads(pickled).precision, pickle.loads(pickled).threads) == ("fp32", 7)

    def test_a_copy_refuses_other_weights(self, tiny_artifact, tiny_gru_artifact, tmp_path: Path) -> None:
        shutil.copytree(tiny_gru_artifact, tmp_path / "model")
        pickled = pickle.dumps(Scorer.load(tmp_path / "model", device="cpu"))
        shutil.rmtree(tmp_path / "model")
        with pytest.raises(ArtifactError, match="no such model"):
            pickle.loads(pickled)
        shutil.copytree(tiny_artifact, tmp_path / "model")
        with pytest.raises(ArtifactError, match=r"the weights in .*model are"):
            pickle.loads(pickled)

    def test_a_copy_keeps_its_name_and_finds_a_relative_folder(
        self, tiny_artifact, tmp_path: Path, monkeypatch
    ) -> None:
        monkeypatch.chdir(tiny_artifact.parent)
        artifact = replace(load_artifact(tiny_artifact.name), name="first")
        pickled = pickle.dumps(Scorer.load(artifact, device="cpu"))
        monkeypatch.chdir(tmp_path)
        assert pickle.loads(pickled).name == "first"

    def test_a_shipped_model_is_found_where_another_machine_has_it(
        self, tiny_artifact, tmp_path: Path, monkeypatch
    ) -> None:
        monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [tiny_artifact])
        monkeypatch.setattr("sentscore.scorer.find_artifacts", lambda: [tiny_artifact])
        pickled = pickle.dumps(Scorer.load(tiny_artifact.name, device="cpu"))
        elsewhere = tmp_path / tiny_artifact.name
        shutil.copytree(tiny_artifact, elsewhere)
        monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [elsewhere])
        assert pickle.loads(pickled).artifact.path == elsewhere


def test_names_of_new_columns_take_a_prefix_and_must_be_free(lstm) -> None:
    taken = batch(["a"]).append_column("score", pa.array([1.0]))
    with pytest.raises(UsageError, match="'score' already: give the new ones a `prefix`"):
        list(lstm.score_batches([taken]))
    (result,) = lstm.score_batches([taken], prefix="s_")
    assert result.schema.names[-2:] == ["s_sentiment", "s_score"]


def test_a_column_that_is_not_there_is_an_input_error(lstm) -> None:
    with pytest.raises(InputError, match="no column 'txt'"):
        list(lstm.score_batches([batch(["a"])], column="txt"))


@pytest.mark.parametrize("option", ["batch_tokens", "threads"])
def test_options_below_one_are_usage_errors(tiny_artifact, option) -> None:
    with pytest.raises(UsageError, match=f"{option} 0 must be at least 1"):
        Scorer.load(tiny_artifact, **{option: 0})


def test_a_scorer_says_what_it_runs(tiny_artifact) -> None:
    artifact = load_artifact(tiny_artifact)
    scorer = Scorer.load(artifact, device="cpu", precision="fp32", batch_tokens=100, threads=3)
    assert (scorer.name, scorer.device, scorer.precision) == ("lstm", "cpu", "fp32")
    assert (scorer.batch_tokens, scorer.threads, scorer.why_not_cuda) == (100, 3, "")
    assert scorer.manifest_sha256 == artifact.manifest_sha256
    assert len(scorer.vocabulary) == scorer.artifact.manifest.architecture["vocab_size"]
