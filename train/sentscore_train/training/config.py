"""The recipes' numbers, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sentscore_train.data.extracts import ExtractConfig
from sentscore_train.data.word_vectors import SkipGramConfig
from sentscore_train.models.classifier import Dropout, Pooling
from sentscore_train.teachers.document_vectors import DocVectorConfig

Precision = Literal["auto", "fp32", "bf16"]

FURTHER_EPOCHS = 1
"""Of a run that begins with another's weights: once over all the reviews."""

FURTHER_LEARNING_RATE = 1e-3
"""Of the same: half of a new run's, so that what is known is not lost."""

TAUGHT_EPOCHS = 5
"""Of a new run that has teachers: there is more to learn from, and soft labels can't be learned by heart."""

TEACHER_HIDDEN_SIZE = 256
"""Units a direction of a model that is only a teacher: the notebook's; it is asked once, so it may be slow."""


@dataclass(frozen=True)
class TrainConfig:
    """The `default` preset.

    Attributes:
        vocabulary_size: as in the notebook, beside `<unk>` and `<pad>`.
        hidden_size: units a direction, half of the notebook's: three times as fast to train and to score with.
        num_layers: as in the notebook.
        pooling: the maximum over the tokens finds the one telling phrase in a long review, the mean weighs them all;
            the gradient of both reaches any token in one step.
        dropout: 0.5 as in the notebook; 9 % of words replaced keeps the model from leaning on single names.
        vectors: skip-gram vectors of the reviews themselves know the domain's words better than general ones.
        epochs: the GRU and the LSTM were both best on validation in their fourth; of epochs as good the last is kept.
        patience: epochs without a better validation accuracy before training ends early.
        batch_size: reviews a step.
        learning_rate: the highest of the one-cycle schedule (Smith and Topin 2018).
        warm_up: share of the steps in which the rate rises.
        clip: largest norm of the gradient.
        average: share of the past that the moving average of the weights keeps a step (Polyak and Juditsky 1992); the
            average over about 200 steps is what is validated and kept, for it is steadier than any one step.
        extracts: a sentence or three of each review with the label of the whole: texts of a line are scored, too. They
            take the time of a sixth of the reviews.
        max_tokens: longer reviews keep their head and tail in training; opinions stand at both ends.
        bucket_batches: batches sorted by length together: little padding, and the order stays random.
        validation_share: of the movies of the training reviews.
        start: the folder of a finished run whose best weights this one begins with; empty to begin anew.
        teachers: exported models; if there are any, the unlabelled reviews are learned from too, by the mean opinion
            of these models, NB-SVM and a classifier on document vectors.
        documents: the document vectors of that teacher.
        seed: of the split, the vectors, the weights, the order and dropout.
        precision: of the products; `auto` is bf16 on a GPU that has it. Weights are always float32.
        threads: of torch on the CPU; None leaves torch's own choice. A resumed run must use the same.
        checkpoint_every_s: seconds between two checkpoints inside an epoch.
    """

    vocabulary_size: int = 25_000
    hidden_size: int = 128
    num_layers: int = 2
    pooling: tuple[Pooling, ...] = ("max", "mean")
    dropout: Dropout = field(default_factory=lambda: Dropout(word=0.09, embedding=0.5, between=0.5, head=0.5))
    vectors: SkipGramConfig = field(default_factory=SkipGramConfig)
    epochs: int = 4
    patience: int = 2
    batch_size: int = 64
    learning_rate: float = 2e-3
    warm_up: float = 0.25
    clip: float = 1.0
    average: float = 0.995
    extracts: ExtractConfig = field(default_factory=ExtractConfig)
    max_tokens: int = 400
    bucket_batches: int = 50
    validation_share: float = 0.1
    start: str = ""
    teachers: tuple[str, ...] = ()
    documents: DocVectorConfig = field(default_factory=DocVectorConfig)
    seed: int = 1234
    precision: Precision = "auto"
    threads: int | None = None
    checkpoint_every_s: float = 180.0
