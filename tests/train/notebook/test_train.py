from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sentscore.errors import UsageError
from sentscore.progress import Progress
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.models.classifier import Cell
from sentscore_train.notebook import train as notebook
from sentscore_train.notebook.train import NotebookConfig, NotebookResult
from sentscore_train.training import checkpoint

Run = Any  # the runner that conftest.py makes


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def without_seconds(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]


class Killed(Exception):
    pass


class KillAt:
    """A report that fails at the n-th batch, as a kill would end the run there."""

    def __init__(self, batch: int) -> None:
        self.left = batch

    def __call__(self, progress: Progress) -> None:
        if progress.loss is not None:
            self.left -= 1
            if self.left == 0:
                raise Killed


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_run_leaves_what_the_exporter_reads(run: Run, tmp_path: Path, cell: Cell) -> None:
    result = run("run", cell=cell)
    assert result.finished
    tensors = load_file(tmp_path / "run" / "best.safetensors")
    vocabulary = Vocabulary.from_json((tmp_path / "run" / "vocab.json").read_text())
    size, gates = len(vocabulary), 4 if cell == "lstm" else 3
    expected = {"embedding.weight": (size, 4), "head.weight": (1, 16), "head.bias": (1,)}
    for layer, width in ((0, 4), (1, 16)):
        for direction in ("forward", "backward"):
            prefix = f"layers.{layer}.{direction}"
            expected |= {
                f"{prefix}.weight_ih": (gates * 8, width),
                f"{prefix}.weight_hh": (gates * 8, 8),
                f"{prefix}.bias_ih": (gates * 8,),
                f"{prefix}.bias_hh": (gates * 8,),
            }
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == expected
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values())

    best = read_json(tmp_path / "run" / "best.json")
    assert best["format_version"] == 1
    assert best["preset"] == "notebook"
    assert best["temperature"] == 1.0
    assert best["architecture"] == {
        "cell": cell,
        "vocab_size": size,
        "embedding_dim": 4,
        "hidden_size": 8,
        "num_layers": 2,
        "pooling": ["last"],
    }
    assert best["recipe"] == {**asdict(run.config), "kind": cell, "best_epoch": result.best_epoch}
    assert {name: best["data"][name] for name in ("train", "validation", "test", "seed", "vocabulary_size")} == {
        "train": 28,
        "validation": 12,
        "test": 12,
        "seed": 1234,
        "vocabulary_size": size,
    }

    validation = checkpoint.read_validation(tmp_path / "run")
    sample = validation.encoded
    assert len(sample) == len(validation) == 12
    assert set(validation.labels.tolist()) == {0, 1}
    assert {vocabulary.tokens[index] for index in sample.ids} & {"film", "plot"}
    assert sample.lengths.min() >= 8  # two of filler, two of opinion, four of `<br />`

    history = read_json(tmp_path / "run" / "history.json")
    assert history == result.history
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    winner = min(history, key=lambda entry: entry["validation_loss"])
    assert winner["epoch"] == result.best_epoch
    assert best["metrics"] == {
        "validation": {"loss": winner["validation_loss"], "accuracy": winner["validation_accuracy"]},
        "test": {"loss": winner["test_loss"], "accuracy": winner["test_accuracy"]},
    }
    assert [name for name in ("train_loss", "train_accuracy", "seconds") if name not in winner] == []


def test_the_vocabulary_is_torchtexts_of_cased_spacy_tokens(run: Run, tmp_path: Path) -> None:
    run("run")
    vocabulary = Vocabulary.from_json((tmp_path / "run" / "vocab.json").read_text())
    assert vocabulary.tokens[:2] == ("<unk>", "<pad>")
    assert (vocabulary.unk_id, vocabulary.pad_id, vocabulary.lowercase) == (0, 1, False)
    assert {"Superb", "n't", "is"} <= set(vocabulary.tokens)
    assert not {"superb", "isn't"} & set(vocabulary.tokens)


def test_the_model_learns_these_reviews(run: Run) -> None:
    result = run("run", replace(run.config, epochs=15, hidden_size=32, dropout=0.1))
    best = result.history[(result.best_epoch or 0) - 1]
    assert result.history[0]["validation_loss"] > 0.6  # about ln 2: it knew nothing
    assert best["validation_loss"] < 0.5
    assert best["test_accuracy"] > 0.8


