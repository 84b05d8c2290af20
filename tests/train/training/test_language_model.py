from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sentscore import UsageError
from sentscore.progress import Progress
from sentscore.text.encoder import EncodedTexts
from sentscore_train.models.classifier import Architecture, SentimentClassifier
from sentscore_train.models.weights import load_tensors, to_tensors
from sentscore_train.training.language_model import (
    LanguageModel,
    LanguageModelConfig,
    make_stream,
    pretrain,
    sampled_loss,
)

CPU = torch.device("cpu")
SIZE = 12
PAD = 1
CONFIG = LanguageModelConfig(epochs=6, streams=4, steps=5, negatives=6, learning_rate=2e-2, average=0.9)
VECTORS = np.random.default_rng(0).normal(0, 0.3, (SIZE, 6)).astype(np.float32)


def shape(cell: str, layers: int = 2) -> Architecture:
    return Architecture(cell, SIZE, 6, 8, layers, ("max", "mean"))  # type: ignore[arg-type]


def texts(count: int, seed: int = 0) -> EncodedTexts:
    """Texts that count upwards from 2, each from a number of its own."""
    random = np.random.default_rng(seed)
    lengths = random.integers(3, 9, count)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    starts = random.integers(0, 10, count)
    ids = np.concatenate([(start + np.arange(length)) % 10 for start, length in zip(starts, lengths, strict=True)]) + 2
    return EncodedTexts(ids.astype(np.int32), offsets)


class Killer:
    """Interrupts a run at its nth report."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, _: Progress) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_it_learns_and_a_killed_run_comes_to_the_same_weights(cell, layers, tmp_path) -> None:
    told: list[Progress] = []
    encoded, architecture = texts(120), shape(cell, layers)
    whole = pretrain(encoded, VECTORS, PAD, architecture, CONFIG, tmp_path / "whole", device=CPU, report=told.append)
    losses = [each.loss for each in told if each.done == each.total]
    assert len(losses) == CONFIG.epochs
    assert losses[-1] is not None
    assert losses[0] is not None
    assert losses[-1] < losses[0] - 0.3
    for at in (3, 40):  # inside the first pass, inside a later one
        with pytest.raises(KeyboardInterrupt):
            pretrain(
                encoded, VECTORS, PAD, architecture, CONFIG, tmp_path / "killed",
                device=CPU, checkpoint_every_s=0.0, report=Killer(at),
            )  # fmt: skip
    killed = pretrain(encoded, VECTORS, PAD, architecture, CONFIG, tmp_path / "killed", device=CPU)
    assert whole.keys() == killed.keys()
    assert all(np.array_equal(whole[name], killed[name]) for name in whole)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_classifier_takes_the_weights_and_reads_as_the_language_model_did(cell, layers, tmp_path) -> None:
    architecture = shape(cell, layers)
    found = pretrain(texts(60), VECTORS, PAD, architecture, CONFIG, tmp_path, device=CPU)
    classifier = SentimentClassifier(architecture).eval()
    missing = to_tensors(classifier).keys() - found.keys()
    assert missing == {"head.weight", "head.bias"}
    load_tensors(classifier, {**to_tensors(classifier), **{name: torch.from_numpy(w) for name, w in found.items()}})
    hidden = architecture.hidden_size
    for name, tensor in to_tensors(classifier).items():
        if name.endswith("weight_ih") and not name.startswith("layers.0"):
            other = tensor[:, hidden:] if ".forward." in name else tensor[:, :hidden]
            assert not other.any(), name
            assert tensor.any(), name


def test_no_proposal_depends_on_the_token_that_it_is_for_or_on_later_ones() -> None:
    model = LanguageModel(shape("lstm"), VECTORS).eval()
    tokens = torch.tensor([[2, 3, 4, 5, 6, 7]]).t()
    changed = tokens.clone()
    changed[3:] = 9
    for direction in model.directions:
        before, after = (direction(model.embedding(each), None)[0] for each in (tokens, changed))
        assert torch.equal(before[:3], after[:3])
        assert not torch.equal(before[3:], after[3:])


def test_states_go_on_from_one_window_to_the_next() -> None:
    for cell in ("lstm", "gru"):
        (model, _) = LanguageModel(shape(cell), VECTORS).eval().directions
        x = torch.randn(6, 2, 6)
        whole, _ = model(x, None)
        first, state = model(x[:4], None)
        second, _ = model(x[4:], state)
        torch.testing.assert_close(torch.cat((first, second)), whole)


def test_the_stream_has_every_text_once_behind_a_separator() -> None:
    encoded = texts(50)
    stream = make_stream(encoded, PAD, 1, seed=3)[0].tolist()
    assert len(stream) == len(encoded.ids) + 50
    assert stream[0] == PAD
    found = " ".join("|" if token == PAD else str(token) for token in stream).split("|")[1:]
    assert sorted(text.strip() for text in found) == sorted(" ".join(map(str, encoded[row])) for row in range(50))
    assert make_stream(encoded, PAD, 1, seed=4)[0].tolist() != stream
    assert make_stream(encoded, PAD, 7, seed=3).shape == (7, len(stream) // 7)


def test_the_loss_is_that_of_a_softmax_over_the_true_token_and_the_sampled_ones() -> None:
    random = torch.Generator().manual_seed(0)
    embedding, bias = torch.randn(SIZE, 4, generator=random).bfloat16().float(), torch.randn(SIZE, generator=random)
    proposals = torch.randn(3, 4, generator=random).bfloat16().float()
    targets, noise = torch.tensor([2, 5, 7]), torch.tensor([5, 3, 3, 9])
    expected = torch.rand(SIZE, generator=random)
    found = sampled_loss(proposals, targets, embedding, bias, noise, expected)
    losses = []
    for row, target in enumerate(targets.tolist()):
        kept = [token for token in noise.tolist() if token != target]  # a sampled token that is the true one
        logits = torch.stack([proposals[row] @ embedding[t] + bias[t] - expected[t] for t in [target, *kept]])
        losses.append(-logits.log_softmax(0)[0])
    torch.testing.assert_close(found, torch.stack(losses).mean(), atol=2e-2, rtol=0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_few_short_texts_are_enough(count, tmp_path) -> None:
    encoded = texts(count) if count else EncodedTexts(np.zeros(0, np.int32), np.zeros(1, np.int64))
    found = pretrain(encoded, VECTORS, PAD, shape("gru"), LanguageModelConfig(), tmp_path, device=CPU)
    assert all(np.isfinite(weights).all() for weights in found.values())
    assert np.array_equal(found["embedding.weight"], VECTORS) == (count == 0)


def test_a_checkpoint_of_other_settings_is_not_carried_on(tmp_path) -> None:
    pretrain(texts(60), VECTORS, PAD, shape("gru"), CONFIG, tmp_path, device=CPU)
    with pytest.raises(UsageError, match="another negatives"):
        pretrain(texts(60), VECTORS, PAD, shape("gru"), replace(CONFIG, negatives=7), tmp_path, device=CPU)


def test_the_folder_is_made(tmp_path) -> None:
    folder = tmp_path / "a" / "b"
    pretrain(texts(60), VECTORS, PAD, shape("gru"), CONFIG, folder, device=CPU)
    assert (folder / "resume.json").exists()
