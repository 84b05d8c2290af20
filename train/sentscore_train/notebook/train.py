"""Trains the `notebook` preset: a tutorial notebook's recipe to the letter, in a run that can be carried on.

    sentscore-train lstm --preset notebook --imdb aclImdb_v1.tar.gz --glove glove.6B.zip --run-dir runs/lstm

The recipe is the classic of torchtext 0.6: cased spaCy tokens, a random 70/30 split, 25,000 tokens with GloVe
vectors, BucketIterator with its defaults and batches of 16, two bidirectional layers of 256 units without
packing, dropout 0.5, Adam, five epochs, the one with the lowest validation loss tested at the end. As
there, the loss and accuracy of an epoch are means over its batches.

By default torchtext 0.6's BucketIterator sorts no training reviews by length: they have 272 tokens and are padded to
776 on average, and without packing the forward direction reads the padding last. So the first epochs learn little.
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
from sentscore.files import write_file
from sentscore.progress import Progress, Report, silent
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.models.classifier import Cell
from sentscore_train.models.weights import load_tensors, to_tensors
from sentscore_train.notebook.data import NotebookData, build_notebook_data, load_tokens
from sentscore_train.notebook.glove import load_glove
from sentscore_train.notebook.model import NotebookClassifier, start_from_vectors
from sentscore_train.notebook.state import State, found_state, restore, save
from sentscore_train.training import checkpoint
from sentscore_train.training.config import Precision
from sentscore_train.training.device import autocast, resolve_run_precision

if TYPE_CHECKING:
    from torchtext.data import Batch, BucketIterator

UNK_ID: Final = 0  # torchtext puts <unk> first
PAD_ID: Final = 1  # and <pad> second


@dataclass(frozen=True)
class NotebookConfig:
    """The `notebook` preset; every number is the notebook's.

    Attributes:
        seed: of the split, the weights, the order and dropout.
        epochs: all are run; the best one is kept.
        dim: numbers a GloVe vector: 50, 100, 200 or 300.
        vocabulary_size: beside `<unk>` and `<pad>`.
        batch_size: reviews a step.
        train_share: of the training reviews; the others are for validation.
        hidden_size: units a direction.
        num_layers: on top of each other.
        dropout: after the embedding, between the layers and before the head.
        precision: float32 in the notebook; bf16 autocast is faster on many devices.
        threads: of torch on the CPU; None leaves torch's own choice. A resumed run must use the same.
        checkpoint_every_s: seconds between two checkpoints inside an epoch.
        stop_after_s: seconds after which the run saves its state and returns unfinished; None for no end.
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
    """What a run came to.

    Attributes:
        finished: whether it went to its end; one that has not is carried on with `resume`.
        history: an entry an epoch with `epoch`, `train_loss`, `train_accuracy`, `validation_loss`,
            `validation_accuracy` and `seconds`, the best one's also with `test_loss` and `test_accuracy`.
        best_epoch: the one that `best.safetensors` holds, from 1; None before the first is over.
    """

    finished: bool
    history: list[dict[str, float]]
    best_epoch: int | None


@dataclass(frozen=True)
class _Run:
    """What stays the same from the first step to the last."""

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
    """Trains, validates and tests; leaves the run folder that `checkpoint` describes, `best.json` and all.

    The order of an epoch's batches follows from the seed and the epoch, and every draw of a step from the
    seed and the step. A run that was cut off and carried on comes to the same bits on the CPU with as many
    threads; on CUDA, cuDNN keeps the state of the dropout between layers to itself. It may be carried on for more
    epochs, or for fewer: of those that are over, the best is tested then.

    Args:
        cell: `lstm` or `gru`.
        config: the recipe.
        run_dir: the folder to make, or to carry on in with `resume`.
        imdb_source: as in `imdb.load_imdb`.
        glove_source: as in `glove.load_glove`.
        data_dir: where downloads and cached tokens go.
        device: to train on.
        allow_partial: accept fewer reviews than published.
        resume: carry on from the last checkpoint, if there is one.
        report: told about downloads, tokenising and every batch.

    Raises:
        UsageError: the run folder holds another run and `resume` is not given, or was made by other settings.
        InputError: the data or a checkpoint cannot be read.
        OutputError: the data folder or a checkpoint cannot be written.
    """
    deadline = math.inf if config.stop_after_s is None else time.monotonic() + config.stop_after_s
    recipe = {"kind": cell, **asdict(config), "precision": resolve_run_precision(run_dir, config.precision, device)}
    found = checkpoint.read_resume(run_dir)
    state = State() if found is None else found_state(found[0], run_dir, recipe, resume=resume)
    if state.done:
        return _result(state)
    with _torch_settings(config, device):
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
        model, optimizer = _new_model(cell, config, data, device)
        facts = data.facts(seed=config.seed)
        run = _Run(config, run_dir, recipe, facts, data, model, optimizer, device, deadline, report)
        report(Progress("vocabulary", 1, 1))
        if found is None:
            start_from_vectors(run.model, data.text.vocab.vectors, unk_id=UNK_ID, pad_id=PAD_ID)
            vocabulary = Vocabulary(tokens=data.vocabulary, lowercase=False, unk_id=UNK_ID, pad_id=PAD_ID)
            write_file(run_dir / "vocab.json", vocabulary.to_json().encode("utf-8"))
            checkpoint.write_validation(run_dir, data.encode_validation())
            _save(run, state)
        else:
            restore(*found, run.model, run.optimizer, facts=run.facts, run_dir=run_dir)
            if state.phase == "train" and state.epoch >= config.epochs:
                _begin_test(run, state)
        while not state.done and _finish_phase(run, state):
            _save(run, state)
    return _result(state)


