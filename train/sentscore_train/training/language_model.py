"""Pre-trains recurrent layers as language models, one from left to right and one from right to left.

A classifier that starts from such layers has learned from unlabelled reviews too (Dai and Le 2015). The texts are
joined to one stream with a separator before each, cut into parallel parts, and read with states that are carried on.
Each direction predicts its next token by a sampled softmax (Bengio and Senecal 2008; Jean et al. 2015): the true token
against the same few sampled ones for a whole step, with the embedding as output weights too. In a second layer each
direction sees only its own first layer, for the other one has read the token that it is to predict. In the classifier
the weights between the directions start at 0.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import EncodedTexts
from sentscore_train.models.classifier import Architecture
from sentscore_train.training import checkpoint

_IMPOSSIBLE = -1e9  # the logit of a sampled token that is the true one
_LEAST_RATE = 0.02  # the learning rate at the end, as a share of the highest

State = list[tuple[Tensor, ...]]
"""Of each layer the state, or the states of an LSTM, float32 [1, B, H]."""


@dataclass(frozen=True)
class LanguageModelConfig:
    """How the layers are trained.

    Attributes:
        epochs: The passes over the texts. After two the classifier was as good as after one.
        streams: The parts of the stream that are read together.
        steps: The tokens of each part that the gradient goes back through.
        negatives: The sampled tokens of a step. Twice as many take twice the time of the softmax.
        power: The power of a token's frequency that it is sampled by, as in skip-gram.
        learning_rate: The highest rate. It falls by a cosine.
        warm_up: The share of the steps in which the rate rises.
        clip: The largest norm of the gradient.
        average: The share that the moving average of the weights keeps at each step.
        seed: The seed of order, weights and samples.
    """

    epochs: int = 1
    streams: int = 128
    steps: int = 64
    negatives: int = 512
    power: float = 0.75
    learning_rate: float = 2e-3
    warm_up: float = 0.03
    clip: float = 1.0
    average: float = 0.998
    seed: int = 1234


class DirectionalModel(nn.Module):
    """Stacked layers that read in one direction and propose an embedding of the next token.

    Args:
        architecture: The classifier's.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        cell: type[nn.LSTM] | type[nn.GRU] = nn.LSTM if architecture.cell == "lstm" else nn.GRU
        hidden = architecture.hidden_size
        sizes = [architecture.embedding_dim] + [hidden] * (architecture.num_layers - 1)
        self.cells = nn.ModuleList(cell(size, hidden) for size in sizes)
        self.project = nn.Linear(hidden, architecture.embedding_dim)
        if architecture.cell == "lstm":
            with torch.no_grad():
                for name, tensor in self.cells.named_parameters():
                    if "bias" in name:  # a new LSTM remembers (Jozefowicz et al. 2015)
                        tensor[hidden : 2 * hidden] = 1.0 if "bias_ih" in name else 0.0

    def forward(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Returns proposals, float32 [T, B, E], for x [T, B, E], and the state after the last token."""
        after: State = []
        for number, cell in enumerate(self.cells):
            before = None if state is None else state[number]
            x, last = cell(x, before if before is None or len(before) > 1 else before[0])
            after.append(tuple(part.detach() for part in (last if isinstance(last, tuple) else (last,))))
        return self.project(x), after


class LanguageModel(nn.Module):
    """Both directions over one embedding.

    Args:
        architecture: The classifier's.
        vectors: The embedding to start from, float32 [V, E].
    """

    def __init__(self, architecture: Architecture, vectors: npt.NDArray[np.float32]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(*vectors.shape)
        with torch.no_grad():
            self.embedding.weight.copy_(torch.from_numpy(vectors))
        self.bias = nn.Parameter(torch.zeros(len(vectors)))
        self.directions = nn.ModuleList(DirectionalModel(architecture) for _ in range(2))


def pretrain(
    encoded: EncodedTexts,
    vectors: npt.NDArray[np.float32],
    separator: int,
    architecture: Architecture,
    config: LanguageModelConfig,
    folder: Path,
    *,
    device: torch.device,
    checkpoint_every_s: float = 180.0,
    report: Report = silent,
) -> dict[str, npt.NDArray[np.float32]]:
    """Returns the weights of a classifier's embedding and layers, float32, under the checkpoint's names.

    A run that was killed is carried on from the checkpoint in the folder and comes to the same weights.

    Args:
        encoded: The texts.
        vectors: The word vectors to start from, float32 [V, E].
        separator: The id of a token that stands in no text.
        architecture: The classifier's.
        config: How the layers are trained.
        folder: The folder of the checkpoint. Who calls this removes it when the weights are safe.
        device: The device to train on.
        checkpoint_every_s: The seconds between two checkpoints.
        report: The function that is told how many tokens are read.

    Raises:
        UsageError: The folder has the checkpoint of a run with other settings.
        InputError: The checkpoint cannot be read.
        OutputError: The folder cannot be written.
    """
    torch.manual_seed(config.seed)
    run = _Run(
        LanguageModel(architecture, vectors).to(device),
        _Noise(encoded, separator, len(vectors), config, device),
        config,
        folder,
        {"architecture": asdict(architecture), **asdict(config)},
    )
    step = run.restore()
    streams, steps = _fit(encoded, config)
    per_epoch = ((len(encoded.ids) + len(encoded)) // streams - 1) // steps if streams else 0
    total, tokens = per_epoch * config.epochs, streams * steps
    saved = time.monotonic()
    while step < total:
        epoch, first = divmod(step, per_epoch)
        if not first:
            run.states = [None, None]
        stream = make_stream(encoded, separator, streams, config.seed + epoch)
        losses = 0.0
        for number, window in enumerate(_windows(stream, steps, first, device), 1):
            losses += run.learn(window, step, total)
            step += 1
            phase = f"pre-training the layers, pass {epoch + 1}/{config.epochs}"
            report(Progress(phase, (first + number) * tokens, per_epoch * tokens, loss=losses / number))
            if time.monotonic() - saved > checkpoint_every_s:
                run.save(step)
                saved = time.monotonic()
        run.save(step)
    weights = classifier_weights(run.averaged.state_dict(), architecture)
    return {name: tensor.cpu().numpy() for name, tensor in weights.items()}


def sampled_loss(
    proposals: Tensor, targets: Tensor, embedding: Tensor, bias: Tensor, noise: Tensor, log_expected: Tensor
) -> Tensor:
    """Returns the mean loss of a sampled softmax, in nats.

    Args:
        proposals: float32 [n, E].
        targets: The true next tokens, int64 [n].
        embedding: The output weights, float32 [V, E].
        bias: The output biases, float32 [V].
        noise: The sampled tokens, int64 [k].
        log_expected: The logarithm of how often a token is expected among the samples, float32 [V].
    """
    true = (proposals * embedding[targets]).sum(-1) + bias[targets] - log_expected[targets]
    # bf16 is exact enough for logits that a float32 softmax takes, and twice as fast.
    products = (proposals.bfloat16() @ embedding[noise].bfloat16().t()).float()
    others = products + (bias[noise] - log_expected[noise])
    others = others.masked_fill(targets[:, None] == noise, _IMPOSSIBLE)
    return (torch.logaddexp(others.logsumexp(-1), true) - true).mean()


def make_stream(encoded: EncodedTexts, separator: int, streams: int, seed: int) -> npt.NDArray[np.int32]:
    """Returns all texts in random order as int32 [streams, tokens], each text after a separator."""
    order = np.random.default_rng(seed).permutation(len(encoded))
    shuffled = encoded.take(order)
    places = np.repeat(np.arange(1, len(order) + 1), shuffled.lengths) + np.arange(len(shuffled.ids))
    stream = np.full(len(shuffled.ids) + len(order), separator, np.int32)
    stream[places] = shuffled.ids
    width = len(stream) // streams
    return stream[: width * streams].reshape(streams, width)


def classifier_weights(weights: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """Returns the weights of a `LanguageModel` under the names that they have in a classifier's checkpoint."""
    found = {"embedding.weight": weights["embedding.weight"]}
    for side, name in enumerate(("forward", "backward")):
        for layer in range(architecture.num_layers):
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                tensor = weights[f"directions.{side}.cells.{layer}.{part}_l0"]
                if layer and part == "weight_ih":
                    other = torch.zeros_like(tensor)
                    tensor = torch.cat((other, tensor) if side else (tensor, other), dim=1)
                found[f"layers.{layer}.{name}.{part}"] = tensor
    return found


class _Noise:
    """Samples tokens by a power of their frequency."""

    def __init__(
        self, encoded: EncodedTexts, separator: int, vocab_size: int, config: LanguageModelConfig, device: torch.device
    ) -> None:
        counts = np.bincount(encoded.ids, minlength=vocab_size).astype(np.float64)
        counts[separator] = max(len(encoded), 1)
        weight = counts**config.power
        self.probability = torch.from_numpy(weight / weight.sum())
        self.count = config.negatives
        self.device = device
        self.log_expected = (self.probability.clamp(min=1e-12) * config.negatives).log().float().to(device)

    def sample(self) -> Tensor:
        """Returns tokens, int64 [negatives]. They are drawn on the CPU, so that they do not depend on the device."""
        return torch.multinomial(self.probability, self.count, replacement=True).to(self.device)


class _Run:
    """A model that learns, and the moving average of its weights."""

    def __init__(
        self, model: LanguageModel, noise: _Noise, config: LanguageModelConfig, folder: Path, recipe: dict[str, Any]
    ) -> None:
        self.model, self.noise, self.config, self.folder, self.recipe = model, noise, config, folder, recipe
        self.averaged = copy.deepcopy(model)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
        self.states: list[State | None] = [None, None]

    def learn(self, window: tuple[tuple[Tensor, Tensor], ...], step: int, total: int) -> float:
        """Takes a step on the tokens and next tokens of both directions, and returns its loss in nats."""
        config, model = self.config, self.model
        torch.manual_seed(config.seed * 1_000_003 + step)
        share = (step + 1) / total
        fall = _LEAST_RATE + (1.0 - _LEAST_RATE) * (1.0 + math.cos(math.pi * share)) / 2.0
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, share / config.warm_up) * fall
        noise = self.noise.sample()
        parts = []
        for side, (tokens, following) in enumerate(window):
            proposals, self.states[side] = model.directions[side](model.embedding(tokens), self.states[side])
            parts.append(
                sampled_loss(
                    proposals.flatten(0, 1),
                    following.flatten(),
                    model.embedding.weight,
                    model.bias,
                    noise,
                    self.noise.log_expected,
                )
            )
        loss: Tensor = torch.stack(parts).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        self.optimizer.step()
        keep = min(config.average, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            for average, weights in zip(self.averaged.parameters(), model.parameters(), strict=True):
                average.lerp_(weights, 1.0 - keep)
        return float(loss.item())

    def save(self, step: int) -> None:
        """Writes the checkpoint of a step."""
        states = {
            f"{side}.{layer}.{number}": part
            for side, state in enumerate(self.states)
            for layer, parts in enumerate(state or [])
            for number, part in enumerate(parts)
        }
        tensors = checkpoint.prefixed("model", self.model.state_dict())
        tensors |= checkpoint.prefixed("averaged", self.averaged.state_dict())
        tensors |= checkpoint.prefixed("optimizer", checkpoint.optimizer_tensors(self.optimizer))
        tensors |= checkpoint.prefixed("states", states)
        checkpoint.write_resume(self.folder, step, {"recipe": self.recipe}, tensors)

    def restore(self) -> int:
        """Loads the checkpoint, if there is one, and returns its step."""
        found = checkpoint.read_resume(self.folder)
        if found is None:
            return 0
        content, tensors = found
        checkpoint.require_same_recipe(self.folder, content["recipe"], self.recipe, resume=True, may_differ=set())
        self.model.load_state_dict(checkpoint.under("model", tensors))
        self.averaged.load_state_dict(checkpoint.under("averaged", tensors))
        checkpoint.load_optimizer(self.optimizer, checkpoint.under("optimizer", tensors))
        device = self.noise.device
        states = {name: tensor.to(device) for name, tensor in checkpoint.under("states", tensors).items()}
        for side in range(2):
            layers = [checkpoint.under(f"{side}.{layer}", states) for layer in range(len(states))]
            self.states[side] = [tuple(parts[key] for key in sorted(parts)) for parts in layers if parts] or None
        return int(content["step"])


def _fit(encoded: EncodedTexts, config: LanguageModelConfig) -> tuple[int, int]:
    """Returns the streams and the steps of a window: those of the recipe, or fewer if there is too little text."""
    tokens = len(encoded.ids) + len(encoded)
    steps = min(config.steps, tokens - 1)
    return (min(config.streams, tokens // (steps + 1)), steps) if steps > 0 else (0, 0)


def _windows(
    stream: npt.NDArray[np.int32], steps: int, first: int, device: torch.device
) -> Iterator[tuple[tuple[Tensor, Tensor], ...]]:
    """Yields the tokens and next tokens of both directions, int64 [steps, streams] each, from window `first` on."""
    directions = (stream, stream[:, ::-1])
    for number in range(first, (stream.shape[1] - 1) // steps):
        start = number * steps
        parts = [
            torch.from_numpy(each[:, start : start + steps + 1].T.astype(np.int64)).to(device) for each in directions
        ]
        yield tuple((part[:-1], part[1:]) for part in parts)
