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

from sentscore.artifact import load_artifact
from sentscore.encoder import EncodedTexts, Encoder
from sentscore.tokenizer_rules import spacy_version
from sentscore.vocabulary import Vocabulary
from sentscore_train.batches import LabelledTexts
from sentscore_train.config import TrainConfig
from sentscore_train.download import new_file
from sentscore_train.imdb import load_imdb
from sentscore_train.loop import TrainingData
from sentscore_train.nbsvm import NbSvmConfig
from sentscore_train.progress import Progress, Report, silent
from sentscore_train.splits import movie_split
from sentscore_train.teacher import soft_labels
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
    if config.teachers:
        artifacts = [load_artifact(teacher) for teacher in config.teachers]
        unlabelled = np.arange(len(imdb.train), len(texts))
        soft = cache.get(
            "soft_labels",
            {
                **facts,
                "teachers": [artifact.manifest_sha256 for artifact in artifacts],
                "linear": asdict(NbSvmConfig()),
                "train": _digest([imdb.train.texts[row] for row in train]),
            },
            lambda: {
                "probabilities": soft_labels(
                    artifacts,
                    train=to_learn,
                    validation=to_choose,
                    texts=imdb.unsup.texts,
                    encoded=encoded.take(unlabelled),
                    vocab_size=len(vocabulary),
                    report=report,
                )
            },
        )["probabilities"]
        to_learn = LabelledTexts(
            encoded.take(np.concatenate((train, unlabelled))),
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
        },
    )


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
