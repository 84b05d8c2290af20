"""Trains the preset `default`, and leaves the best epoch's weights and the curves in the run folder.

    sentscore-train lstm --preset default --imdb aclImdb_v1.tar.gz --run-dir runs/lstm

A run that was killed can be carried on with `--resume` and comes to the same weights. For the order of the batches
depends only on the seed and the epoch, and the random numbers of a step depend only on the seed and the step.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sentscore.errors import UsageError
from sentscore.model.batching import batches_by_length
from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import head_and_tail
from sentscore_train.data.batches import LabelledTexts, TrainingData, draw_shares, order_batches
from sentscore_train.data.extracts import add_extracts, find_sentence_ends
from sentscore_train.evaluation.calibration import balance_weights, fit_temperature, log_loss
from sentscore_train.models.classifier import Architecture, Cell, SentimentClassifier
from sentscore_train.models.weights import load_tensors, to_tensors
from sentscore_train.training import checkpoint
from sentscore_train.training.config import Precision, TrainConfig
from sentscore_train.training.device import autocast, resolve_run_precision
from sentscore_train.training.memory import keep_freed_memory

_EVALUATION_TOKENS = 32_768  # in a batch of validation, padding included; about 300 MB of activations


@dataclass
class _State:
    """How far a run is: all of a checkpoint but the tensors."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    best_accuracy: float = -1.0
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class _Run:
    """What stays the same from the first step to the last.

    Attributes:
        run_dir: The run's folder.
        recipe: The settings that the checkpoints carry.
        model: The model that learns.
        averaged: The moving average of its weights.
        start: The weights that it began with, float32 as the model's parameters; None where nothing draws it back.
        optimizer: The optimizer of the model.
        device: The device that both models are on.
        report: The function that is told how far the run is.
    """

    run_dir: Path
    recipe: dict[str, Any]
    model: SentimentClassifier
    averaged: SentimentClassifier
    start: list[Tensor] | None
    optimizer: torch.optim.Optimizer
    device: torch.device
    report: Report


def train(
    cell: Cell,
    config: TrainConfig,
    data: TrainingData,
    run_dir: Path,
    *,
    device: torch.device,
    start: SentimentClassifier | None = None,
    resume: bool = False,
    report: Report = silent,
) -> list[dict[str, float]]:
    """Trains until the last epoch, or until `patience` epochs brought nothing better, and returns the history.

    Each entry of the history has `epoch`, `train_loss`, `train_accuracy`, `validation_loss`,
    `validation_accuracy`, `temperature` and `seconds`. Losses are in nats, and accuracies are shares.

    Args:
        cell: The recurrent cell.
        config: The recipe.
        data: What the model learns from and is validated on.
        run_dir: The folder of the run.
        device: The device to train on.
        start: A model to start from, whose architecture then takes the place of the recipe's; it is not changed.
        resume: Whether to carry on from the run's last checkpoint.
        report: The function that is told how far the run is.

    Raises:
        UsageError: The run folder holds a run and `resume` is false, or the run has other settings; or the run to
            start from has another architecture or vocabulary; or the precision is bf16 on a CPU.
        InputError: A checkpoint cannot be read.
        OutputError: The run folder cannot be written.
    """
    keep_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    model = _new_model(cell, config, data, start).to(device)
    recipe = {"kind": cell, **asdict(config), "precision": resolve_run_precision(run_dir, config.precision, device)}
    if config.start and start is None:
        recipe["start_recipe"] = checkpoint.read_json(Path(config.start) / "best.json")["recipe"]
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    begun = [weights.detach().clone() for weights in model.parameters()] if config.pull else None
    run = _Run(run_dir, recipe, model, copy.deepcopy(model), begun, optimizer, device, report)
    state = _restore(run, resume)
    checkpoint.write_vocabulary(run_dir, data.vocabulary)
    checkpoint.write_validation(run_dir, data.validation)
    checkpoint.write_quotable(run_dir, data.quotable)

    ends = find_sentence_ends(data.vocabulary)
    steps_an_epoch = len(_epoch_batches(_epoch_texts(data, ends, config, 0).encoded.lengths, config, 0))
    while state.epoch < config.epochs and (config.keep == "last" or state.epoch - state.best_epoch <= config.patience):
        texts = _epoch_texts(data, ends, config, state.epoch)
        _train_epoch(run, state, config, texts, data.vocabulary.pad_id, steps=steps_an_epoch * config.epochs)
        _finish_epoch(run, state, data)
        _save(run, state)
    return state.history


