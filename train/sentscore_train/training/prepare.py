"""Prepares what the preset `default` trains on, and keeps the result of each slow step on disk."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from sentscore.errors import InputError, UsageError
from sentscore.model.artifact import Artifact, load_artifact
from sentscore.progress import Progress, Report, silent
from sentscore_train.data.batches import LabelledTexts, TrainingData
from sentscore_train.data.cache import ArrayCache, Arrays
from sentscore_train.data.corpus import Corpus, Source, describe, divide
from sentscore_train.data.encoding import EncodedCorpus, encode_corpus
from sentscore_train.data.word_vectors import train_skip_gram
from sentscore_train.models.classifier import Architecture, Cell
from sentscore_train.teachers.opinions import soft_labels
from sentscore_train.training.config import TrainConfig
from sentscore_train.training.earlier import translate_weights
from sentscore_train.training.language_model import pretrain
from sentscore_train.training.memory import keep_freed_memory
from sentscore_train.training.teaching import Lesson, ask_teachers, check_not_learned

_CODE: Final = 1  # must rise when the same settings pre-train other weights


def prepare(
    cell: Cell,
    config: TrainConfig,
    sources: Sequence[Source],
    data_dir: Path,
    *,
    device: torch.device,
    report: Report = silent,
) -> TrainingData:
    """Builds the vocabulary and the word vectors of some reviews, and divides them into training and validation.

    The vocabulary, the vectors and the pre-trained layers come from all of the reviews, without their labels.

    Args:
        cell: The recurrent cell of the model.
        config: The recipe.
        sources: The reviews, none of which are for testing.
        data_dir: The folder in which the result of each slow step is kept.
        device: The device that the layers are pre-trained on, and the convolutional teacher.
        report: The function that is told how far each step is.

    Raises:
        InputError: There is too little to learn from, or two sources have the same name.
        OutputError: The data folder cannot be written.
        ArtifactError: A teacher is missing or damaged.
    """
    keep_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    corpus = Corpus(tuple(sources))
    cache = ArrayCache(data_dir / "prepared", report)
    encoded = encode_corpus(corpus, config.vocabulary_size, cache, report)

    start = _read_start(config, corpus)
    begun = None if start is None else _translate(cell, config, start, encoded, cache, report)
    # A model that has learned brings vectors of its own.
    vectors = _word_vectors(config, encoded, cache, report) if begun is None else begun["embedding.weight"]
    division = divide(corpus, share=config.validation_share, seed=config.seed)
    labels, domain_ids = corpus.labels, corpus.domain_ids
    train, validation, unlabelled = division.train, division.validation, division.unlabelled
    choosing = LabelledTexts(encoded.texts.take(validation), labels[validation], domain_ids[validation])
    learning = LabelledTexts(encoded.texts.take(train), labels[train], domain_ids[train])
    teachers: dict[str, Any] = {}
    if config.teachers:
        unknown = np.concatenate((validation, unlabelled))
        lesson = Lesson(corpus, encoded, vectors, train, unknown)
        opinions = ask_teachers(config, lesson, cache, device=device, report=report)
        names = [source.name for source in corpus.sources]
        soft, teachers = soft_labels(opinions, choosing.labels.astype(np.int8), corpus.source_ids[unknown], names)
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
            **({"teacher_validation_accuracy": teachers} if teachers else {}),
            **({} if start is None else {"start": describe_start(start)}),
        },
        domains=corpus.domains,
        quotable=[
            corpus.texts[row] if corpus.sources[corpus.source_ids[row]].publication is not None else ""
            for row in validation
        ],
        pretrained=begun or _pretrain(cell, config, encoded, vectors, cache, device, report),
    )


def describe_start(artifact: Artifact) -> dict[str, Any]:
    """Returns the facts about a model that another one has started from, for the manifest and the card."""
    return {
        "name": artifact.name,
        "manifest_sha256": artifact.manifest_sha256,
        "data": artifact.manifest.data,
    }


def _read_start(config: TrainConfig, corpus: Corpus) -> Artifact | None:
    """Returns the model that the run starts from, if there is one.

    Raises:
        ArtifactError: It is missing or damaged.
        UsageError: It has learned from reviews that this run validates on.
    """
    if not config.model:
        return None
    artifact = load_artifact(config.model)
    check_not_learned(artifact, config.seed, corpus, "--start")
    return artifact


def _translate(
    cell: Cell, config: TrainConfig, start: Artifact, encoded: EncodedCorpus, cache: ArrayCache, report: Report
) -> Arrays:
    """Returns the weights of the model that the run starts from, for the tokens of these reviews."""
    architecture = Architecture(
        cell,
        len(encoded.vocabulary),
        int(start.manifest.architecture["embedding_dim"]),
        config.hidden_size,
        config.num_layers,
        config.pooling,
    )
    key = {**encoded.made_from, "manifest": start.manifest_sha256, "architecture": asdict(architecture), "code": _CODE}
    report(Progress("placing new words", 0, 1))
    return cache.get("start", key, lambda: translate_weights(start, encoded, architecture))


def _word_vectors(
    config: TrainConfig, encoded: EncodedCorpus, cache: ArrayCache, report: Report
) -> npt.NDArray[np.float32]:
    """Returns the vector of each token, float32 [V, E], from all reviews."""
    phase = "training the word vectors"
    return cache.get(
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


def _pretrain(
    cell: Cell,
    config: TrainConfig,
    encoded: EncodedCorpus,
    vectors: npt.NDArray[np.float32],
    cache: ArrayCache,
    device: torch.device,
    report: Report,
) -> dict[str, npt.NDArray[np.float32]] | None:
    """Returns the weights of the layers and the embedding as language models, if the recipe wants them."""
    if config.language_model is None:
        return None
    settings = config.language_model
    vocab_size, embedding_dim = vectors.shape
    architecture = Architecture(cell, vocab_size, embedding_dim, config.hidden_size, config.num_layers, config.pooling)
    key = {
        **encoded.made_from,
        "skip_gram": asdict(config.vectors),
        "language_model": asdict(settings),
        "architecture": asdict(architecture),
        "device": device.type,
        "threads": config.threads,
        "code": _CODE,
    }
    folder = cache.path("language-model", key).with_suffix(".run")

    def make() -> Arrays:
        try:
            return train_layers()
        except (InputError, UsageError):  # a checkpoint that is damaged, or left by other code
            shutil.rmtree(folder, ignore_errors=True)
            return train_layers()

    def train_layers() -> Arrays:
        return pretrain(
            encoded.texts,
            vectors,
            encoded.vocabulary.pad_id,  # no text has it
            architecture,
            settings,
            folder,
            device=device,
            checkpoint_every_s=config.checkpoint_every_s,
            report=report,
        )

    found = cache.get("language-model", key, make)
    shutil.rmtree(folder, ignore_errors=True)
    return found
