from __future__ import annotations

import pytest
import torch
from torch import nn

from sentscore_train.models.recurrent import Gru, Lstm, _GruSteps, _LstmSteps

PAIRS = {"lstm": (Lstm, nn.LSTM, _LstmSteps), "gru": (Gru, nn.GRU, _GruSteps)}


def states_of(layer: nn.RNNBase, x: torch.Tensor) -> torch.Tensor:
    states: torch.Tensor = layer(x)[0]
    return states


@pytest.mark.parametrize("kind", PAIRS)
def test_in_float32_it_is_torchs_own(kind) -> None:
    torch.manual_seed(0)
    ours, theirs = PAIRS[kind][0](6, 8), PAIRS[kind][1](6, 8)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(9, 3, 6)
    assert torch.equal(states_of(ours, x), states_of(theirs, x))


@pytest.mark.parametrize("kind", PAIRS)
def test_states_and_gradients_of_the_steps_are_torchs(kind) -> None:
    _, cell, steps = PAIRS[kind]
    torch.manual_seed(0)
    theirs = cell(6, 8)
    x = torch.randn(30, 3, 6, requires_grad=True)
    weights = torch.randn(30, 3, 8)
    expected_states = states_of(theirs, x)
    parameters = [*theirs.all_weights[0], x]
    expected = torch.autograd.grad((expected_states * weights).sum(), parameters)
    weight_ih, weight_hh, bias_ih, bias_hh = theirs.all_weights[0]
    inputs = nn.functional.linear(x, weight_ih, bias_ih)
    found_states = steps.apply(inputs, weight_hh, bias_hh, torch.float32)
    found_states = found_states[0] if kind == "lstm" else found_states
    torch.testing.assert_close(found_states, expected_states, rtol=0, atol=1e-6)
    found = torch.autograd.grad((found_states * weights).sum(), parameters)
    for ours, torchs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", PAIRS)
def test_under_bf16_the_state_moves_by_less_than_bf16_can_hold(kind) -> None:
    layer = PAIRS[kind][0](6, 8)
    with torch.no_grad():
        for tensor in layer.parameters():
            tensor.zero_()
        # Each step adds 1/400 of what is written: z close to 1 in a GRU, i close to 0 and f to 1 in an LSTM.
        gates = [6.0, 3.0] if kind == "gru" else [6.0, 3.0, 3.0]
        first = 1 if kind == "gru" else 0
        if kind == "lstm":
            layer.bias_ih_l0[:8] = -6.0
            first = 1
        for gate, value in enumerate(gates, first):
            layer.bias_ih_l0[8 * gate : 8 * gate + 8] = value
        x = torch.zeros(400, 1, 6)
        exact = states_of(layer, x)[-1]
        with torch.autocast("cpu", torch.bfloat16):
            states = states_of(layer, x)
    assert states.dtype == torch.float32
    assert 0.5 < exact.max() < 0.65
    torch.testing.assert_close(states[-1], exact, rtol=0, atol=5e-3)
