"""Prepares what the preset `default` trains on, and keeps the result of each slow step on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sentscore.model.artifact import Artifact, load_artifact
from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array
from sentscore.text.rules import stored_rules
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.batches import LabelledTexts, TrainingData
from sentscore_train.data.cache import ArrayCache, Arrays, hash_texts
from sentscore_train.data.imdb import Imdb, load_imdb
from sentscore_train.data.splits import split_by_movie
from sentscore_train.data.vocabulary import build_vocabulary
from sentscore_train.data.word_vectors import train_skip_gram
from sentscore_train.teachers.document_vectors import document_vectors
from sentscore_train.teachers.nbsvm import NbSvm, NbSvmConfig
from sentscore_train.teachers.opinions import Logits, model_opinion, soft_labels, vector_opinion
from sentscore_train.training.config import TrainConfig

_CODE: Final = 2  # must rise when a step here gives another result for the same input
_STEP: Final = 1_000  # reviews between two reports


def prepare(
    config: TrainConfig,
    imdb_source: Path | None,
    data_dir: Path,
    *,
    allow_partial: bool = False,
    report: Report = silent,
) -> TrainingData:
    """Reads the reviews, builds the vocabulary and the word vectors, and splits the reviews by movie.

    The vocabulary and the vectors come from the training and the unlabelled reviews, without the labels. The test
    reviews are not used.

    Args:
        config: The recipe.
        imdb_source: The source of the reviews, as `imdb.load_imdb` takes it.
        data_dir: The folder of downloads and results.
        allow_partial: Whether to accept fewer reviews than published.
        report: The function that is told how far each step is.

    Raises:
        InputError: The data is missing or damaged.
        OutputError: The data folder cannot be written.
        ArtifactError: A teacher is missing or damaged.
    """
    report(Progress("reading the reviews", 0, 1))
    imdb = load_imdb(imdb_source, data_dir=data_dir, allow_partial=allow_partial, report=report)
    cache = ArrayCache(data_dir / "prepared")
    corpus = _build_corpus(imdb, config.vocabulary_size, cache, report)

    phase = "training the word vectors"
    vectors = cache.get(
        "vectors",
        {**corpus.facts, "skip_gram": asdict(config.vectors)},
        lambda: {
            "vectors": train_skip_gram(
                corpus.encoded,
                corpus.vocabulary,
                config.vectors,
                progress=lambda done, of: report(Progress(phase, done, of)),
            )
        },
    )["vectors"]
    labels = corpus.labels
    train, validation = split_by_movie(imdb.train.movies, labels, share=config.validation_share, seed=config.seed)
    learning = LabelledTexts(corpus.encoded.take(train), labels[train])
    choosing = LabelledTexts(corpus.encoded.take(validation), labels[validation])
    teacher: dict[str, float] = {}
    if config.teachers:
        unlabelled = np.arange(len(labels), len(corpus.texts))
        opinions = _ask_teachers(config, corpus, train, np.concatenate((validation, unlabelled)), cache, report)
        soft, teacher = soft_labels(opinions, choosing.labels.astype(np.int8))
        learning = LabelledTexts(
            corpus.encoded.take(np.concatenate((train, unlabelled))),
            np.concatenate((labels[train].astype(np.float32), soft)),
        )
    return TrainingData(
        vocabulary=corpus.vocabulary,
        train=learning,
        validation=choosing,
        vectors=vectors,
        facts={
            "name": "IMDB",
            "train": len(train),
            "validation": len(validation),
            "unlabelled": len(imdb.unsup),
            "split": "by movie: no movie stands in both train and validation",
            "seed": config.seed,
            "corpus_sha256": corpus.facts["corpus"],
            **({"teacher_validation_accuracy": teacher} if teacher else {}),
        },
    )


@dataclass(frozen=True)
class _Corpus:
    """The training reviews, followed by the unlabelled ones.

    Attributes:
        texts: The texts as they were read.
        labels: The labels of the training reviews, int8.
        vocabulary: The vocabulary of all texts.
        encoded: All texts as token ids.
        facts: What `encoded` depends on.
    """

    texts: Sequence[str]
    labels: npt.NDArray[np.int8]
    vocabulary: Vocabulary
    encoded: EncodedTexts
    facts: dict[str, Any]


def _build_corpus(imdb: Imdb, vocabulary_size: int, cache: ArrayCache, report: Report) -> _Corpus:
    texts = imdb.train.texts + imdb.unsup.texts
    facts = {"corpus": hash_texts(texts), "spacy": stored_rules().spacy_version, "size": vocabulary_size, "code": _CODE}
    report(Progress("building the vocabulary", 0, 1))
    stored = cache.get("vocabulary", facts, lambda: _vocabulary_arrays(texts, vocabulary_size))
    vocabulary = Vocabulary.from_json(stored["json"].tobytes().decode("utf-8"))
    facts = {**facts, "vocabulary": hash_texts(vocabulary.tokens)}
    stored = cache.get("ids", facts, lambda: _encode(vocabulary, texts, report))
    return _Corpus(texts, imdb.train.labels, vocabulary, EncodedTexts(stored["ids"], stored["offsets"]), facts)


def _ask_teachers(
    config: TrainConfig,
    corpus: _Corpus,
    train: npt.NDArray[np.int64],
    unknown: npt.NDArray[np.int64],
    cache: ArrayCache,
    report: Report,
) -> dict[str, Logits]:
    """Returns the logits float32 [n] of the texts of the rows `unknown` [n], by the name of the teacher.

    Args:
        config: The recipe.
        corpus: All texts.
        train: The rows of the texts to learn from.
        unknown: The rows of the texts to judge.
        cache: The cache of the opinions.
        report: The function that is told how far each teacher is.
    """
    encoded, labels, vocab_size = corpus.encoded, corpus.labels[train], len(corpus.vocabulary)
    split = {"train": hash_texts([corpus.texts[row] for row in train])}

    def linear() -> Arrays:
        report(Progress("fitting the linear teacher", 0, 1))
        model = NbSvm(LabelledTexts(encoded.take(train), labels), vocab_size)
        return {"logits": model.logits(encoded.take(unknown))}

    def documents() -> Arrays:
        phase = "training the document vectors"
        report(Progress(phase, 0, config.documents.epochs))
        found = document_vectors(
            encoded, vocab_size, config.documents, progress=lambda done, of: report(Progress(phase, done, of))
        )
        return {"vectors": found}

    opinions = {
        "nb-svm": cache.get("opinion", {**corpus.facts, **split, "linear": asdict(NbSvmConfig())}, linear)["logits"]
    }
    vectors = cache.get("documents", {**corpus.facts, "documents": asdict(config.documents)}, documents)["vectors"]
    opinions["document vectors"] = vector_opinion(
        vectors[train], labels, vectors[unknown], config.documents.inverse_penalty
    )
    for teacher in config.teachers:
        artifact = load_artifact(teacher)

        def model(artifact: Artifact = artifact) -> Arrays:
            return {"logits": model_opinion(artifact, [corpus.texts[row] for row in unknown], report)}

        made_from = {"corpus": corpus.facts["corpus"], **split, "manifest": artifact.manifest_sha256}
        opinions[teacher] = cache.get("opinion", made_from, model)["logits"]
    return opinions


def _vocabulary_arrays(texts: Sequence[str], size: int) -> Arrays:
    content = build_vocabulary(texts, size=size).to_json()
    return {"json": np.frombuffer(content.encode("utf-8"), np.uint8)}


def _encode(vocabulary: Vocabulary, texts: Sequence[str], report: Report) -> Arrays:
    encoder = Encoder(vocabulary, max_tokens=None)
    parts = []
    for start in range(0, len(texts), _STEP):
        parts.append(encoder.encode(as_text_array(texts[start : start + _STEP])))
        report(Progress("encoding the reviews", min(start + _STEP, len(texts)), len(texts)))
    lengths = np.concatenate([part.lengths for part in parts])
    return {
        "ids": np.concatenate([part.ids for part in parts]),
        "offsets": np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64))),
    }
