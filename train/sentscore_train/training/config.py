"""The numbers of the `default` recipe, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sentscore_train.data.extracts import ExtractConfig
from sentscore_train.data.word_vectors import SkipGramConfig
from sentscore_train.models.classifier import Dropout, Pooling
from sentscore_train.teachers.convolutional import ConvolutionConfig
from sentscore_train.teachers.document_vectors import DocVectorConfig
from sentscore_train.teachers.nbsvm import NbSvmConfig
from sentscore_train.training.language_model import LanguageModelConfig

Precision = Literal["auto", "fp32", "bf16"]

FURTHER_EPOCHS = 1
"""The epochs of a run that starts from another run's weights: each review once."""

FURTHER_LEARNING_RATE = 1e-3
"""The learning rate of such a run: half of a new run's, so that little of what it has learned is lost."""

TAUGHT_EPOCHS = 5
"""The epochs of a new run with teachers: there is more to learn from, and soft labels are harder to overfit."""


@dataclass(frozen=True)
class TrainConfig:
    """The `default` preset.

    Attributes:
        vocabulary_size: The number of tokens besides `<unk>` and `<pad>`, as in the notebook.
        hidden_size: The units of each direction, half as many as in the notebook: three times as fast in training and
            scoring.
        num_layers: The number of layers, as in the notebook.
        pooling: The maximum over the tokens finds the one telling phrase in a long review, and the mean weighs all of
            them. Both give every token a gradient in one step.
        dropout: 0.5 as in the notebook. Replacing 9 % of the tokens keeps the model from relying on single names.
        vectors: Skip-gram vectors of the reviews know the words of reviews better than general vectors.
        epochs: Both models were best on validation in their fourth epoch. Of equally good epochs the last is kept.
        patience: The epochs without a better validation accuracy after which training ends early.
        batch_size: The reviews of a step.
        learning_rate: The highest rate of the one-cycle schedule (Smith and Topin 2018).
        warm_up: The share of the steps in which the rate rises.
        clip: The largest norm of the gradient.
        average: The share that the moving average of the weights keeps at each step (Polyak and Juditsky 1992). The
            average over about 200 steps is validated and kept, for it is steadier than the weights of one step.
        extracts: Two extracts of each review, of one or two sentences, with the review's label, for short texts are
            scored too. Compared with one extract of up to three sentences, a small model's log loss on whole validation
            reviews was 2 (films) and 3 % (products) lower, too.
        max_tokens: Longer reviews keep only their first and last tokens in training, where most opinions are.
        bucket_batches: The number of batches that are sorted by length together. There is little padding then, and
            the order stays random.
        source_shares: The share of each source in the reviews of an epoch, in the order of the sources and in any
            unit, so that a small source is not drowned by a large one. Empty to read every review once.
        language_model: How the layers are pre-trained as language models on all texts, those without a label too; None
            for layers that start at random.
        validation_share: The share of the labelled reviews of each source.
        start: The folder of a finished run whose best weights this run starts from; empty for a new start.
        model: The folder of an exported model that this run starts from instead; empty for none. Words that the model
            does not know get vectors from those that they stand among.
        pull: How strongly the weights are drawn back to those that the run starts from: after each step they give up
            this number, times the learning rate, of their distance (Li et al. 2018, L2-SP).
        keep: Which epoch's weights are kept: the best on validation, or the last, so that no epoch is chosen.
        teachers: Exported models. If there are any, the run also learns from the unlabelled reviews, by the joint
            opinion of these models, of NB-SVM, of a classifier on document vectors and of a convolutional one. It is a
            sum of calibrated log-odds, with weights of each source's own.
        linear: How NB-SVM is fitted. Of C = 1, 0.1, 0.05 and 0.02, 0.1 was the best on the validation reviews.
        documents: The document vectors for the classifier on them; None to leave this teacher out.
        convolution: The convolutional classifier; None to leave it out. Beside NB-SVM and models that have learned
            from all kinds of reviews these two brought nothing, and take an hour.
        seed: The seed of the split, the vectors, the weights, the order and dropout.
        precision: The precision of the products; `auto` is bf16 on a GPU that has it. Weights are always float32. The
            softmax of pre-training and the convolutional teacher compute their products in bf16 everywhere.
        threads: The number of torch's CPU threads; None leaves it to torch. A resumed run must use the same.
        checkpoint_every_s: The seconds between two checkpoints inside an epoch.
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
    source_shares: tuple[float, ...] = ()
    validation_share: float = 0.1
    language_model: LanguageModelConfig | None = None
    start: str = ""
    model: str = ""
    pull: float = 0.0
    keep: Literal["best", "last"] = "best"
    teachers: tuple[str, ...] = ()
    linear: NbSvmConfig = field(default_factory=lambda: NbSvmConfig(inverse_penalty=0.1))
    documents: DocVectorConfig | None = field(default_factory=DocVectorConfig)
    convolution: ConvolutionConfig | None = field(default_factory=ConvolutionConfig)
    seed: int = 1234
    precision: Precision = "auto"
    threads: int | None = None
    checkpoint_every_s: float = 180.0
