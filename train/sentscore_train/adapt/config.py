"""The numbers of an adaptation, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sentscore_train.data.extracts import ExtractConfig
from sentscore_train.models.classifier import Architecture, Dropout
from sentscore_train.training.config import TrainConfig

_LEAST_EPOCHS, _MOST_EPOCHS = 2, 6
_TEXTS: Final = 12_000  # learned from in all epochs, where the borders above allow it


@dataclass(frozen=True)
class AdaptConfig:
    """How a model learns from a user's reviews.

    Attributes:
        held_out: The share of the labelled reviews that is held out. The model is measured on them before and after,
            and the temperature is fitted to them. Nothing else is chosen by them.
        most_held_out: The most reviews that are held out: with 2,000, the interval of an accuracy of 90 % is 2.6
            points.
        least_new_word: How often a word must occur to join the vocabulary. A rarer one has too few contexts for a
            vector, and teaches little.
        most_new_words: The most words that join the vocabulary. Each makes the model 600 bytes larger.
        opinion: The share of the start's own opinion in the label that a review is learned with. It keeps what the
            start knows where the labels do not contradict it.
        pull: How strongly the weights are drawn back to the start's, as in `TrainConfig`.
        epochs: The passes over the reviews; None takes fewer the more reviews there are.
        batch_size: The reviews of a step: half of a new model's, for a few hundred reviews make few steps.
        learning_rate: The highest learning rate: half of a new model's, so that little of what it has learned is lost.
        average: The share that the moving average of the weights keeps at each step: an average over about 100 steps,
            of which there are few.
        dropout: As for a new model.
        extracts: All whole reviews, and an extract of every second one, so that single sentences stay well scored.
        max_tokens: Longer reviews keep only their first and last tokens in training.
        seed: The seed of the division, the order and dropout.
        threads: The number of torch's CPU threads; None leaves it to torch. A resumed run must use the same.
        checkpoint_every_s: The seconds between two checkpoints inside an epoch.
    """

    held_out: float = 0.15
    most_held_out: int = 2_000
    least_new_word: int = 5
    most_new_words: int = 5_000
    opinion: float = 0.1
    pull: float = 1.0
    epochs: int | None = None
    batch_size: int = 32
    learning_rate: float = 1e-3
    average: float = 0.99
    dropout: Dropout = field(default_factory=lambda: Dropout(word=0.09, embedding=0.5, between=0.5, head=0.5))
    extracts: ExtractConfig = field(
        default_factory=lambda: ExtractConfig(whole=1.0, share=0.5, sentences=3, at_end=0.4)
    )
    max_tokens: int = 400
    seed: int = 1234
    threads: int | None = None
    checkpoint_every_s: float = 60.0

    def share_held_out(self, labelled: int) -> float:
        """Returns the share of so many labelled reviews that is held out."""
        return min(self.held_out, self.most_held_out / max(1, labelled))

    def train_config(self, architecture: Architecture, start: str, texts: int) -> TrainConfig:
        """Returns the recipe of the training.

        Args:
            architecture: The model's.
            start: What tells the start from every other model.
            texts: The number of reviews to learn from.
        """
        epochs = self.epochs or max(_LEAST_EPOCHS, min(_MOST_EPOCHS, round(_TEXTS / max(1, texts))))
        return TrainConfig(
            vocabulary_size=architecture.vocab_size - 2,
            hidden_size=architecture.hidden_size,
            num_layers=architecture.num_layers,
            pooling=architecture.pooling,
            dropout=self.dropout,
            epochs=epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            average=self.average,
            extracts=self.extracts,
            max_tokens=self.max_tokens,
            validation_share=self.held_out,
            start=start,
            pull=self.pull,
            keep="last",
            seed=self.seed,
            threads=self.threads,
            checkpoint_every_s=self.checkpoint_every_s,
        )
