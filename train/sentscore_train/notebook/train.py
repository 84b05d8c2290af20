"""Trains by the preset `notebook`: a tutorial notebook's recipe to the letter, in a run that can be carried on.

    sentscore-train lstm --preset notebook --imdb aclImdb_v1.tar.gz --glove glove.6B.zip --run-dir runs/lstm

The recipe is the classic of torchtext 0.6: cased spaCy tokens, a random 70/30 split, a vocabulary of 25,000 tokens
with GloVe vectors, BucketIterator with its defaults and batches of 16, two bidirectional layers of 256 units without
packing, dropout 0.5, Adam, and five epochs, of which the one with the lowest validation loss is tested at the end. As
in the notebook, the loss and the accuracy of an epoch are means over its batches.

torchtext 0.6's BucketIterator does not sort training reviews by length by default. They have 272 tokens on average and
are padded to 776, and without packing the forward direction reads the padding last. So the first epochs learn little.
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from sentscore.errors import UsageError
from sentscore.progress import Progress, Report, silent
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.models.classifier import Cell
from sentscore_train.models.weights import load_tensors, to_tensors
from sentscore_train.notebook.data import NotebookData, build_notebook_data, load_tokens
from sentscore_train.notebook.glove import load_glove
from sentscore_train.notebook.model import NotebookClassifier, start_from_vectors
from sentscore_train.notebook.state import State, parse_state, restore_tensors, save_state
from sentscore_train.training import checkpoint
from sentscore_train.training.config import Precision
from sentscore_train.training.device import autocast, resolve_run_precision
from sentscore_train.training.memory import keep_freed_memory

if TYPE_CHECKING:
    from torchtext.data import Batch, BucketIterator

UNK_ID: Final = 0  # torchtext puts <unk> first
PAD_ID: Final = 1  # and <pad> second


@dataclass(frozen=True)
class NotebookConfig:
    """The settings of the preset `notebook`. Every number is the notebook's.

    Attributes:
        seed: The seed of the split, the weights, the order and dropout.
        epochs: The epochs to run. The best one is kept.
        dim: The numbers of a GloVe vector: 50, 100, 200 or 300.
        vocabulary_size: The tokens beside `<unk>` and `<pad>`.
        batch_size: The reviews of a step.
        train_share: The share of the training reviews that are trained on. The others are for validation.
        hidden_size: The units of a direction.
        num_layers: The recurrent layers.
        dropout: The dropout after the embedding, between the layers and before the head.
        precision: How products are computed: fp32 in the notebook; bf16 is faster on many GPUs.
        threads: The threads of torch on the CPU. None leaves torch's choice. A resumed run must use as many.
        checkpoint_every_s: The seconds between two checkpoints inside an epoch.
        stop_after_s: The seconds after which the run saves its state and returns unfinished. None for no limit.
    """

    seed: int = 1234
    epochs: int = 5
    dim: int = 100
    vocabulary_size: int = 25_000
    batch_size: int = 16
    train_share: float = 0.7
    hidden_size: int = 256
    num_layers: int = 2
    dropout: float = 0.5
    precision: Precision = "fp32"
    threads: int | None = None
    checkpoint_every_s: float = 180.0
    stop_after_s: float | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UsageError(f"epochs is {self.epochs}: at least 1 is needed")


@dataclass(frozen=True)
class NotebookResult:
    """The result of a run.

    Attributes:
        finished: Whether the run went to its end. If not, it can be carried on with `resume`.
        history: An entry for each epoch with `epoch`, `train_loss`, `train_accuracy`, `validation_loss`,
            `validation_accuracy` and `seconds`. That of the best epoch also has `test_loss` and `test_accuracy`.
        best_epoch: The epoch whose weights are in `best.safetensors`, from 1. None before the first epoch is over.
    """

    finished: bool
    history: list[dict[str, float]]
    best_epoch: int | None


@dataclass(frozen=True)
class _Run:
    """What stays the same from a run's first step to its last."""

    config: NotebookConfig
    run_dir: Path
    recipe: dict[str, Any]
    facts: dict[str, Any]
    data: NotebookData
    model: NotebookClassifier
    optimizer: torch.optim.Optimizer
    device: torch.device
    deadline: float
    report: Report


