from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sentscore import InputError, UsageError
from sentscore.progress import Progress
from sentscore.text.encoder import EncodedTexts
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.batches import LabelledTexts, TrainingData
from sentscore_train.data.extracts import ExtractConfig
from sentscore_train.models.classifier import Architecture, SentimentClassifier
from sentscore_train.models.weights import load_tensors, to_tensors
from sentscore_train.training import checkpoint, loop
from sentscore_train.training.config import TrainConfig
from sentscore_train.training.loop import one_cycle, predict, train, update_average

CPU = torch.device("cpu")
SIZE = 40
CONFIG = TrainConfig(
    hidden_size=8, epochs=3, batch_size=8, learning_rate=2e-2, max_tokens=12, checkpoint_every_s=0.0, precision="fp32"
)


def reviews(count: int, seed: int) -> LabelledTexts:
    """Random words, the first of which tells the label."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 16, count)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    ids = random.integers(4, SIZE, offsets[-1]).astype(np.int32)
    labels = random.integers(0, 2, count).astype(np.int8)
    ids[offsets[:-1]] = 2 + labels
    return LabelledTexts(EncodedTexts(ids, offsets), labels)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    tokens = ("<unk>", "<pad>", *(f"t{index}" for index in range(SIZE - 2)))
    vectors = np.random.default_rng(0).normal(size=(SIZE, 6)).astype(np.float32)
    vocabulary = Vocabulary(tokens, lowercase=True)
    return TrainingData(vocabulary, reviews(160, 1), reviews(60, 2), vectors, {"name": "random"})


class Killer:
    """Interrupts a run at its nth report."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, _: Progress) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def without_times(history: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_it_learns_and_a_killed_run_comes_to_the_same_weights(data, tmp_path, kind) -> None:
    history = train(kind, CONFIG, data, tmp_path / "whole", device=CPU)
    assert history[-1]["validation_accuracy"] > 0.9
    for at in (5, 24):  # inside the first epoch, inside the second
        with pytest.raises(KeyboardInterrupt):
            train(kind, CONFIG, data, tmp_path / "killed", device=CPU, resume=True, report=Killer(at))
    resumed = train(kind, CONFIG, data, tmp_path / "killed", device=CPU, resume=True)
    assert without_times(resumed) == without_times(history)
    whole, killed = (checkpoint.read_tensors(tmp_path / name / "best.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


@pytest.fixture(scope="module")
def run_dir(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train("lstm", CONFIG, data, folder, device=CPU)
    return Path(folder)


def test_the_run_folder_holds_the_best_epoch(data, run_dir) -> None:
    content = checkpoint.read_json(run_dir / "best.json")
    history = json.loads((run_dir / "history.json").read_text())
    best = max(history, key=lambda entry: (entry["validation_accuracy"], entry["epoch"]))
    assert content["recipe"]["best_epoch"] == best["epoch"]
    assert content["metrics"]["validation"]["accuracy"] == best["validation_accuracy"]
    assert content["temperature"] == best["temperature"]
    model = SentimentClassifier(Architecture.from_dict(content["architecture"]))
    load_tensors(model, checkpoint.read_tensors(run_dir / "best.safetensors"))
    logits = predict(model, data.validation, 1, device=CPU)
    assert ((logits > 0) == (data.validation.labels == 1)).mean() == pytest.approx(best["validation_accuracy"])
    assert Vocabulary.from_json((run_dir / "vocab.json").read_text()) == data.vocabulary
    validation = checkpoint.read_validation(run_dir)
    assert np.array_equal(validation.labels, data.validation.labels)
    assert np.array_equal(validation.encoded.ids, data.validation.encoded.ids)
    assert len(list(run_dir.glob("resume-*.safetensors"))) == 1


def test_a_finished_run_is_not_trained_again(data, run_dir) -> None:
    reports: list[Progress] = []
    history = train("lstm", CONFIG, data, run_dir, device=CPU, resume=True, report=reports.append)
    assert len(history) == 3
    assert reports == []


def test_a_run_is_not_overwritten(data, run_dir) -> None:
    with pytest.raises(UsageError, match="holds a run already: carry it on with --resume"):
        train("lstm", CONFIG, data, run_dir, device=CPU)


def test_a_run_is_carried_on_only_with_its_own_settings(data, run_dir) -> None:
    with pytest.raises(UsageError, match=r"another learning_rate \(0\.02\)"):
        train("lstm", replace(CONFIG, learning_rate=1e-3), data, run_dir, device=CPU, resume=True)
    with pytest.raises(UsageError, match="another kind"):
        train("gru", CONFIG, data, run_dir, device=CPU, resume=True)


def test_a_damaged_checkpoint_is_an_input_error(data, tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train("lstm", CONFIG, data, tmp_path, device=CPU, report=Killer(3))
    next(tmp_path.glob("resume-*.safetensors")).write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        train("lstm", CONFIG, data, tmp_path, device=CPU, resume=True)


def test_training_ends_early_when_nothing_gets_better(data, tmp_path) -> None:
    config = replace(CONFIG, learning_rate=0.0, epochs=9, patience=2)  # every epoch as good as the first
    assert len(train("lstm", config, data, tmp_path, device=CPU)) == 3
    assert checkpoint.read_json(tmp_path / "best.json")["recipe"]["best_epoch"] == 3  # of equals the last


def test_the_average_follows_the_weights() -> None:
    averaged, model = (SentimentClassifier(Architecture("gru", 5, 3, hidden_size=2)) for _ in range(2))
    with torch.no_grad():
        averaged.head.bias.fill_(0.0)
        model.head.bias.fill_(1.0)
    update_average(averaged, model, 0.75, step=1_000)
    assert averaged.head.bias.item() == pytest.approx(0.25)
    update_average(averaged, model, 0.75, step=0)  # keeps a tenth
    assert averaged.head.bias.item() == pytest.approx(0.925)
    assert model.head.bias.item() == 1.0


def test_the_one_cycle_rises_and_falls() -> None:
    assert one_cycle(0.0, 0.25) == pytest.approx(0.04)
    assert one_cycle(0.25, 0.25) == pytest.approx(1.0)
    assert one_cycle(1.0, 0.25) == pytest.approx(0.0)
    assert one_cycle(0.1, 0.25) < one_cycle(0.2, 0.25)
    assert one_cycle(0.5, 0.25) > one_cycle(0.7, 0.25)


def test_a_run_starts_from_the_best_weights_of_another(data, run_dir, tmp_path) -> None:
    still = replace(CONFIG, start=str(run_dir), epochs=1, learning_rate=0.0)
    history = train("lstm", still, data, tmp_path / "next", device=CPU)
    assert history[0]["validation_loss"] == pytest.approx(
        checkpoint.read_json(run_dir / "best.json")["metrics"]["validation"]["loss"], abs=1e-6
    )
    recipe = checkpoint.read_json(tmp_path / "next" / "best.json")["recipe"]
    assert recipe["start"] == str(run_dir)
    assert recipe["start_recipe"]["learning_rate"] == CONFIG.learning_rate
    train("lstm", still, data, tmp_path / "next", device=CPU, resume=True)


def test_a_run_to_start_from_must_fit(data, run_dir, tmp_path) -> None:
    config = replace(CONFIG, start=str(run_dir))
    with pytest.raises(UsageError, match="start from a model of the same architecture"):
        train("gru", config, data, tmp_path / "gru", device=CPU)
    other = replace(data.vocabulary, tokens=(*data.vocabulary.tokens[:-1], "new"))
    with pytest.raises(UsageError, match="has another vocabulary"):
        train("lstm", config, replace(data, vocabulary=other), tmp_path / "other", device=CPU)
    with pytest.raises(InputError, match=r"best\.json: not a readable checkpoint"):
        train("lstm", replace(CONFIG, start=str(tmp_path)), data, tmp_path / "none", device=CPU)


def test_soft_labels_are_learned_from(data, run_dir, tmp_path) -> None:
    soft = np.where(data.train.labels == 1, 0.9, 0.1).astype(np.float32)
    softened = replace(data, train=LabelledTexts(data.train.encoded, soft))
    history = train("lstm", CONFIG, softened, tmp_path, device=CPU)
    hard = json.loads((run_dir / "history.json").read_text())
    assert history[-1]["validation_accuracy"] >= hard[-1]["validation_accuracy"] - 0.05
    assert min(entry["train_loss"] for entry in history) > 0.32  # the entropy of 0.9 is 0.325 nats


def test_extracts_are_learned_from_and_a_killed_run_draws_the_same_ones(data, tmp_path, monkeypatch) -> None:
    tokens = ("<unk>", "<pad>", "bad", "good", ".", *(f"t{index}" for index in range(SIZE - 5)))
    data = replace(data, vocabulary=replace(data.vocabulary, tokens=tokens))
    config = replace(CONFIG, extracts=ExtractConfig(whole=0.5, share=0.75, sentences=1))
    learned: list[tuple[EncodedTexts, object]] = []
    cut = loop.add_extracts
    monkeypatch.setattr(loop, "add_extracts", lambda *given: learned.append(cut(*given)) or learned[-1])
    train("gru", config, data, tmp_path / "whole", device=CPU)
    counts = {len(texts) for texts, _ in learned}
    assert counts == {round(0.5 * len(data.train)) + round(0.75 * len(data.train))}
    assert len({texts.ids.tobytes() for texts, _ in learned}) == config.epochs
    with pytest.raises(KeyboardInterrupt):
        train("gru", config, data, tmp_path / "killed", device=CPU, report=Killer(30))
    train("gru", config, data, tmp_path / "killed", device=CPU, resume=True)
    for name, tensor in checkpoint.read_tensors(tmp_path / "whole" / "best.safetensors").items():
        assert torch.equal(tensor, checkpoint.read_tensors(tmp_path / "killed" / "best.safetensors")[name])


def distance(tensors: dict[str, torch.Tensor], model: SentimentClassifier) -> float:
    begun = to_tensors(model)
    return sum(float((tensors[name] - begun[name]).square().sum()) for name in begun)


def test_a_pull_keeps_the_weights_near_those_of_the_start(data, tmp_path) -> None:
    start = SentimentClassifier(Architecture("lstm", SIZE, 6, 5, 1))
    found = []
    for pull in (0.0, 20.0):
        config = replace(CONFIG, pull=pull, checkpoint_every_s=60.0)
        train("lstm", config, data, tmp_path / str(pull), device=CPU, start=start)
        tensors = checkpoint.read_tensors(tmp_path / str(pull) / "best.safetensors")
        assert tensors["layers.0.forward.weight_hh"].shape == (20, 5)  # the start's sizes, not the recipe's
        found.append(distance(tensors, start))
    assert 0.0 < found[1] < 0.5 * found[0]


def test_the_last_epoch_is_kept_if_none_is_to_be_chosen(data, tmp_path) -> None:
    flipped = LabelledTexts(data.validation.encoded, 1 - data.validation.labels)  # each epoch looks worse
    worse = replace(data, validation=flipped)
    for keep, epochs, best in (("last", 3, 3), ("best", 2, 1)):
        config = replace(CONFIG, keep=keep, patience=1, checkpoint_every_s=60.0)
        history = train("lstm", config, worse, tmp_path / keep, device=CPU)
        assert len(history) == epochs
        recipe = checkpoint.read_json(tmp_path / keep / "best.json")["recipe"]
        assert recipe["best_epoch"] == best


def test_a_run_starts_from_pretrained_weights_but_for_the_head(data, tmp_path) -> None:
    torch.manual_seed(3)
    layers = {
        name: weights.numpy()
        for name, weights in to_tensors(SentimentClassifier(Architecture("gru", SIZE, 6, 8, 2, CONFIG.pooling))).items()
    }
    del layers["head.weight"], layers["head.bias"]
    still = replace(CONFIG, learning_rate=0.0, epochs=1)
    train("gru", still, replace(data, pretrained=layers), tmp_path, device=CPU)
    found = checkpoint.read_tensors(tmp_path / "best.safetensors")
    assert {"head.weight", "head.bias"} == found.keys() - layers.keys()
    assert all(np.allclose(found[name], layers[name], atol=1e-6) for name in layers)
