"""Makes what the `default` preset trains on, and keeps each step's result on disk, keyed by what made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sentscore.artifact import Artifact, load_artifact
from sentscore.encoder import EncodedTexts, Encoder
from sentscore.tokenizer_rules import spacy_version
from sentscore.vocabulary import Vocabulary
from sentscore_train.batches import LabelledTexts
from sentscore_train.config import TrainConfig
from sentscore_train.docvectors import document_vectors
from sentscore_train.download import new_file
from sentscore_train.imdb import load_imdb
from sentscore_train.loop import TrainingData
from sentscore_train.nbsvm import NbSvmConfig
from sentscore_train.progress import Progress, Report, silent
from sentscore_train.splits import movie_split
from sentscore_train.teacher import Logits, linear_opinion, model_opinion, soft_labels, vector_opinion
from sentscore_train.vectors import skip_gram
from sentscore_train.vocabulary import build_vocabulary

_CODE: Final = 1  # raised when a step here comes to another result from the same input
_STEP: Final = 1_000  # reviews between two reports

Arrays = dict[str, npt.NDArray[Any]]


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
    texts = imdb.train.texts + imdb.unsup.texts
    cache = _Cache(data_dir / "prepared")

    facts = {
        "corpus": _digest(texts),
        "spacy": spacy_version(),
        "size": config.vocabulary_size,
        "code": _CODE,
    }
    report(Progress("building the vocabulary", 0, 1))
    stored = cache.get("vocabulary", facts, lambda: _vocabulary_arrays(texts, config.vocabulary_size))
    vocabulary = Vocabulary.from_json(stored["json"].tobytes().decode("utf-8"))

    facts = {**facts, "vocabulary": _digest(vocabulary.tokens)}
    stored = cache.get("ids", facts, lambda: _encode(vocabulary, texts, report))
    encoded = EncodedTexts(stored["ids"], stored["offsets"])

    facts = {**facts, "skip_gram": asdict(config.vectors)}
    phase = "training the word vectors"
    stored = cache.get(
        "vectors",
        facts,
        lambda: {
            "vectors": skip_gram(
                encoded,
                vocabulary,
                config.vectors,
                progress=lambda done, of: report(Progress(phase, done, of)),
            )
        },
    )
    vectors = stored["vectors"]
    labels = imdb.train.labels
    train, validation = movie_split(imdb.train.movies, labels, share=config.validation_share, seed=config.seed)
    to_learn = LabelledTexts(encoded.take(train), labels[train])
    to_choose = LabelledTexts(encoded.take(validation), labels[validation])
    teacher: dict[str, float] = {}
    if config.teachers:
        asked = np.concatenate((validation, np.arange(len(imdb.train), len(texts))))
        opinions = _opinions(config, cache, facts, texts, encoded, len(vocabulary), labels, train, asked, report)
        soft, teacher = soft_labels(opinions, to_choose.labels.astype(np.int8))
        to_learn = LabelledTexts(
            encoded.take(np.concatenate((train, asked[len(validation) :]))),
            np.concatenate((labels[train].astype(np.float32), soft)),
        )
    return TrainingData(
        vocabulary=vocabulary,
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
            "corpus_sha256": facts["corpus"],
            **({"teacher_validation_accuracy": teacher} if teacher else {}),
        },
    )


def _opinions(
    config: TrainConfig,
    cache: _Cache,
    facts: dict[str, Any],
    texts: Sequence[str],
    encoded: EncodedTexts,
    vocab_size: int,
    labels: npt.NDArray[np.int8],
    train: npt.NDArray[np.int64],
    asked: npt.NDArray[np.int64],
    report: Report,
) -> dict[str, Logits]:
    """What each teacher says of the texts of the rows `asked` [n], logits float32 [n] by its name.

    Args:
        config: the recipe.
        cache: keeps each opinion.
        facts: what `encoded` is made from.
        texts: all texts.
        encoded: the same as ids.
        vocab_size: ids are below it.
        labels: of the labelled texts, which come first.
        train: rows of the texts to learn from.
        asked: rows of the texts to be judged.
        report: told how far each teacher is.
    """
    split = {"train": _digest([texts[row] for row in train])}

    def linear() -> Arrays:
        report(Progress("fitting the linear teacher", 0, 1))
        return {
            "logits": linear_opinion(LabelledTexts(encoded.take(train), labels[train]), encoded.take(asked), vocab_size)
        }

    def documents() -> Arrays:
        phase = "training the document vectors"
        report(Progress(phase, 0, config.documents.epochs))
        found = document_vectors(
            encoded, vocab_size, config.documents, progress=lambda done, of: report(Progress(phase, done, of))
        )
        return {"vectors": found}

    opinions = {"nb-svm": cache.get("opinion", {**facts, **split, "linear": asdict(NbSvmConfig())}, linear)["logits"]}
    vectors = cache.get("documents", {**facts, "documents": asdict(config.documents)}, documents)["vectors"]
    opinions["document vectors"] = vector_opinion(
        vectors[train], labels[train], vectors[asked], config.documents.inverse_penalty
    )
    for teacher in config.teachers:
        artifact = load_artifact(teacher)

        def model(artifact: Artifact = artifact) -> Arrays:
            return {"logits": model_opinion(artifact, [texts[row] for row in asked], report)}

        made_from = {"corpus": facts["corpus"], **split, "manifest": artifact.manifest_sha256}
        opinions[teacher] = cache.get("opinion", made_from, model)["logits"]
    return opinions


class _Cache:
    """Results on disk as safetensors, one file for each key; a damaged file counts as none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str, key: dict[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """The arrays made from what `key` says, from disk or made now."""
        made_from = json.dumps(key, sort_keys=True)
        path = self.folder / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:16]}.safetensors"
        if path.exists():
            try:
                with safe_open(path, "np") as file:
                    if file.metadata() == {"made_from": made_from}:
                        return {tensor: file.get_tensor(tensor) for tensor in file.keys()}  # noqa: SIM118 - no dict
            except (OSError, SafetensorError):
                pass  # made again below
        arrays = make()
        with new_file(path) as target:
            target.write(save(arrays, {"made_from": made_from}))
        return arrays


def _vocabulary_arrays(texts: Sequence[str], size: int) -> Arrays:
    content = build_vocabulary(texts, size=size).to_json()
    return {"json": np.frombuffer(content.encode("utf-8"), np.uint8)}


def _encode(vocabulary: Vocabulary, texts: Sequence[str], report: Report) -> Arrays:
    encoder = Encoder(vocabulary, max_tokens=None)
    parts = []
    for start in range(0, len(texts), _STEP):
        parts.append(encoder.encode(texts[start : start + _STEP]))
        report(Progress("encoding the reviews", min(start + _STEP, len(texts)), len(texts)))
    lengths = np.concatenate([part.lengths for part in parts])
    return {
        "ids": np.concatenate([part.ids for part in parts]),
        "offsets": np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64))),
    }


def _digest(texts: Sequence[str]) -> str:
    """The sha256 of texts, in hexadecimal; their borders count."""
    digest = hashlib.sha256()
    for text in texts:
        content = text.encode("utf-8")
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()
