"""Where a run of the `notebook` preset stands, kept in checkpoints that it can be carried on from."""

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

_MAY_DIFFER: Final = frozenset({"checkpoint_every_s", "stop_after_s"})  # between a run and its continuation


@dataclass
class State:
    """Everything of a checkpoint but its tensors.

    Attributes:
        phase: what is being done.
        epoch: the one that is trained or validated, from 0.
        batch: batches of the phase that are done.
        step: training batches that are done in all.
        loss_sum: over the phase's batches so far.
        accuracy_sum: over the phase's batches so far.
        seconds: spent on the epoch so far.
        train_loss: of the epoch, once it is trained.
        train_accuracy: of the epoch, once it is trained.
        best_loss: lowest validation loss so far; None before the first epoch is over.
        best_epoch: the epoch that had it, from 1.
        history: an entry an epoch.
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
        """Mean over the phase's batches so far."""
        return self.loss_sum / self.batch

    @property
    def accuracy(self) -> float:
        """Mean over the phase's batches so far."""
        return self.accuracy_sum / self.batch

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase == "done"

    def enter(self, phase: Phase) -> None:
        """Begins a phase with its sums at zero."""
        self.phase, self.batch, self.loss_sum, self.accuracy_sum = phase, 0, 0.0, 0.0


def save(
    run_dir: Path,
    state: State,
    model: NotebookClassifier,
    optimizer: torch.optim.Optimizer,
    *,
    recipe: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    """Writes a checkpoint; the one before is removed when this one is whole.

    Args:
        run_dir: the run's folder.
        state: where the run stands.
        model: its weights; those of the best epoch in the test.
        optimizer: its state is left out once the training is over.
        recipe: settings that a continuation must share.
        facts: of the data that a continuation must share.
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


def found_state(content: Mapping[str, Any], run_dir: Path, recipe: Mapping[str, Any], *, resume: bool) -> State:
    """The state of a checkpoint; the number of epochs may change until the test has begun.

    Raises:
        UsageError: `resume` is not given, or the checkpoint is of a run with other settings.
    """
    state = State(**content["state"])
    may_differ = _MAY_DIFFER | {"epochs"} if state.phase in {"train", "validation"} else _MAY_DIFFER
    checkpoint.require_same_recipe(run_dir, content["recipe"], recipe, resume=resume, may_differ=may_differ)
    return state


def restore(
    content: Mapping[str, Any],
    tensors: dict[str, Tensor],
    model: NotebookClassifier,
    optimizer: torch.optim.Optimizer,
    *,
    facts: Mapping[str, Any],
    run_dir: Path,
) -> None:
    """Puts a checkpoint's tensors into model and optimizer.

    Raises:
        UsageError: the checkpoint is of a run on other data.
    """
    if content["data"] != facts:
        raise UsageError(f"{run_dir}: was trained on other reviews: give the same ones or another folder")
    load_tensors(model, checkpoint.under("model", tensors))
    checkpoint.load_optimizer(optimizer, checkpoint.under("optimizer", tensors))