def _result(state: State) -> NotebookResult:
    return NotebookResult(state.done, state.history, state.best_epoch)


def _new_model(
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
    """Does the rest of a phase and moves the state on to the next; False when the time was up before."""
    started = time.monotonic() - state.seconds
    saved = time.monotonic()
    iterator = _iterator(run, state)
    training = state.phase == "train"
    run.model.train(training)
    with torch.set_grad_enabled(training):
        for batch in iterator:
            loss, accuracy = _learn(run, batch, state.step) if training else _evaluate(run, batch)
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


def _learn(run: _Run, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
    """One step; loss and accuracy of the batch before it."""
    torch.manual_seed(_mixed(run.config.seed, step))
    run.optimizer.zero_grad()
    loss, accuracy = _evaluate(run, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    run.optimizer.step()
    return loss, accuracy


def _evaluate(run: _Run, batch: Batch) -> tuple[Tensor, Tensor]:
    """Loss and accuracy, both scalars, of a batch with `text` int64 [T, B] and `label` float32 [B]."""
    with autocast(run.device, run.recipe["precision"]):
        logits = run.model(batch.text)
    logits = logits.float()
    loss = nn.functional.binary_cross_entropy_with_logits(logits, batch.label)
    accuracy = (torch.round(torch.sigmoid(logits)) == batch.label).float().mean()
    return loss, accuracy


def _iterator(run: _Run, state: State) -> BucketIterator:
    """The batches of the state's phase that are still to come, in an order that the seed and epoch decide."""
    from torchtext.data import BucketIterator

    data = run.data
    iterators = BucketIterator.splits(
        (data.train, data.validation, data.test), batch_size=run.config.batch_size, device=run.device
    )
    iterator = iterators[("train", "validation", "test").index(state.phase)]
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
    metrics = {"loss": state.loss, "accuracy": state.accuracy}
    state.history.append(
        {
            "epoch": state.epoch + 1,
            "train_loss": state.train_loss,
            "train_accuracy": state.train_accuracy,
            "validation_loss": metrics["loss"],
            "validation_accuracy": metrics["accuracy"],
            "seconds": round(state.seconds, 1),
        }
    )
    if state.best_loss is None or metrics["loss"] < state.best_loss:
        state.best_loss, state.best_epoch = metrics["loss"], state.epoch + 1
        (run.run_dir / "best.json").unlink(missing_ok=True)  # never beside another epoch's weights
        checkpoint.write_tensors(run.run_dir / "best.safetensors", to_tensors(run.model))
        _write_best(run, state, {"validation": metrics})
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
    metrics = {"loss": state.loss, "accuracy": state.accuracy}
    best = next(entry for entry in state.history if entry["epoch"] == state.best_epoch)
    best |= {"test_loss": metrics["loss"], "test_accuracy": metrics["accuracy"]}
    validation = {"loss": best["validation_loss"], "accuracy": best["validation_accuracy"]}
    _write_best(run, state, {"validation": validation, "test": metrics})
    checkpoint.write_json(run.run_dir / "history.json", state.history)
    state.enter("done")


def _write_best(run: _Run, state: State, metrics: dict[str, dict[str, float]]) -> None:
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
    save(run.run_dir, state, run.model, run.optimizer, recipe=run.recipe, facts=run.facts)


def _mixed(seed: int, step: int) -> int:
    """A 63-bit seed of its own for every step of every run."""
    return int.from_bytes(hashlib.sha256(f"{seed} {step}".encode()).digest()[:8]) >> 1


@contextmanager
def _torch_settings(config: NotebookConfig, device: torch.device) -> Iterator[None]:
    """Sets the threads and flushes denormals; gives both and torch's random state back as they were.

    Read at its last states alone, the network's gradient fades over a review's hundreds of steps until it is denormal,
    which a CPU multiplies a hundred times slower: 2 reviews/s on one thread without the flush, 20 with it.
    """
    threads = torch.get_num_threads()
    denormals = _denormals_kept()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            if config.threads:
                torch.set_num_threads(config.threads)
            torch.set_flush_denormal(True)
            yield
        finally:
            torch.set_flush_denormal(not denormals)
            torch.set_num_threads(threads)


def _denormals_kept() -> bool:
    """Whether this thread computes with numbers below the least normal float32; torch tells nobody."""
    return bool(torch.tensor(torch.finfo(torch.float32).tiny) * 0.5 > 0)
