"""Makes what the `default` preset trains on, and keeps each step's result on disk, keyed by what made it."""

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

_CODE: Final = 1  # raised when a step here comes to another result from the same input
_STEP: Final = 1_000  # reviews between two reports


def prepare(
    config: TrainConfig,
    imdb_source: Path | None,
    data_dir: Path,
    *,
    allow_partial: bool = False,
    report: Report = silent,
) -> TrainingData:
    """Reads the reviews, builds the vocabulary and the word vectors, splits by movie.

    Vocabulary and vectors come from the training and the unlabelled reviews, labels unseen. The test reviews are not
    looked at.

    Args:
        config: the recipe.
        imdb_source: as in `imdb.load_imdb`.
        data_dir: where downloads and results are kept.
        allow_partial: accept fewer reviews than published.
        report: told how far each step is.

    Raises:
        InputError: the data is missing or damaged.
        OutputError: the data folder cannot be written.
        ArtifactError: a teacher is missing or damaged.
    """
    report(Progress("reading the reviews", 0, 1))
    imdb = load_imdb(imdb_source, data_dir=data_dir, allow_partial=allow_partial, report=report)
    cache = ArrayCache(data_dir / "prepared")
    corpus = _corpus(imdb, config.vocabulary_size, cache, report)

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
    to_learn = LabelledTexts(corpus.encoded.take(train), labels[train])
    to_choose = LabelledTexts(corpus.encoded.take(validation), labels[validation])
    teacher: dict[str, float] = {}
    if config.teachers:
        unlabelled = np.arange(len(labels), len(corpus.texts))
        opinions = _opinions(config, corpus, train, np.concatenate((validation, unlabelled)), cache, report)
        soft, teacher = soft_labels(opinions, to_choose.labels.astype(np.int8))
        to_learn = LabelledTexts(
            corpus.encoded.take(np.concatenate((train, unlabelled))),
            np.concatenate((labels[train].astype(np.float32), soft)),
        )
    return TrainingData(
        vocabulary=corpus.vocabulary,
        train=to_learn,
        validation=to_choose,
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
    """The reviews of the training set and the unlabelled ones, in that order.

    Attributes:
        texts: as they were read.
        labels: int8 of the training set.
        vocabulary: made of all of them.
        encoded: all of them.
        facts: what `encoded` depends on.
    """

    texts: Sequence[str]
    labels: npt.NDArray[np.int8]
    vocabulary: Vocabulary
    encoded: EncodedTexts
    facts: dict[str, Any]


def _corpus(imdb: Imdb, vocabulary_size: int, cache: ArrayCache, report: Report) -> _Corpus:
    texts = imdb.train.texts + imdb.unsup.texts
    facts = {"corpus": hash_texts(texts), "spacy": stored_rules().spacy_version, "size": vocabulary_size, "code": _CODE}
    report(Progress("building the vocabulary", 0, 1))
    stored = cache.get("vocabulary", facts, lambda: _vocabulary_arrays(texts, vocabulary_size))
    vocabulary = Vocabulary.from_json(stored["json"].tobytes().decode("utf-8"))
    facts = {**facts, "vocabulary": hash_texts(vocabulary.tokens)}
    stored = cache.get("ids", facts, lambda: _encode(vocabulary, texts, report))
    return _Corpus(texts, imdb.train.labels, vocabulary, EncodedTexts(stored["ids"], stored["offsets"]), facts)


def _opinions(
    config: TrainConfig,
    corpus: _Corpus,
    train: npt.NDArray[np.int64],
    asked: npt.NDArray[np.int64],
    cache: ArrayCache,
    report: Report,
) -> dict[str, Logits]:
    """What each teacher says of the texts of the rows `asked` [n], logits float32 [n] by its name.

    Args:
        config: the recipe.
        corpus: all texts.
        train: rows of the texts to learn from.
        asked: rows of the texts to be judged.
        cache: keeps each opinion.
        report: told how far each teacher is.
    """
    encoded, labels, vocab_size = corpus.encoded, corpus.labels[train], len(corpus.vocabulary)
    split = {"train": hash_texts([corpus.texts[row] for row in train])}

    def linear() -> Arrays:
        report(Progress("fitting the linear teacher", 0, 1))
        model = NbSvm(LabelledTexts(encoded.take(train), labels), vocab_size)
        return {"logits": model.logits(encoded.take(asked))}

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
        vectors[train], labels, vectors[asked], config.documents.inverse_penalty
    )
    for teacher in config.teachers:
        artifact = load_artifact(teacher)

        def model(artifact: Artifact = artifact) -> Arrays:
            return {"logits": model_opinion(artifact, [corpus.texts[row] for row in asked], report)}

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
