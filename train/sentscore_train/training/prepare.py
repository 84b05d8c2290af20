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
from sentscore.text.rules import stored_rules
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.batches import LabelledTexts, TrainingData
from sentscore_train.data.cache import ArrayCache, Arrays, hash_texts
from sentscore_train.data.corpus import Corpus, Source, describe, divide
from sentscore_train.data.encoding import encode_texts
from sentscore_train.data.vocabulary import build_vocabulary
from sentscore_train.data.word_vectors import train_skip_gram
from sentscore_train.teachers.document_vectors import document_vectors
from sentscore_train.teachers.nbsvm import NbSvm, NbSvmConfig
from sentscore_train.teachers.opinions import Logits, model_opinion, soft_labels, vector_opinion
from sentscore_train.training.config import TrainConfig

_CODE: Final = 2  # must rise when a step here gives another result for the same input


def prepare(config: TrainConfig, sources: Sequence[Source], data_dir: Path, *, report: Report = silent) -> TrainingData:
    """Builds the vocabulary and the word vectors of some reviews, and divides them into training and validation.

    The vocabulary and the vectors come from all of the reviews, without their labels.

    Args:
        config: The recipe.
        sources: The reviews, none of which are for testing.
        data_dir: The folder in which the result of each slow step is kept.
        report: The function that is told how far each step is.

    Raises:
        InputError: There is too little to learn from, or two sources have the same name.
        OutputError: The data folder cannot be written.
        ArtifactError: A teacher is missing or damaged.
    """
    corpus = Corpus(tuple(sources))
    cache = ArrayCache(data_dir / "prepared")
    encoded = _encode_corpus(corpus, config.vocabulary_size, cache, report)

    phase = "training the word vectors"
    vectors = cache.get(
        "vectors",
        {**encoded.made_from, "skip_gram": asdict(config.vectors)},
        lambda: {
            "vectors": train_skip_gram(
                encoded.texts,
                encoded.vocabulary,
                config.vectors,
                progress=lambda done, of: report(Progress(phase, done, of)),
            )
        },
    )["vectors"]
    division = divide(corpus, share=config.validation_share, seed=config.seed)
    labels, domain_ids = corpus.labels, corpus.domain_ids
    train, validation, unlabelled = division.train, division.validation, division.unlabelled
    choosing = LabelledTexts(encoded.texts.take(validation), labels[validation], domain_ids[validation])
    learning = LabelledTexts(encoded.texts.take(train), labels[train], domain_ids[train])
    teacher: dict[str, float] = {}
    if config.teachers:
        opinions = _ask_teachers(
            config, corpus, encoded, train, np.concatenate((validation, unlabelled)), cache, report
        )
        soft, teacher = soft_labels(opinions, choosing.labels.astype(np.int8))
        rows = np.concatenate((train, unlabelled))
        learning = LabelledTexts(
            encoded.texts.take(rows), np.concatenate((labels[train].astype(np.float32), soft)), domain_ids[rows]
        )
    return TrainingData(
        vocabulary=encoded.vocabulary,
        train=learning,
        validation=choosing,
        vectors=vectors,
        facts={
            **describe(corpus, division),
            "seed": config.seed,
            "corpus_sha256": encoded.made_from["corpus"],
            **({"teacher_validation_accuracy": teacher} if teacher else {}),
        },
        domains=corpus.domains,
        quotable=[
            corpus.texts[row] if corpus.sources[corpus.source_ids[row]].publication is not None else ""
            for row in validation
        ],
    )


@dataclass(frozen=True)
class _Encoded:
    """The texts of a corpus as token ids.

    Attributes:
        texts: All texts.
        vocabulary: The vocabulary of the ids.
        made_from: What `texts` depends on.
    """

    texts: EncodedTexts
    vocabulary: Vocabulary
    made_from: dict[str, Any]


def _encode_corpus(corpus: Corpus, vocabulary_size: int, cache: ArrayCache, report: Report) -> _Encoded:
    texts = corpus.texts
    made_from = {
        "corpus": hash_texts(texts),
        "spacy": stored_rules().spacy_version,
        "size": vocabulary_size,
        "code": _CODE,
    }
    report(Progress("building the vocabulary", 0, 1))
    stored = cache.get("vocabulary", made_from, lambda: _vocabulary_arrays(texts, vocabulary_size))
    vocabulary = Vocabulary.from_json(stored["json"].tobytes().decode("utf-8"))
    made_from = {**made_from, "vocabulary": hash_texts(vocabulary.tokens)}
    stored = cache.get("ids", made_from, lambda: _encode(vocabulary, texts, report))
    return _Encoded(EncodedTexts(stored["ids"], stored["offsets"]), vocabulary, made_from)


def _ask_teachers(
    config: TrainConfig,
    corpus: Corpus,
    encoded: _Encoded,
    train: npt.NDArray[np.int64],
    unknown: npt.NDArray[np.int64],
    cache: ArrayCache,
    report: Report,
) -> dict[str, Logits]:
    """Returns the logits float32 [n] of the texts of the rows `unknown` [n], by the name of the teacher.

    Args:
        config: The recipe.
        corpus: All texts.
        encoded: The same as token ids.
        train: The rows of the texts to learn from.
        unknown: The rows of the texts to judge.
        cache: The cache of the opinions.
        report: The function that is told how far each teacher is.
    """
    ids, labels, vocab_size = encoded.texts, corpus.labels[train], len(encoded.vocabulary)
    split = {"train": hash_texts([corpus.texts[row] for row in train])}

    def linear() -> Arrays:
        report(Progress("fitting the linear teacher", 0, 1))
        model = NbSvm(LabelledTexts(ids.take(train), labels), vocab_size)
        return {"logits": model.logits(ids.take(unknown))}

    def documents() -> Arrays:
        phase = "training the document vectors"
        report(Progress(phase, 0, config.documents.epochs))
        found = document_vectors(
            ids, vocab_size, config.documents, progress=lambda done, of: report(Progress(phase, done, of))
        )
        return {"vectors": found}

    opinions = {
        "nb-svm": cache.get("opinion", {**encoded.made_from, **split, "linear": asdict(NbSvmConfig())}, linear)[
            "logits"
        ]
    }
    vectors = cache.get("documents", {**encoded.made_from, "documents": asdict(config.documents)}, documents)["vectors"]
    opinions["document vectors"] = vector_opinion(
        vectors[train], labels, vectors[unknown], config.documents.inverse_penalty
    )
    for teacher in config.teachers:
        artifact = load_artifact(teacher)

        def model(artifact: Artifact = artifact) -> Arrays:
            return {"logits": model_opinion(artifact, [corpus.texts[row] for row in unknown], report)}

        made_from = {"corpus": encoded.made_from["corpus"], **split, "manifest": artifact.manifest_sha256}
        opinions[teacher] = cache.get("opinion", made_from, model)["logits"]
    return opinions


def _vocabulary_arrays(texts: Sequence[str], size: int) -> Arrays:
    content = build_vocabulary(texts, size=size).to_json()
    return {"json": np.frombuffer(content.encode("utf-8"), np.uint8)}


def _encode(vocabulary: Vocabulary, texts: Sequence[str], report: Report) -> Arrays:
    encoded = encode_texts(Encoder(vocabulary, max_tokens=None), texts, report)
    return {"ids": encoded.ids, "offsets": encoded.offsets}