def run_notebook(
    cell: Cell,
    config: NotebookConfig,
    run_dir: Path,
    *,
    imdb_source: Path | None,
    glove_source: Path | None,
    data_dir: Path,
    device: torch.device,
    allow_partial: bool = False,
    resume: bool = False,
    report: Report = silent,
) -> NotebookResult:
    """Trains, validates and tests a model, and leaves the run folder that `checkpoint` describes.

    The order of an epoch's batches follows from the seed and the epoch, and every random number of a step from the
    seed and the step. So a run that was cut off and carried on ends in the same bits, on the CPU with as many threads.
    On CUDA it does not, because cuDNN does not give away the state of the dropout between layers. A run may be carried
    on for more epochs or for fewer. With fewer, the best of the epochs that are over is tested.

    Args:
        cell: `lstm` or `gru`.
        config: The settings.
        run_dir: The folder to make, or to carry on in with `resume`.
        imdb_source: The reviews, as in `imdb.load_imdb`.
        glove_source: The word vectors, as in `glove.load_glove`.
        data_dir: The folder of downloads and cached tokens.
        device: The device to train on.
        allow_partial: Whether to accept fewer reviews than published.
        resume: Whether to carry on from the last checkpoint, if there is one.
        report: The function that is told about downloads, the tokenization and every batch.

    Raises:
        UsageError: The folder holds a run and `resume` is not given, or the run has other settings or reviews.
        InputError: The data or a checkpoint cannot be read.
        OutputError: The data folder or a checkpoint cannot be written.
    """
    deadline = math.inf if config.stop_after_s is None else time.monotonic() + config.stop_after_s
    recipe = {"kind": cell, **asdict(config), "precision": resolve_run_precision(run_dir, config.precision, device)}
    found = checkpoint.read_resume(run_dir)
    state = State() if found is None else parse_state(found[0], run_dir, recipe, resume=resume)
    if state.done:
        return NotebookResult(state.done, state.history, state.best_epoch)
    with _set_torch(config, device):
        reviews = load_tokens(imdb_source, data_dir, allow_partial=allow_partial, report=report)
        vectors = None  # a checkpoint has the embedding already
        if found is None:
            vectors = load_glove(config.dim, glove_source, data_dir, report=report)
        report(Progress("vocabulary", 0, 1))
        torch.manual_seed(config.seed)
        data = build_notebook_data(
            reviews,
            seed=config.seed,
            train_share=config.train_share,
            vocabulary_size=config.vocabulary_size,
            vectors=vectors,
        )
        del vectors  # 80 MB and more that training has no use for
        model, optimizer = _make_model(cell, config, data, device)
        facts = data.describe(seed=config.seed)
        run = _Run(config, run_dir, recipe, facts, data, model, optimizer, device, deadline, report)
        report(Progress("vocabulary", 1, 1))
        if found is None:
            start_from_vectors(run.model, data.text.vocab.vectors, unk_id=UNK_ID, pad_id=PAD_ID)
            vocabulary = Vocabulary(tokens=data.vocabulary, lowercase=False, unk_id=UNK_ID, pad_id=PAD_ID)
            checkpoint.write_vocabulary(run_dir, vocabulary)
            checkpoint.write_validation(run_dir, data.encode_validation())
            _save(run, state)
        else:
            restore_tensors(*found, run.model, run.optimizer, facts=run.facts, run_dir=run_dir)
            if state.phase == "train" and state.epoch >= config.epochs:
                _begin_test(run, state)
        while not state.done and _finish_phase(run, state):
            _save(run, state)
    return NotebookResult(state.done, state.history, state.best_epoch)


def _make_model(
    cell: Cell, config: NotebookConfig, data: NotebookData, device: torch.device
) -> tuple[NotebookClassifier, torch.optim.Optimizer]:
    model = NotebookClassifier(
        cell,
        vocab_size=len(data.vocabulary),
        embedding_dim=config.dim,
        hidden_size=config.hidden_size,
        num_layers=config.num_layers,
        dropout=config.dropout,
        pad_id=PAD_ID,
    ).to(device)
    return model, torch.optim.Adam(model.parameters())


def _finish_phase(run: _Run, state: State) -> bool:
    """Does the rest of a phase and moves the state on to the next. Returns False if the time is up before."""
    started = time.monotonic() - state.seconds
    saved = time.monotonic()
    iterator = _make_iterator(run, state)
    training = state.phase == "train"
    run.model.train(training)
    with torch.set_grad_enabled(training):
        for batch in iterator:
            loss, accuracy = _train_on(run, batch, state.step) if training else _evaluate(run, batch)
            state.step += training
            state.batch += 1
            state.loss_sum += loss.item()
            state.accuracy_sum += accuracy.item()
            now = time.monotonic()
            state.seconds = now - started
            late = now >= run.deadline and state.batch < len(iterator)
            if late or now - saved >= run.config.checkpoint_every_s:
                _save(run, state)
                saved = now
            _report_batch(run, state, len(iterator.dataset))
            if late:
                return False
    if state.phase == "train":
        state.train_loss, state.train_accuracy = state.loss, state.accuracy
        state.enter("validation")
    elif state.phase == "validation":
        _end_epoch(run, state)
    else:
        _end_run(run, state)
    return True


