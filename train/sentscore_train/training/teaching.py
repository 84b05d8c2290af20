"""Asks the teachers of a run for their opinions of reviews, and keeps each opinion on disk."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from sentscore.errors import UsageError
from sentscore.model.artifact import Artifact, load_artifact
from sentscore.progress import Progress, Report, silent
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.data.cache import ArrayCache, hash_texts
from sentscore_train.data.corpus import Corpus
from sentscore_train.data.encoding import EncodedCorpus
from sentscore_train.teachers.document_vectors import DocVectorConfig, document_vectors
from sentscore_train.teachers.nbsvm import NbSvm
from sentscore_train.teachers.opinions import Logits, model_opinion, vector_opinion
from sentscore_train.training.config import TrainConfig
from sentscore_train.training.convolution import convolution_opinion

_CODE: Final = 1  # must rise when a teacher here gives another opinion of the same texts

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the teachers learn from and what they are asked about.

    Attributes:
        corpus: All reviews.
        encoded: The same as token ids.
        vectors: The word vectors, float32 [V, E].
        train: The rows of the reviews to learn from.
        unknown: The rows [n] of the reviews to judge.
    """

    corpus: Corpus
    encoded: EncodedCorpus
    vectors: npt.NDArray[np.float32]
    train: Rows
    unknown: Rows

    @property
    def learned(self) -> LabelledTexts:
        """The reviews to learn from."""
        return LabelledTexts(self.encoded.texts.take(self.train), self.corpus.labels[self.train])

    @cached_property
    def made_from(self) -> dict[str, Any]:
        """What every opinion depends on."""
        domains = [f"{domain.source}\n{domain.name}" for domain in self.corpus.domains]
        rows = (self.train, self.unknown)
        return {
            **self.encoded.made_from,
            "rows": [hash_texts([self.corpus.texts[row] for row in each]) for each in rows],
            "kinds": [hash_texts([domains[self.corpus.domain_ids[row]] for row in each]) for each in rows],
            "labels": hash_texts(map(str, self.corpus.labels[self.train])),
        }


def ask_teachers(
    config: TrainConfig, lesson: Lesson, cache: ArrayCache, *, device: torch.device, report: Report = silent
) -> dict[str, Logits]:
    """Returns the logits float32 [n] of the reviews to judge, by the name of the teacher.

    Args:
        config: The recipe.
        lesson: What the teachers learn from and judge.
        cache: The cache of the opinions.
        device: The device that the convolutional teacher is trained on.
        report: The function that is told how far each teacher is.

    Raises:
        ArtifactError: A teacher is missing or damaged.
        UsageError: A teacher has learned from reviews that this run validates on.
        OutputError: The cache cannot be written.
    """
    corpus, train, unknown = lesson.corpus, lesson.train, lesson.unknown
    ids, vocabulary = lesson.encoded.texts, lesson.encoded.vocabulary

    def keep(made_from: dict[str, Any], make: Callable[[], Logits]) -> Logits:
        key = {**lesson.made_from, **made_from, "code": _CODE}
        return cache.get("opinion", key, lambda: {"logits": make()})["logits"]

    def linear() -> Logits:
        report(Progress("fitting the linear teacher", 0, 1))
        kinds = _kinds(corpus)
        model = NbSvm(lesson.learned, len(vocabulary), config.linear, kinds=[each[train] for each in kinds])
        return model.logits(ids.take(unknown), [each[unknown] for each in kinds])

    sources = corpus.source_ids.astype(np.int64)
    opinions = {"nb-svm": keep({"linear": asdict(config.linear)}, linear)}
    if config.documents is not None:
        vectors = _document_vectors(config.documents, lesson, cache, report)
        opinions["document vectors"] = vector_opinion(
            vectors[train],
            corpus.labels[train],
            vectors[unknown],
            config.documents.inverse_penalty,
            sources=(sources[train], sources[unknown]),
        )
    if (settings := config.convolution) is not None:
        opinions["convolution"] = keep(
            {**_convolution_recipe(config), "device": device.type},
            lambda: convolution_opinion(
                lesson.learned,
                ids.take(unknown),
                vocabulary,
                lesson.vectors,
                settings,
                config,
                device=device,
                report=report,
            ),
        )
    for teacher in config.teachers:
        artifact = load_artifact(teacher)
        check_not_learned(artifact, config.seed, corpus, "--teacher")
        texts = [corpus.texts[row] for row in unknown]
        opinion = keep(
            {"manifest": artifact.manifest_sha256},
            lambda artifact=artifact, texts=texts: model_opinion(artifact, texts, report),  # type: ignore[misc]
        )
        opinions[_free_name(artifact.name, opinions)] = opinion
    return opinions


def _convolution_recipe(config: TrainConfig) -> dict[str, Any]:
    """Returns the settings that the convolutional teacher depends on."""
    shared = ("dropout", "extracts", "vectors", "convolution")
    plain = ("batch_size", "bucket_batches", "max_tokens", "warm_up", "clip", "average", "threads")
    return {
        **{name: asdict(getattr(config, name)) for name in shared},
        **{name: getattr(config, name) for name in plain},
    }


def check_not_learned(artifact: Artifact, seed: int, corpus: Corpus, option: str) -> None:
    """Checks that a model has not learned from reviews that a run validates on.

    Args:
        artifact: The model.
        seed: The seed of the run.
        corpus: The run's reviews.
        option: The option that names the model.

    Raises:
        UsageError: It was trained on one of the sources, divided with another seed.
    """
    data = artifact.manifest.data
    names = {str(source.get("name")) for source in data.get("sources", ())} or {str(data.get("name"))}
    shared = sorted(names.intersection(source.name for source in corpus.sources))
    if shared and data.get("seed") != seed:
        raise UsageError(
            f"{option} {artifact.path}: learned from {', '.join(shared)} with the seed {data.get('seed')}, so from "
            f"reviews that the seed {seed} validates on: use --seed {data.get('seed')}"
        )


def _free_name(name: str, taken: Container[str]) -> str:
    """Returns the name, with a number behind it if it is taken; `all` stands for the joint opinion."""
    names = [name, *(f"{name} ({number})" for number in range(2, 100))]
    return next(each for each in names if each not in taken and each != "all")


def _kinds(corpus: Corpus) -> tuple[Rows, Rows]:
    """Returns the source and the domain of each review, int64 [all] each; -1 where that tells nothing.

    A source tells nothing if it is the only one, and a domain if it is the only one of its source.
    """
    sources, domains = corpus.source_ids.astype(np.int64), corpus.domain_ids.astype(np.int64)
    owners = [domain.source for domain in corpus.domains]
    alone = np.array([owners.count(owner) == 1 for owner in owners])
    return np.where(len(corpus.sources) == 1, -1, sources), np.where(alone[domains], -1, domains)


def _document_vectors(
    config: DocVectorConfig, lesson: Lesson, cache: ArrayCache, report: Report
) -> npt.NDArray[np.float32]:
    """Returns the vector of every review of the corpus, float32 [all, dim]."""
    phase = "training the document vectors"

    def make() -> npt.NDArray[np.float32]:
        report(Progress(phase, 0, config.epochs))
        return document_vectors(
            lesson.encoded.texts,
            len(lesson.encoded.vocabulary),
            config,
            progress=lambda done, of: report(Progress(phase, done, of)),
        )

    key = {**lesson.encoded.made_from, "documents": asdict(config)}
    return cache.get("documents", key, lambda: {"vectors": make()})["vectors"]
