from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sentscore import UsageError
from sentscore.model.artifact import load_artifact
from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import Encoder
from sentscore.text.normalize import as_text_array
from sentscore_train.data import encoding
from sentscore_train.data.batches import TrainingData
from sentscore_train.data.cache import ArrayCache
from sentscore_train.data.corpus import Corpus, Domain, Source, divide, imdb_source
from sentscore_train.data.extracts import ExtractConfig
from sentscore_train.data.word_vectors import SkipGramConfig
from sentscore_train.models.classifier import SentimentClassifier
from sentscore_train.models.weights import to_tensors
from sentscore_train.teachers.document_vectors import DocVectorConfig
from sentscore_train.training import prepare as module
from sentscore_train.training import teaching
from sentscore_train.training.config import TrainConfig
from sentscore_train.training.language_model import LanguageModelConfig
from sentscore_train.training.prepare import prepare

CONFIG = TrainConfig(vocabulary_size=30, validation_share=0.25, vectors=SkipGramConfig(dim=5, epochs=1))


def make(config: TrainConfig, sources: Sequence[Source], folder: Path, report: Report = silent) -> TrainingData:
    return prepare("gru", config, sources, folder, device=torch.device("cpu"), report=report)


def reviews(kind: str, label: int, count: int, word: str) -> list[tuple[str, str, int]]:
    return [(f"{kind}/{number}_5", f"A {word} film, number {number}!", label) for number in range(count)]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> list[Source]:
    """Sixteen reviews to learn from, two by two of one movie, four without a label."""
    folder = Path(tmp_path_factory.mktemp("imdb"))
    train = [*reviews("neg", 0, 8, "bad"), *reviews("pos", 1, 8, "good")]
    splits = {"train": train, "test": [*train[:1], *train[-1:]], "unsup": reviews("unsup", -1, 4, "new")}
    for split, rows in splits.items():
        columns = dict(zip(("id", "text", "label"), map(list, zip(*rows, strict=True)), strict=True))
        pq.write_table(
            pa.table({**columns, "label": pa.array(columns["label"], pa.int8())}), folder / f"imdb-{split}.parquet"
        )
    movies = [
        (split, name, f"tt{split}{name.split('/')[0]}{int(name.split('/')[1][0]) // 2}")
        for split, rows in splits.items()
        for name, _, _ in rows
    ]
    columns = dict(zip(("split", "id", "movie"), map(list, zip(*movies, strict=True)), strict=True))
    pq.write_table(pa.table(columns), folder / "imdb-movies.parquet")
    return [imdb_source(folder, data_dir=folder, allow_partial=True)]


def test_it_makes_what_a_model_is_trained_on(source, tmp_path) -> None:
    data = make(CONFIG, source, tmp_path)
    assert len(data.train) == 12
    assert len(data.validation) == 4
    assert data.validation.labels.tolist() == [0, 0, 1, 1]
    assert data.vocabulary.tokens[:5] == ("<unk>", "<pad>", "!", ",", "a")
    assert "new" in data.vocabulary.tokens  # the unlabelled reviews count too
    assert data.vectors.shape == (len(data.vocabulary), 5)
    assert (data.facts["train"], data.facts["validation"], data.facts["unlabelled"]) == (12, 4, 4)
    whole = [*(data.train.encoded[row].tolist() for row in range(12))]
    whole += [data.validation.encoded[row].tolist() for row in range(4)]
    expected = Encoder(data.vocabulary).encode(as_text_array(["A bad film, number 0!", "A good film, number 7!"]))
    assert expected[0].tolist() in whole
    assert expected[1].tolist() in whole


def test_only_published_reviews_may_be_quoted_from(source, tmp_path) -> None:
    own = Source(
        "mine", [f"An {'ad'[row % 2]}dequate toy {row}" for row in range(16)], np.arange(16, dtype=np.int8) % 2
    )
    data = make(CONFIG, [*source, own], tmp_path)
    assert len(data.quotable) == len(data.validation) == 8
    assert all(text.startswith("A ") for text in data.quotable[:4])
    for row, text in enumerate(data.quotable[:4]):
        encoded = Encoder(data.vocabulary).encode(as_text_array([text]))
        assert encoded[0].tolist() == data.validation.encoded[row].tolist()
    assert list(data.quotable[4:]) == [""] * 4