def _train_on(run: _Run, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
    """Takes a step on a batch. Returns the batch's loss and accuracy before the step."""
    digest = hashlib.sha256(f"{run.config.seed} {step}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8]) >> 1)  # a seed for every step of every run
    run.optimizer.zero_grad()
    loss, accuracy = _evaluate(run, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimizer.step()
    return loss, accuracy


def _evaluate(run: _Run, batch: Batch) -> tuple[Tensor, Tensor]:
    """Returns the mean loss and the accuracy of a batch with `text`, int64 [T, B], and `label`, float32 [B]."""
    with autocast(run.device, run.recipe["precision"]):
        logits = run.model(batch.text)
    logits = logits.float()
    loss = nn.functional.binary_cross_entropy_with_logits(logits, batch.label)
    accuracy = (torch.round(torch.sigmoid(logits)) == batch.label).float().mean()
    return loss, accuracy


def _make_iterator(run: _Run, state: State) -> BucketIterator:
    """Returns the batches of the phase that are still to come, in an order that the seed and the epoch decide."""
    from torchtext.data import BucketIterator

    dataset = getattr(run.data, state.phase)
    iterator = BucketIterator(dataset, run.config.batch_size, device=run.device, train=state.phase == "train")
    iterator.load_state_dict(
        {
            "iterations": 0,
            "iterations_this_epoch": state.batch,
            "random_state_this_epoch": random.Random(f"{run.config.seed} {state.epoch}").getstate(),
        }
    )
    return iterator


def _end_epoch(run: _Run, state: State) -> None:
    """Writes the history, keeps the weights if they are the best so far, and moves the state on."""
    state.history.append(
        {
            "epoch": state.epoch + 1,
            "train_loss": state.train_loss,
            "train_accuracy": state.train_accuracy,
            "validation_loss": state.loss,
            "validation_accuracy": state.accuracy,
            "seconds": round(state.seconds, 1),
        }
    )
    if state.best_loss is None or state.loss < state.best_loss:
        state.best_loss, state.best_epoch = state.loss, state.epoch + 1
        (run.run_dir / "best.json").unlink(missing_ok=True)  # never beside another epoch's weights
        checkpoint.write_tensors(run.run_dir / "best.safetensors", to_tensors(run.model))
        _write_best(run, state)
    checkpoint.write_json(run.run_dir / "history.json", state.history)
    state.epoch += 1
    state.seconds = 0.0
    if state.epoch < run.config.epochs:
        state.enter("train")
    else:
        _begin_test(run, state)


def _begin_test(run: _Run, state: State) -> None:
    state.enter("test")
    load_tensors(run.model, checkpoint.read_tensors(run.run_dir / "best.safetensors"))


def _end_run(run: _Run, state: State) -> None:
    state.best.update(test_loss=state.loss, test_accuracy=state.accuracy)
    _write_best(run, state)
    checkpoint.write_json(run.run_dir / "history.json", state.history)
    state.enter("done")


def _write_best(run: _Run, state: State) -> None:
    """Writes what describes the best epoch so far."""
    splits = ("validation", "test") if "test_loss" in state.best else ("validation",)
    metrics = {name: {key: state.best[f"{name}_{key}"] for key in ("loss", "accuracy")} for name in splits}
    content = {
        "format_version": checkpoint.FORMAT_VERSION,
        "architecture": asdict(run.model.architecture),
        "preset": "notebook",
        "recipe": {**run.recipe, "best_epoch": state.best_epoch},
        "metrics": metrics,
        "data": run.facts,
        "temperature": 1.0,
    }
    checkpoint.write_json(run.run_dir / "best.json", content)


def _report_batch(run: _Run, state: State, total: int) -> None:
    phase = "test" if state.phase == "test" else f"epoch {state.epoch + 1}/{run.config.epochs}"
    if state.phase == "validation":
        phase += " validation"
    done = min(state.batch * run.config.batch_size, total)
    run.report(Progress(phase, done, total, loss=state.loss, accuracy=state.accuracy))


def _save(run: _Run, state: State) -> None:
    save_state(run.run_dir, state, run.model, run.optimizer, recipe=run.recipe, facts=run.facts)


@contextmanager
def _set_torch(config: NotebookConfig, device: torch.device) -> Iterator[None]:
    """Sets the threads and flushes denormals in the block. After it, both and torch's random state are as before.

    The network is read at its last states alone, so that its gradient fades over a review's hundreds of tokens until
    it is denormal. A CPU multiplies such numbers a hundred times slower: one thread trains on 2 reviews/s without the
    flush and on 20 reviews/s with it.
    """
    keep_freed_memory()
    threads = torch.get_num_threads()
    denormals = _keeps_denormals()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            if config.threads:
                torch.set_num_threads(config.threads)
            torch.set_flush_denormal(True)
            yield
        finally:
            torch.set_flush_denormal(not denormals)
            torch.set_num_threads(threads)


def _keeps_denormals() -> bool:
    """Returns whether this thread computes with numbers below the least normal float32, which torch does not tell."""
    return bool(torch.tensor(torch.finfo(torch.float32).tiny) * 0.5 > 0)
