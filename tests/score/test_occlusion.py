from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentscore import ArtifactError, InputError
from sentscore.model.artifact import load_artifact
from sentscore.model.engine import Engine
from sentscore.model.options import ModelOptions
from sentscore.model.session import Session
from sentscore.occlusion import LONG_FROM, MOST_SENTENCES, MOST_WORDS, Explainer, Explanation, _join_neighbours
from sentscore.text.encoder import MAX_TOKENS, EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array

SHIPPED = Path(__file__).parents[2] / "artifacts"
REVIEWS = Path(__file__).parents[1] / "data" / "reviews.parquet"
TEXTS = [
    "A great film, and not too long!",
    "awful awful AWFUL film",
    "It didn't work.<br /><br />The plot was boring;\tthe acting good.",
    "film",
]
SIGNS = " \n\t\u00a0\u0085\u2003\u0301\U0001f600\x1c\x00\u200b"


@pytest.fixture(scope="module")
def engine(tiny_artifact) -> Engine:
    return Engine(load_artifact(tiny_artifact), ModelOptions("cpu", threads=2))


@pytest.fixture(scope="module")
def explainer(engine: Engine) -> Explainer:
    return Explainer(engine)


def score_one_by_one(
    artifact_path: Path, words: Sequence[str], *, precision: str = "fp32"
) -> tuple[float, list[float]]:
    """The slow reference: a session of its own scores one text at a time, without one word at a time."""
    artifact = load_artifact(artifact_path)
    session = Session(artifact, device="cpu", precision=precision)  # type: ignore[arg-type]
    encoder = Encoder(artifact.read_vocabulary())

    def log_odds(text: str) -> float:
        ids = encoder.encode(as_text_array([text])).ids
        if not len(ids):
            ids = np.array([encoder.vocabulary.unk_id], np.int32)
        logit, _ = session.run(ids[None, :], np.array([len(ids)], np.int32))
        return float(logit[0]) / float(artifact.manifest.calibration["temperature"])

    whole = log_odds(" ".join(words))
    return whole, [whole - log_odds(" ".join([*words[:place], *words[place + 1 :]])) for place in range(len(words))]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("model", ["tiny_artifact", "tiny_gru_artifact"])
def test_effects_are_those_of_one_text_and_one_word_at_a_time(text: str, model: str, request) -> None:
    path = request.getfixturevalue(model)
    explained = Explainer(Engine(load_artifact(path), ModelOptions("cpu"))).explain(text)
    assert explained is not None
    words = text.replace("<br />", " ").split()
    assert [explained.spell(word) for word in explained.words] == words
    whole, effects = score_one_by_one(path, words)
    assert explained.log_odds == pytest.approx(whole, abs=1e-6)
    assert [word.effect for word in explained.words] == pytest.approx(effects, abs=1e-6)
    assert explained.sentences == ()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_so_are_those_of_a_shipped_model(precision: str) -> None:
    text = "A quiet, lovely film, if a little long. I wasn't bored."
    options = ModelOptions("cpu", precision)  # type: ignore[arg-type]
    explained = Explainer(Engine(load_artifact(SHIPPED / "gru"), options)).explain(text)
    assert explained is not None
    whole, effects = score_one_by_one(SHIPPED / "gru", text.split(), precision=precision)
    assert explained.log_odds == pytest.approx(whole, abs=1e-6)
    assert [word.effect for word in explained.words] == pytest.approx(effects, abs=1e-6)
    by_word = {explained.spell(word): word.effect for word in explained.words}
    assert by_word["lovely"] > 0.1
    assert by_word["wasn't"] > 0.1  # without it the film is a bore


def test_log_odds_are_those_of_the_score(engine: Engine, explainer: Explainer) -> None:
    for text in TEXTS:
        explained = explainer.explain(text)
        assert explained is not None
        [score] = engine.score(as_text_array([text]))
        assert 1 / (1 + math.exp(-explained.log_odds)) == pytest.approx(score, abs=1e-6)


def test_how_the_model_runs_changes_nothing(tiny_artifact, explainer: Explainer) -> None:
    one_by_one = Explainer(Engine(load_artifact(tiny_artifact), ModelOptions("cpu", threads=1, batch_tokens=1)))
    assert [one_by_one.explain(text) for text in TEXTS] == [explainer.explain(text) for text in TEXTS]


def test_effects_beside_the_whole_text(explainer: Explainer) -> None:
    explained = explainer.explain("great awful film")
    assert explained is not None
    effects = [word.effect or 0.0 for word in explained.words]
    assert explained.sum_of_effects == pytest.approx(sum(effects))
    raised = explained.log_odds - explained.baseline
    assert f"add up to {sum(effects):+.2f}" in explained.additivity
    assert f"whole text is {raised:+.2f}" in explained.additivity
    assert f"so {raised - sum(effects):+.2f}" in explained.additivity
    alone = explainer.explain("unheardof")
    assert alone is not None
    assert (alone.words[0].effect, alone.log_odds) == (0.0, alone.baseline)


