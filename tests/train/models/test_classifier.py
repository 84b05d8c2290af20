from __future__ import annotations

import pytest
import torch
from torch import nn

from sentscore_train.models.classifier import Architecture, Dropout, SentimentClassifier, drop
from sentscore_train.models.weights import load_tensors, to_tensors

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU}


def small(kind: str, pooling: tuple[str, ...] = ("max",), dropout: Dropout | None = None) -> SentimentClassifier:
    torch.manual_seed(1)
    architecture = Architecture(kind, 20, 5, hidden_size=4, pooling=pooling)  # type: ignore[arg-type]
    return SentimentClassifier(architecture, dropout).eval()


def packed_reference(model: SentimentClassifier, token_ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """torch's own packed sequences with the same weights."""
    a = model.architecture
    recurrent = CELLS[a.cell](a.embedding_dim, a.hidden_size, a.num_layers, bidirectional=True)
    tensors = {}
    for layer in range(a.num_layers):
        for direction, suffix in (("forward", ""), ("backward", "_reverse")):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                tensors[f"{name}_l{layer}{suffix}"] = to_tensors(model)[f"layers.{layer}.{direction}.{name}"]
    recurrent.load_state_dict(tensors)
    embedded = model.embedding(token_ids.t())
    packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, enforce_sorted=False)
    states, last = recurrent(packed)
    last = last[0] if a.cell == "lstm" else last
    padded, _ = nn.utils.rnn.pad_packed_sequence(states, padding_value=-torch.inf)
    pooled = {
        "max": padded.amax(0),
        "mean": padded.masked_fill(padded == -torch.inf, 0).sum(0) / lengths[:, None],
        "last": torch.cat([last[-2], last[-1]], dim=1),
    }
    return model.head(torch.cat([pooled[pooling] for pooling in a.pooling], dim=1)).squeeze(1)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", [("max",), ("mean",), ("last",), ("last", "max", "mean")])
def test_logits_are_those_of_packed_sequences(kind, pooling) -> None:
    model = small(kind, pooling)
    lengths = torch.tensor([1, 7, 4, 6])
    token_ids = torch.randint(0, 20, (4, 7))
    with torch.no_grad():
        torch.testing.assert_close(
            model(token_ids, lengths), packed_reference(model, token_ids, lengths), rtol=0, atol=1e-6
        )


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_padding_and_neighbours_change_nothing(kind) -> None:
    model = small(kind, ("max", "mean", "last"))
    text = torch.randint(0, 20, (1, 5))
    with torch.no_grad():
        alone = model(text, torch.tensor([5]))
        beside = torch.randint(0, 20, (3, 9))
        beside[1, :5] = text
        together = model(beside, torch.tensor([9, 5, 2]))
    torch.testing.assert_close(alone[0], together[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_weights_go_out_and_come_back(kind) -> None:
    model, other = small(kind), small(kind)
    with torch.no_grad():
        for tensor in other.parameters():
            tensor.zero_()
    tensors = to_tensors(model)
    gates = model.architecture.gates
    assert tensors["layers.1.backward.weight_ih"].shape == (gates * 4, 8)
    assert tensors["layers.0.forward.bias_hh"].shape == (gates * 4,)
    load_tensors(other, tensors)
    assert all(torch.equal(value, tensors[name]) for name, value in to_tensors(other).items())
    with pytest.raises(RuntimeError, match=r"layers\.9"):
        load_tensors(other, {**tensors, "layers.9.forward.weight_ih": tensors["head.bias"]})


def test_a_new_lstm_remembers() -> None:
    tensors = to_tensors(small("lstm"))
    for layer in (0, 1):
        for direction in ("forward", "backward"):
            biases = [tensors[f"layers.{layer}.{direction}.{name}"] for name in ("bias_ih", "bias_hh")]
            assert (biases[0] + biases[1])[4:8].tolist() == [1.0] * 4  # i, f, g, o: the second block forgets
            assert not (biases[0] + biases[1])[:4].eq(1.0).any()


def test_all_words_dropped_leave_only_unknown_ones() -> None:
    model = small("lstm", dropout=Dropout(word=1.0)).train()
    ids, lengths = torch.randint(2, 20, (2, 6)), torch.tensor([6, 6])
    with torch.no_grad():
        torch.testing.assert_close(model(ids, lengths), model(torch.zeros_like(ids), lengths))
        model.eval()
        assert not torch.allclose(model(ids, lengths), model(torch.zeros_like(ids), lengths))


def test_the_pooled_size_follows_the_poolings() -> None:
    architecture = Architecture("gru", 20, 5, hidden_size=4, pooling=("max", "last"))
    assert architecture.pooled_size == 16
    assert Architecture.from_dict({**architecture.__dict__, "pooling": ["max", "last"]}) == architecture


@pytest.mark.parametrize("rate", [0.09, 0.5])
def test_dropout_leaves_the_mean_and_drops_each_number_on_its_own(rate) -> None:
    torch.manual_seed(1)
    x = torch.ones(500, 403, requires_grad=True)
    dropped = drop(x, rate)
    dropped.sum().backward()

    assert dropped.mean().item() == pytest.approx(1.0, abs=0.01)
    for places in ((dropped == 0).float().mean(0), (dropped == 0).float().mean(1)):
        assert places.mean().item() == pytest.approx(rate, abs=0.005)
        assert places.std().item() < 0.04  # that of independent draws is 0.025 at most
    assert torch.equal(x.grad, dropped.detach())
