"""Saves how far a run of the preset `notebook` has come, and restores it, so that the run can be carried on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor

from sentscore.errors import UsageError
from sentscore_train.models.weights import load_tensors, to_tensors
from sentscore_train.notebook.model import NotebookClassifier
from sentscore_train.training import checkpoint

Phase = Literal["train", "validation", "test", "done"]

_MAY_DIFFER: Final = frozenset({"checkpoint_every_s", "stop_after_s"})  # settings that change nothing of the result


@dataclass
class State:
    """How far a run has come: everything of a checkpoint but its tensors.

    Attributes:
        phase: The phase that the run is in.
        epoch: The epoch that is trained or validated, from 0.
        batch: The batches of the phase that are done.
        step: The training batches of all epochs that are done.
        loss_sum: The sum of the losses of the phase's batches so far.
        accuracy_sum: The sum of the accuracies of the phase's batches so far.
        seconds: The seconds spent on the epoch so far.
        train_loss: The epoch's training loss, once it is trained.
        train_accuracy: The epoch's training accuracy, once it is trained.
        best_loss: The lowest validation loss so far. None before the first epoch is over.
        best_epoch: The epoch with the lowest validation loss, from 1.
        history: An entry for each epoch that is over.
    """

    phase: Phase = "train"
    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    accuracy_sum: float = 0.0
    seconds: float = 0.0
    train_loss: float = 0.0
    train_accuracy: float = 0.0
    best_loss: float | None = None
    best_epoch: int | None = None
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def loss(self) -> float:
        """The mean loss of the phase's batches so far."""
        return self.loss_sum / self.batch

    @property
    def accuracy(self) -> float:
        """The mean accuracy of the phase's batches so far."""
        return self.accuracy_sum / self.batch

    @property
    def best(self) -> dict[str, float]:
        """The best epoch's entry of the history."""
        return next(entry for entry in self.history if entry["epoch"] == self.best_epoch)

    @property
    def done(self) -> bool:
        """Whether the run has come to its end."""
        return self.phase == "done"

    def enter(self, phase: Phase) -> None:
        """Begins a phase, with its sums at zero."""
        self.phase, self.batch, self.loss_sum, self.accuracy_sum = phase, 0, 0.0, 0.0


def save_state(
    run_dir: Path,
    state: State,
    model: NotebookClassifier,
    optimizer: torch.optim.Optimizer,
    *,
    recipe: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Writes a checkpoint, and removes the one before when this one is whole.

    Args:
        run_dir: The run's folder.
        state: How far the run has come.
        model: The model that is trained or tested.
        optimizer: The optimizer. Its state is left out once the training is over.
        recipe: The settings, which must be the same when the run is carried on.
        facts: What describes the data, which must be the same when the run is carried on.

    Raises:
        OutputError: The folder cannot be written to, or the disk is full.
    """
    tensors: dict[str, Tensor] = {}
    if not state.done:
        tensors |= checkpoint.prefixed("model", to_tensors(model))
    if state.phase in {"train", "validation"}:
        tensors |= checkpoint.prefixed("optimizer", checkpoint.optimizer_tensors(optimizer))
    content = {"recipe": recipe, "data": facts, "state": asdict(state)}
    # After the last step the tensors change once more, so these phases have a number of their own: until a new
    # checkpoint is whole, the file of the old one stays.
    number = state.step + {"test": 1, "done": 2}.get(state.phase, 0)
    checkpoint.write_resume(run_dir, number, content, tensors)


def parse_state(content: Mapping[str, Any], run_dir: Path, recipe: Mapping[str, Any], *, resume: bool) -> State:
    """Returns the state of a checkpoint. The number of epochs may change until the test has begun.

    Raises:
        UsageError: `resume` is not given, or the checkpoint is of a run with other settings.
    """
    state = State(**content["state"])
    may_differ = _MAY_DIFFER | {"epochs"} if state.phase in {"train", "validation"} else _MAY_DIFFER
    checkpoint.require_same_recipe(run_dir, content["recipe"], recipe, resume=resume, may_differ=may_differ)
    return state


def restore_tensors(
    content: Mapping[str, Any],
    tensors: dict[str, Tensor],
    model: NotebookClassifier,
    optimizer: torch.optim.Optimizer,
    *,
    facts: Mapping[str, Any],
    run_dir: Path,
) -> None:
    """Puts a checkpoint's tensors into the model and the optimizer.

    Raises:
        UsageError: The checkpoint is of a run on other data.
    """
    if content["data"] != facts:
        raise UsageError(f"{run_dir}: was trained on other reviews: give the same reviews or another folder")
    load_tensors(model, checkpoint.under("model", tensors))
    checkpoint.load_optimizer(optimizer, checkpoint.under("optimizer", tensors))