@pytest.mark.parametrize("text", [None, "", " \t\n", "<br />"])
def test_nothing_to_score_is_nothing_to_explain(explainer: Explainer, text: str | None) -> None:
    assert explainer.explain(text) is None


def test_a_text_that_is_not_utf_8(explainer: Explainer) -> None:
    with pytest.raises(InputError, match="is not UTF-8"):
        explainer.explain("caf\udce9")


class TestLongTexts:
    def text(self, words: int) -> str:
        random = np.random.default_rng(words)
        return " ".join(random.choice(["great", "awful", "film.", "not", "the", "story!"], words))

    def explain(self, explainer: Explainer, text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Explanation, int]:
        """Returns the explanation and how many texts were scored for it."""
        scored = []
        log_odds = Engine.log_odds
        monkeypatch.setattr(
            Engine, "log_odds", lambda engine, *texts: scored.append(len(texts[0])) or log_odds(engine, *texts)
        )
        explained = explainer.explain(text)
        assert explained is not None
        return explained, sum(scored)

    def test_up_to_512_words_each_is_left_out(self, explainer: Explainer, monkeypatch) -> None:
        explained, scored = self.explain(explainer, self.text(LONG_FROM - 1), monkeypatch)
        assert scored == LONG_FROM - 1 + 2
        assert all(word.effect is not None for word in explained.words)
        assert "Each word was left out" in explained.method

    @pytest.mark.parametrize("words", [LONG_FROM, 1_500])
    def test_then_sentences_and_the_words_of_the_strongest(self, explainer: Explainer, monkeypatch, words) -> None:
        text = self.text(words)
        explained, scored = self.explain(explainer, text, monkeypatch)
        assert len(explained.sentences) <= MOST_SENTENCES
        assert scored <= MOST_SENTENCES + MOST_WORDS + 4
        assert [0, *(each.stop for each in explained.sentences)] == [
            *(each.start for each in explained.sentences),
            words,
        ]
        known = {index for index, word in enumerate(explained.words) if word.effect is not None}
        strongest = max(explained.sentences, key=lambda each: abs(each.effect))
        assert set(range(strongest.start, strongest.stop)) <= known
        assert MOST_WORDS / 2 < len(known) <= MOST_WORDS
        assert "then the words" in explained.method
        whole, place = text.split(), min(known)
        encoder = explainer._encoder
        texts = as_text_array([text, " ".join([*whole[:place], *whole[place + 1 :]])])
        with_it, without = explainer._engine.log_odds(encoder.encode(texts))
        assert explained.words[place].effect == pytest.approx(with_it - without, abs=1e-6)
        texts = as_text_array([" ".join([*whole[: strongest.start], *whole[strongest.stop :]])])
        [without] = explainer._engine.log_odds(encoder.encode(texts))
        assert strongest.effect == pytest.approx(with_it - without, abs=1e-6)
        others = [each.effect for each in explained.sentences if each.start not in known]
        assert explained.sum_of_effects == pytest.approx(
            sum(explained.words[index].effect or 0.0 for index in known) + sum(others)
        )

    def test_a_sentence_ends_with_its_words(self, explainer: Explainer) -> None:
        text = 'the film "great." not a story?\n\nawful plot ' + "the " * LONG_FROM
        explained = explainer.explain(text)
        assert explained is not None
        stops = [each.stop for each in explained.sentences]
        assert stops[:3] == [3, 6, 6 + 64]
        assert {stop - start for start, stop in pairwise(stops[2:-1])} == {64}

    def test_words_that_the_model_does_not_read_are_in_none(self, explainer: Explainer, monkeypatch) -> None:
        words = MAX_TOKENS + 100
        text = "great " * (MAX_TOKENS // 2) + "film " * 100 + "awful " * (MAX_TOKENS // 2)
        monkeypatch.setattr(
            Engine, "log_odds", lambda engine, texts, pool=None: texts.lengths.astype(float)
        )  # the size of the texts is what counts here
        explained = explainer.explain(text)
        assert explained is not None
        assert len(explained.words) == MAX_TOKENS == words - 100
        assert {explained.spell(word) for word in explained.words} == {"great", "awful"}
        assert explained.log_odds == MAX_TOKENS
        assert {word.effect for word in explained.words} == {1.0, None}

    @pytest.mark.parametrize("smallest", [1, 32, 64])
    @pytest.mark.parametrize("count", [MOST_SENTENCES + 1, 200, 1_000])
    def test_neighbours_are_joined_until_they_are_few(self, smallest: int, count: int) -> None:
        sizes = np.random.default_rng(count).choice([1, smallest, 64], count)
        bounds = [0, *np.cumsum(sizes).tolist()]
        joined = _join_neighbours(bounds)
        assert len(joined) <= MOST_SENTENCES + 1
        assert (joined[0], joined[-1]) == (0, bounds[-1])
        assert set(joined) <= set(bounds)
        if bounds[-1] <= MAX_TOKENS:
            assert max(np.diff(joined)) <= MOST_WORDS


@given(
    st.lists(
        st.sampled_from(
            ["Great", "film.", "e", "don't", "<br />", "<BR>", "<br", "/>", "&nbsp;", "&lt;br", "/&gt;", *SIGNS]
        )
    ).map("".join)
)
@settings(max_examples=60, deadline=None)
def test_words_have_the_tokens_of_the_text(explainer: Explainer, html_explainer: Explainer, text: str) -> None:
    for each in (explainer, html_explainer):
        expected = each._encoder.encode(as_text_array([text])).ids
        found = each.split(text)
        assert np.array_equal(found.ids, expected)
        assert found.offsets[-1] == len(expected)
        assert (np.diff(found.offsets) > 0).all()
        assert len(found.words) == len(found.offsets) - 1
        encoded = each._encoder.encode(as_text_array([found.text[word.start : word.stop] for word in found.words]))
        if found.text == text:
            assert np.array_equal(encoded.ids, expected)


@pytest.fixture(scope="module")
def html_explainer(engine: Engine) -> Explainer:
    """One whose model decodes HTML's character references."""
    found = Explainer(engine)
    found._encoder = Encoder(replace(engine.vocabulary, html_entities=True), max_tokens=None)
    return found


def test_where_normalisation_makes_other_words_they_are_those_of_the_normalised_text(
    html_explainer: Explainer,
) -> None:
    assert html_explainer.split("Good &lt;br /&gt; Film").text == "good film"
    kept = html_explainer.split("Good&nbsp;film &amp; Story")
    assert [kept.text[word.start : word.stop] for word in kept.words] == ["Good&nbsp;film", "&amp;", "Story"]


@pytest.mark.parametrize("temperature", [None, "1", True, 0, -1.0, math.nan, math.inf])
def test_a_manifest_without_a_temperature(tiny_artifact, temperature: object) -> None:
    artifact = load_artifact(tiny_artifact)
    calibration = {} if temperature is None else {"temperature": temperature}
    engine = Engine(
        replace(artifact, manifest=replace(artifact.manifest, calibration=calibration)), ModelOptions("cpu")
    )
    with pytest.raises(ArtifactError, match=r"the temperature in its manifest is .*: export the model again"):
        Explainer(engine).explain("film")


def test_a_manifest_with_the_temperature_of_another_graph(tiny_artifact) -> None:
    artifact = load_artifact(tiny_artifact)
    engine = Engine(
        replace(artifact, manifest=replace(artifact.manifest, calibration={"temperature": 4.0})), ModelOptions("cpu")
    )
    with pytest.raises(ArtifactError, match="scores are not those of its logits"):
        Explainer(engine).explain("a great film, and awful")


def test_texts_without_tokens_have_no_log_odds(engine: Engine) -> None:
    encoded = EncodedTexts(np.array([2], np.int32), np.array([0, 0, 1]))
    found = engine.log_odds(encoded)
    assert np.isnan(found[0])
    assert np.isfinite(found[1])


def test_the_strongest_words_move_the_score_more_than_others() -> None:
    """Of each review the strongest tenth of the words is left out, and for comparison random tenths."""
    engine = Engine(load_artifact(SHIPPED / "gru"), ModelOptions("cpu"))
    explainer = Explainer(engine)
    random = np.random.default_rng(7)
    reviews = [text for text in pq.read_table(REVIEWS)["review"].to_pylist() if text and 20 < len(text.split()) < 120]
    by_effect, by_chance = [], []
    for text in reviews[:8]:
        explained = explainer.explain(text)
        assert explained is not None
        words = [explained.spell(word) for word in explained.words]
        tenth = math.ceil(len(words) / 10)
        draws = [random.choice(len(words), tenth, replace=False).tolist() for _ in range(10)]
        texts = [
            " ".join(word for index, word in enumerate(words) if index not in left_out)
            for left_out in [explained.strongest(tenth), *draws]
        ]
        changes = abs(engine.log_odds(explainer._encoder.encode(as_text_array(texts))) - explained.log_odds)
        by_effect.append(changes[0])
        by_chance.append(changes[1:].mean())
    assert len(by_effect) == 8
    assert np.mean(by_effect) > 2 * np.mean(by_chance)