def _train_epoch(
    run: _Run, state: _State, config: TrainConfig, texts: LabelledTexts, pad_id: int, *, steps: int
) -> None:
    """Trains on the rest of an epoch's batches; `steps` are those of all epochs."""
    loss_function = nn.BCEWithLogitsLoss()
    run.model.train()
    saved = started = time.monotonic()
    before = state.seconds
    for rows in _epoch_batches(texts.encoded.lengths, config, state.epoch)[state.batch :]:
        torch.manual_seed(config.seed * 1_000_003 + state.step)
        for group in run.optimizer.param_groups:
            group["lr"] = config.learning_rate * one_cycle(state.step / steps, config.warm_up)
        batch = texts.batch(rows, pad_id).to(run.device)
        with autocast(run.device, run.recipe["precision"]):
            logits = run.model(batch.token_ids, batch.lengths)
        loss = loss_function(logits.float(), batch.labels)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(run.model.parameters(), config.clip)
        run.optimizer.step()
        if run.start is not None:
            _pull(run.model, run.start, config.pull * run.optimizer.param_groups[0]["lr"])
        update_average(run.averaged, run.model, config.average, state.step)

        state.step += 1
        state.batch += 1
        state.loss_sum += loss.item() * len(rows)
        state.correct += int(((logits > 0) == (batch.labels > 0.5)).sum())
        state.seen += len(rows)
        now = time.monotonic()
        state.seconds = before + now - started
        if now - saved > config.checkpoint_every_s:
            _save(run, state)
            saved = now
        run.report(
            Progress(
                f"epoch {state.epoch + 1}/{config.epochs}",
                state.seen,
                len(texts),
                loss=state.loss_sum / state.seen,
                accuracy=state.correct / state.seen,
            )
        )


def _pull(model: SentimentClassifier, start: list[Tensor], share: float) -> None:
    """Moves the weights a share of the way back to where they began."""
    with torch.no_grad():
        for weights, begun in zip(model.parameters(), start, strict=True):
            weights.lerp_(begun, min(share, 1.0))


def _new_model(
    cell: Cell, config: TrainConfig, data: TrainingData, start: SentimentClassifier | None
) -> SentimentClassifier:
    """Returns a model with pre-trained weights, with the word vectors alone, or with those of what it starts from."""
    if start is not None:
        model = SentimentClassifier(start.architecture, config.dropout, unk_id=data.vocabulary.unk_id)
        load_tensors(model, to_tensors(start))
        return model
    vocab_size, embedding_dim = data.vectors.shape
    architecture = Architecture(cell, vocab_size, embedding_dim, config.hidden_size, config.num_layers, config.pooling)
    model = SentimentClassifier(architecture, config.dropout, unk_id=data.vocabulary.unk_id)
    if not config.start:
        with torch.no_grad():
            model.embedding.weight.copy_(torch.from_numpy(data.vectors))
        if data.pretrained is not None:
            found = {name: torch.from_numpy(weights) for name, weights in data.pretrained.items()}
            load_tensors(model, {**to_tensors(model), **found})
        return model
    run_dir = Path(config.start)
    content = checkpoint.read_json(run_dir / "best.json")
    if Architecture.from_dict(content["architecture"]) != architecture:
        raise UsageError(f"{run_dir}: holds a {content['architecture']}: start from a model of the same architecture")
    if checkpoint.read_vocabulary(run_dir).tokens != data.vocabulary.tokens:
        raise UsageError(f"{run_dir}: has another vocabulary: start from a run on the same reviews")
    load_tensors(model, checkpoint.read_tensors(run_dir / "best.safetensors"))
    return model


def _finish_epoch(run: _Run, state: _State, data: TrainingData) -> None:
    """Validates, keeps the weights if they are the best so far, and moves the state to the next epoch."""
    logits = predict(
        run.averaged,
        data.validation,
        data.vocabulary.pad_id,
        device=run.device,
        precision=run.recipe["precision"],
        report=run.report,
    )
    labels = data.validation.labels.astype(np.int8)
    # Every source counts the same, however many reviews it has.
    weights = balance_weights(data.source_ids(data.validation))
    accuracy = float(np.average((logits > 0) == (labels == 1), weights=weights))
    metrics = {"accuracy": accuracy, "loss": log_loss(logits, labels, weights)}
    temperature = fit_temperature(logits, labels, weights)
    state.history.append(
        {
            "epoch": state.epoch + 1,
            "train_loss": state.loss_sum / state.seen,
            "train_accuracy": state.correct / state.seen,
            "validation_loss": metrics["loss"],
            "validation_accuracy": accuracy,
            "temperature": temperature,
            "seconds": round(state.seconds, 1),
        }
    )
    if accuracy > state.best_accuracy:
        state.best_accuracy, state.best_epoch = accuracy, state.epoch
    # Of equals the later one is kept, for its steps were smaller.
    if accuracy == state.best_accuracy or run.recipe["keep"] == "last":
        checkpoint.write_tensors(run.run_dir / "best.safetensors", to_tensors(run.averaged))
        content = {
            "format_version": checkpoint.FORMAT_VERSION,
            "architecture": asdict(run.averaged.architecture),
            "preset": "default",
            "recipe": {**run.recipe, "best_epoch": state.epoch + 1},
            "metrics": {"validation": metrics},
            "data": data.facts,
            "temperature": temperature,
        }
        checkpoint.write_json(run.run_dir / "best.json", content)
    checkpoint.write_json(run.run_dir / "history.json", state.history)
    state.epoch += 1
    state.batch, state.seen, state.correct, state.loss_sum, state.seconds = 0, 0, 0, 0.0, 0.0