def test_what_was_made_is_not_made_again(source, tmp_path, monkeypatch) -> None:
    first = make(CONFIG, source, tmp_path)
    assert len(list((tmp_path / "prepared").iterdir())) == 3

    def never(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    for owner, name in ((encoding, "build_vocabulary"), (encoding, "encode_texts"), (module, "train_skip_gram")):
        monkeypatch.setattr(owner, name, never)
    again = make(CONFIG, source, tmp_path)
    assert np.array_equal(again.vectors, first.vectors)
    assert again.train.encoded.ids.tolist() == first.train.encoded.ids.tolist()
    with pytest.raises(AssertionError, match="made again"):
        make(replace(CONFIG, vocabulary_size=29), source, tmp_path)


def test_a_damaged_result_is_made_again(source, tmp_path) -> None:
    first = make(CONFIG, source, tmp_path)
    for path in (tmp_path / "prepared").iterdir():
        path.write_bytes(path.read_bytes()[:20])
    again = make(CONFIG, source, tmp_path)
    assert np.array_equal(again.vectors, first.vectors)


def test_every_step_reports_how_far_it_is(source, tmp_path) -> None:
    reports: list[Progress] = []
    make(CONFIG, source, tmp_path, report=reports.append)
    phases = [report.phase for report in reports]
    assert phases[0] == "building the vocabulary"
    assert Progress("encoding the reviews", 20, 20) in reports


def test_with_teachers_the_unlabelled_reviews_are_learned_from_too(
    source, tmp_path, tiny_artifact, monkeypatch
) -> None:
    config = replace(CONFIG, teachers=(str(tiny_artifact),), documents=DocVectorConfig(dim=4, least=2, epochs=2))
    data = make(config, source, tmp_path)
    plain = make(CONFIG, source, tmp_path)
    assert len(data.train) == len(plain.train) + 4
    assert data.train.labels.dtype == np.float32
    assert data.train.labels[:12].tolist() == plain.train.labels.tolist()
    assert np.array_equal(data.train.encoded.ids[: len(plain.train.encoded.ids)], plain.train.encoded.ids)
    assert len(set(data.train.labels[12:].tolist()) - {0.0, 1.0}) > 0
    assert data.validation.labels.tolist() == plain.validation.labels.tolist()

    accuracies = data.facts["teacher_validation_accuracy"]
    assert list(accuracies) == ["nb-svm", "document vectors", "convolution", "lstm", "all"]
    assert all(0 <= found["IMDB"] <= 1 for found in accuracies.values())
    assert "teacher_validation_accuracy" not in plain.facts

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("made twice")

    for name in ("NbSvm", "document_vectors", "convolution_opinion", "model_opinion"):
        monkeypatch.setattr(teaching, name, fail)
    again = make(config, source, tmp_path)
    assert np.array_equal(again.train.labels, data.train.labels)
    with pytest.raises(AssertionError, match="made twice"):
        make(replace(config, documents=replace(config.documents, epochs=1)), source, tmp_path)


def test_no_teacher_learns_from_what_is_validated_on(source, tmp_path, tiny_artifact) -> None:
    opinions = []
    for flipped in (False, True):
        labels = source[0].labels.copy()
        division = divide(Corpus(tuple(source)), share=CONFIG.validation_share, seed=CONFIG.seed)
        if flipped:
            labels[division.validation] = 1 - labels[division.validation]
        corpus = Corpus((replace(source[0], labels=labels),))
        cache = ArrayCache(tmp_path / str(flipped))
        encoded = encoding.encode_corpus(corpus, 30, cache)
        vectors = np.random.default_rng(0).normal(size=(len(encoded.vocabulary), 5)).astype(np.float32)
        lesson = teaching.Lesson(corpus, encoded, vectors, division.train, division.validation)
        config = replace(CONFIG, teachers=(str(tiny_artifact),), documents=DocVectorConfig(dim=4, least=2, epochs=2))
        opinions.append(teaching.ask_teachers(config, lesson, cache, device=torch.device("cpu")))
    assert opinions[0].keys() == opinions[1].keys()
    assert all(np.array_equal(opinions[0][name], opinions[1][name]) for name in opinions[0])


def test_a_teacher_that_was_trained_with_another_seed_is_refused(source, tmp_path, tiny_artifact, monkeypatch) -> None:
    artifact = load_artifact(tiny_artifact)
    artifact.manifest.data.update(name="IMDB", seed=7)
    monkeypatch.setattr(teaching, "load_artifact", lambda _: artifact)
    config = replace(CONFIG, teachers=("a",), documents=DocVectorConfig(dim=4, least=2, epochs=2))
    with pytest.raises(UsageError, match=r"learned from IMDB with the seed 7, .* use --seed 7"):
        make(config, source, tmp_path)


def test_an_opinion_is_asked_anew_when_its_teacher_is_trained_otherwise(source, tmp_path, tiny_artifact) -> None:
    config = replace(CONFIG, teachers=(str(tiny_artifact),), documents=DocVectorConfig(dim=4, least=2, epochs=2))
    asked = []

    def count(progress: Progress) -> None:
        asked.append(progress.phase.startswith("training the convolutional teacher"))

    for changed in (config, config, replace(config, extracts=ExtractConfig(share=0.5)), replace(config, threads=1)):
        asked.clear()
        make(changed, source, tmp_path, count)
        assert any(asked) == (changed is not config or not (tmp_path / "seen").exists())
        (tmp_path / "seen").touch()


def test_a_damaged_checkpoint_of_the_layers_is_left_behind(source, tmp_path, monkeypatch) -> None:
    config = replace(CONFIG, hidden_size=4, num_layers=1, language_model=LanguageModelConfig(epochs=1))
    path = ArrayCache.path

    def damaged(cache: ArrayCache, name: str, key: dict[str, object]) -> Path:
        found = path(cache, name, key)
        if name == "language-model" and not found.with_suffix(".run").exists() and not found.exists():
            found.with_suffix(".run").mkdir(parents=True)
            (found.with_suffix(".run") / "resume.json").write_text("{")
        return found

    monkeypatch.setattr(ArrayCache, "path", damaged)
    assert make(config, source, tmp_path).pretrained is not None
    assert not list(tmp_path.glob("prepared/*.run"))


def test_the_layers_are_pretrained_once_for_each_shape(source, tmp_path, monkeypatch) -> None:
    config = replace(CONFIG, hidden_size=4, num_layers=1, language_model=LanguageModelConfig(epochs=1))
    found = make(config, source, tmp_path).pretrained
    assert found is not None
    assert found["layers.0.forward.weight_hh"].shape == (12, 4)
    assert not np.array_equal(found["embedding.weight"], make(CONFIG, source, tmp_path).vectors)
    assert not list(tmp_path.glob("prepared/*.run"))

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("made twice")

    monkeypatch.setattr(module, "pretrain", fail)
    again = make(config, source, tmp_path).pretrained
    assert again is not None
    assert all(np.array_equal(again[name], found[name]) for name in found)
    with pytest.raises(AssertionError, match="made twice"):
        make(replace(config, hidden_size=5), source, tmp_path)


def test_several_sources_are_prepared_together(source, tmp_path) -> None:
    texts = [f"A {word} kettle, number {number}!" for word in ("bad", "good") for number in range(8)]
    labels = np.array([0] * 8 + [1] * 8, np.int8)
    kettles = Source("kettles", texts, labels, facts={"rows": 20, "left_out": {"no text": 4}})
    data = make(CONFIG, [*source, kettles], tmp_path)
    alone = make(CONFIG, source, tmp_path)
    assert data.domains == (Domain("IMDB", "film"), Domain("kettles", ""))
    assert "kettle" in data.vocabulary.tokens
    assert data.source_ids(data.train).tolist() == [0] * 12 + [1] * 12
    assert data.source_ids(data.validation).tolist() == [0] * 4 + [1] * 4
    assert data.validation.labels.tolist() == [0, 0, 1, 1] * 2
    assert (data.facts["name"], data.facts["train"], data.facts["validation"]) == ("IMDB and kettles", 24, 8)
    assert data.facts["split"] == "by movie or text: no movie or text stands in both train and validation"
    films, entry = data.facts["sources"]
    assert (films["train"], films["title"]) == (12, "Large Movie Review Dataset")
    assert films["domains"] == {"film": {"train": 12, "validation": 4, "unlabelled": 4}}
    assert entry == {
        "name": "kettles",
        "train": 12,
        "validation": 4,
        "unlabelled": 0,
        "grouped_by": "text",
        "rows": 20,
        "left_out": {"no text": 4},
    }
    assert alone.facts["split"] == "by movie: no movie stands in both train and validation"


def test_reviews_without_a_label_follow_whatever_source_they_are_from(source, tmp_path, tiny_artifact) -> None:
    mixed = Source("mixed", ["No label.", "Bad!", "Good!", "None."], np.array([-1, 0, 1, -1], np.int8))
    config = replace(CONFIG, teachers=(str(tiny_artifact),), documents=DocVectorConfig(dim=4, least=2, epochs=2))
    data = make(config, [mixed, *source], tmp_path)
    assert data.source_ids(data.train).tolist() == [0] * 2 + [1] * 12 + [0] * 2 + [1] * 4
    assert data.train.labels[:14].tolist() == [0.0, 1.0] + [0.0] * 6 + [1.0] * 6
    assert len(data.train.labels) == 20
    assert data.facts["unlabelled"] == 6


@pytest.fixture
def start(tiny_artifact) -> TrainConfig:
    """The recipe of a run that starts from an exported model."""
    shape = load_artifact(tiny_artifact).manifest.architecture
    return replace(
        CONFIG,
        model=str(tiny_artifact),
        hidden_size=shape["hidden_size"],
        num_layers=shape["num_layers"],
        pooling=tuple(shape["pooling"]),
        documents=None,
        convolution=None,
    )


def test_a_run_starts_from_an_exported_model_with_vectors_for_all_words(
    source, tmp_path, tiny_artifact, start, monkeypatch
) -> None:
    monkeypatch.setattr(module, "train_skip_gram", None)  # the model brings its vectors
    data = prepare("lstm", start, source, tmp_path, device=torch.device("cpu"))
    artifact = load_artifact(tiny_artifact)
    known, weights = artifact.read_vocabulary(), to_tensors(SentimentClassifier.from_artifact(artifact))
    assert data.pretrained.keys() == weights.keys()
    assert np.array_equal(data.pretrained["head.weight"], weights["head.weight"])
    places = {token: row for row, token in enumerate(known.tokens)}
    places |= {data.vocabulary.tokens[data.vocabulary.unk_id]: known.unk_id}
    shared = [token for token in data.vocabulary.tokens if token in places]
    assert {"a", "film"} <= set(shared) < set(data.vocabulary.tokens)
    vectors = dict(zip(data.vocabulary.tokens, data.pretrained["embedding.weight"], strict=True))
    for token in shared:
        assert np.array_equal(vectors[token], weights["embedding.weight"][places[token]]), token
    assert data.facts["start"]["manifest_sha256"] == artifact.manifest_sha256


def test_a_start_of_another_shape_is_refused(source, tmp_path, start) -> None:
    with pytest.raises(UsageError, match=r"--start .*: is a .*: start from a model of the same shape"):
        prepare("gru", start, source, tmp_path, device=torch.device("cpu"))


def test_a_start_that_has_learned_from_what_is_validated_on_is_refused(source, tmp_path, start) -> None:
    manifest = load_artifact(start.model).manifest
    facts = {**manifest.data, "name": "IMDB", "seed": start.seed + 1}
    artifact = replace(load_artifact(start.model), manifest=replace(manifest, data=facts))
    with pytest.raises(UsageError, match=r"--start .*: learned from IMDB with the seed"):
        teaching.check_not_learned(artifact, start.seed, Corpus(tuple(source)), "--start")
