"""Where a run of the `notebook` preset stands, kept in checkpoints that it can be carried on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor

from sentscore.errors import UsageError
from sentscore_train import checkpoint
from sentscore_train.notebook_model import NotebookClassifier, load_tensors, to_tensors

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
        tensors |= {f"model.{name}": tensor for name, tensor in to_tensors(model).items()}
    if state.phase in {"train", "validation"}:
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    content = {"recipe": recipe, "data": facts, "state": asdict(state)}
    # After the last step the tensors change once more, so these phases have a number of their own: until a new
    # checkpoint is whole, the file of the old one stays.
    number = state.step + {"test": 1, "done": 2}.get(state.phase, 0)
    checkpoint.write_resume(run_dir, number, content, tensors)


def found_state(content: Mapping[str, Any], run_dir: Path, recipe: Mapping[str, Any], *, resume: bool) -> State:
    """The state of a checkpoint.

    Raises:
        UsageError: `resume` is not given, or the checkpoint is of a run with other settings.
    """
    if not resume:
        raise UsageError(f"{run_dir}: holds a run already: carry it on with --resume or name another folder")
    stored = content["recipe"]
    changed = [name for name in recipe if stored.get(name) != recipe[name] and name not in _MAY_DIFFER]
    if changed:
        before = ", ".join(str(stored.get(name)) for name in changed)
        raise UsageError(
            f"{run_dir}: was trained with another {', '.join(changed)} ({before}): "
            "use the same settings or another folder"
        )
    return State(**content["state"])


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
    load_tensors(model, _under("model.", tensors))
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under("optimizer.", tensors).items():
        index, key = name.split(".")
        states.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": states, "param_groups": groups})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