def predict(
    model: nn.Module,
    texts: LabelledTexts,
    pad_id: int,
    *,
    device: torch.device,
    precision: Precision = "fp32",
    phase: str = "validation",
    report: Report = silent,
) -> npt.NDArray[np.float32]:
    """Returns the logit of every text, float32 [n]; 0 for a text without tokens."""
    logits = np.zeros(len(texts), np.float32)
    model.eval()
    done = 0
    with torch.inference_mode(), autocast(device, precision):
        for rows in batches_by_length(texts.encoded.lengths, batch_tokens=_EVALUATION_TOKENS):
            batch = texts.batch(rows, pad_id).to(device)
            logits[rows] = model(batch.token_ids, batch.lengths).float().cpu().numpy()
            done += len(rows)
            report(Progress(phase, done, len(texts)))
    return logits


def update_average(averaged: nn.Module, model: nn.Module, keep: float, step: int) -> None:
    """Moves the average of the weights towards the weights after a step; the first steps count for more."""
    share = 1.0 - min(keep, (1.0 + step) / (10.0 + step))
    with torch.no_grad():
        for average, weights in zip(averaged.parameters(), model.parameters(), strict=True):
            average.lerp_(weights, share)


def one_cycle(share: float, warm_up: float) -> float:
    """Returns the factor of the learning rate at a share of all steps: a cosine from 1/25 up to 1, then down to 0."""
    if share < warm_up:
        return 1.0 / 25.0 + (1.0 - 1.0 / 25.0) * (1.0 - math.cos(math.pi * share / warm_up)) / 2.0
    return (1.0 + math.cos(math.pi * (share - warm_up) / (1.0 - warm_up))) / 2.0


def _epoch_texts(data: TrainingData, ends: npt.NDArray[np.bool_], config: TrainConfig, epoch: int) -> LabelledTexts:
    """Returns what an epoch learns from: whole reviews, long ones without their middle, and extracts."""
    random = np.random.default_rng((config.seed, epoch, 1))  # other numbers than those of `_epoch_batches`
    train = data.train
    if config.source_shares:
        train = train.take(draw_shares(data.source_ids(train), config.source_shares, random))
    encoded, rows = add_extracts(train.encoded, ends, config.extracts, random)
    return LabelledTexts(head_and_tail(encoded, config.max_tokens), train.labels[rows])


def _epoch_batches(lengths: npt.NDArray[np.int64], config: TrainConfig, epoch: int) -> list[npt.NDArray[np.int64]]:
    return order_batches(
        lengths,
        batch_size=config.batch_size,
        bucket_batches=config.bucket_batches,
        seed=config.seed,
        epoch=epoch,
    )


def _save(run: _Run, state: _State) -> None:
    tensors = checkpoint.prefixed("model", to_tensors(run.model))
    tensors |= checkpoint.prefixed("averaged", to_tensors(run.averaged))
    tensors |= checkpoint.prefixed("optimizer", checkpoint.optimizer_tensors(run.optimizer))
    checkpoint.write_resume(run.run_dir, state.step, {"recipe": run.recipe, "state": asdict(state)}, tensors)


def _restore(run: _Run, resume: bool) -> _State:
    """Loads the last checkpoint of the run's folder, if there is one, and returns the state."""
    found = checkpoint.read_resume(run.run_dir)
    if found is None:
        return _State()
    content, tensors = found
    checkpoint.require_same_recipe(
        run.run_dir, content["recipe"], run.recipe, resume=resume, may_differ={"checkpoint_every_s"}
    )
    load_tensors(run.model, checkpoint.under("model", tensors))
    load_tensors(run.averaged, checkpoint.under("averaged", tensors))
    checkpoint.load_optimizer(run.optimizer, checkpoint.under("optimizer", tensors))
    return _State(**content["state"])