@pytest.fixture
def whole(run: Run, tmp_path: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """Weights and history of a run that nothing cut off."""
    result = run("whole")
    return load_file(tmp_path / "whole" / "best.safetensors"), without_seconds(result.history)


# Of an epoch's 7 + 3 batches and the test's 3: in training, at its end, in validation, in a later epoch, in the test.
@pytest.mark.parametrize("batch", [1, 5, 7, 9, 10, 14, 31, 33])
@pytest.mark.parametrize("every_s", [0.0, 1e9])
def test_a_killed_run_comes_to_the_same_result(
    run: Run,
    whole: tuple[dict[str, torch.Tensor], list[dict[str, float]]],
    tmp_path: Path,
    batch: int,
    every_s: float,
) -> None:
    config = replace(run.config, checkpoint_every_s=every_s)
    with pytest.raises(Killed):
        run("killed", config, report=KillAt(batch))
    with suppress(Killed):  # a run killed at its last batch has none left to be killed at
        run("killed", config, resume=True, report=KillAt(2))
    result = run("killed", run.config, resume=True)
    assert result.finished
    tensors, history = whole
    assert without_seconds(result.history) == history
    found = load_file(tmp_path / "killed" / "best.safetensors")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert (
        read_json(tmp_path / "killed" / "best.json")["metrics"]
        == read_json(tmp_path / "whole" / "best.json")["metrics"]
    )
    assert read_json(tmp_path / "killed" / "history.json") == result.history


def test_denormals_are_flushed_in_a_run_and_kept_after_it(run: Run) -> None:
    smallest = torch.tensor(torch.finfo(torch.float32).tiny)
    seen = []
    run("run", report=lambda progress: seen.append((smallest * 0.5).item()))
    assert set(seen[-5:]) == {0.0}
    assert (smallest * 0.5).item() > 0


def test_a_resumed_run_repeats_only_what_followed_the_checkpoint(run: Run) -> None:
    seen: list[Progress] = []
    with pytest.raises(Killed):
        run("run", replace(run.config, checkpoint_every_s=0.0), report=KillAt(5))
    run("run", resume=True, report=seen.append)
    batches = [progress for progress in seen if progress.loss is not None]
    assert batches[0].phase == "epoch 1/3"
    assert batches[0].done == 24
    assert {progress.phase for progress in seen if progress.loss is None} == {"vocabulary"}


def test_a_time_budget_ends_a_run_that_can_be_carried_on(
    run: Run, whole: tuple[dict[str, torch.Tensor], list[dict[str, float]]], tmp_path: Path
) -> None:
    hurried = replace(run.config, stop_after_s=0.0)
    first = run("run", hurried)
    assert first == NotebookResult(finished=False, history=[], best_epoch=None)
    assert not (tmp_path / "run" / "best.json").exists()
    calls = 1
    while not run("run", hurried, resume=True).finished:
        calls += 1
        assert calls < 40
    assert calls > 20  # a batch a call, and the end of a phase with the batch before it
    found = load_file(tmp_path / "run" / "best.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in whole[0].items())
    assert without_seconds(read_json(tmp_path / "run" / "history.json")) == whole[1]


@pytest.mark.parametrize("batch", [14, 18])  # in the second epoch's training, and in its validation
def test_a_run_may_be_carried_on_for_fewer_epochs(run: Run, tmp_path: Path, batch: int) -> None:
    one = replace(run.config, epochs=1 if batch == 14 else 2)
    expected = run("short", one)
    with pytest.raises(Killed):
        run("run", replace(run.config, checkpoint_every_s=0.0), report=KillAt(batch))
    result = run("run", one, resume=True)
    assert result.finished
    assert without_seconds(result.history) == without_seconds(expected.history)
    assert read_json(tmp_path / "run" / "best.json") == read_json(tmp_path / "short" / "best.json")


def test_a_run_may_be_carried_on_for_more_epochs_until_it_was_tested(
    run: Run, whole: tuple[dict[str, torch.Tensor], list[dict[str, float]]]
) -> None:
    with pytest.raises(Killed):
        run("run", replace(run.config, epochs=1), report=KillAt(9))
    assert without_seconds(run("run", resume=True).history) == whole[1]
    with pytest.raises(UsageError, match=r"trained with another epochs \(3\)"):
        run("run", replace(run.config, epochs=4), resume=True)


def test_a_finished_run_is_only_read(run: Run) -> None:
    result = run("run")
    assert run("run", resume=True, report=KillAt(1)) == result


def test_bf16_is_recorded_and_kept_out_of_the_weights(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A command refuses bf16 on a CPU; that it works there too makes it testable without a GPU.
    monkeypatch.setattr("sentscore_train.notebook.train.resolve_run_precision", lambda *_: "bf16")
    result = run("run", replace(run.config, epochs=1))
    assert result.finished
    assert read_json(tmp_path / "run" / "best.json")["recipe"]["precision"] == "bf16"
    tensors = load_file(tmp_path / "run" / "best.safetensors")
    assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in tensors.values())


def test_at_least_one_epoch_is_needed() -> None:
    with pytest.raises(UsageError, match="epochs is 0"):
        NotebookConfig(epochs=0)


def test_reports_name_the_phase_and_end_full(run: Run) -> None:
    seen: list[Progress] = []
    run("run", replace(run.config, epochs=1), report=seen.append)
    last = {progress.phase: (progress.done, progress.total) for progress in seen}
    assert last == {
        "tokenize": (52, 52),
        "parse glove.6B.4d.txt": (3, 3),
        "vocabulary": (1, 1),
        "epoch 1/1": (28, 28),
        "epoch 1/1 validation": (12, 12),
        "test": (12, 12),
    }


def test_the_defaults_are_the_notebooks() -> None:
    config = NotebookConfig()
    assert (config.seed, config.epochs, config.batch_size, config.vocabulary_size) == (1234, 5, 16, 25_000)
    assert (config.dim, config.hidden_size, config.num_layers, config.dropout) == (100, 256, 2, 0.5)
    assert (config.train_share, config.precision) == (0.7, "fp32")
    assert (notebook.UNK_ID, notebook.PAD_ID) == (0, 1)
