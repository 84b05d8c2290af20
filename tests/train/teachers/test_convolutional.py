from __future__ import annotations

import pytest
import torch

from sentscore_train.models.classifier import Dropout
from sentscore_train.teachers.convolutional import ConvolutionalClassifier, ConvolutionConfig


@pytest.fixture
def model() -> ConvolutionalClassifier:
    torch.manual_seed(0)
    return ConvolutionalClassifier(20, 6, ConvolutionConfig(filters=4), Dropout(0.5, 0.5, 0.0, 0.5), unk_id=0)


def test_a_logit_does_not_depend_on_the_padding(model) -> None:
    model.eval()
    ids = torch.randint(2, 20, (3, 9))
    lengths = torch.tensor([9, 4, 1])
    found = model(ids, lengths)
    assert found.shape == (3,)
    assert found.dtype == torch.float32
    other = torch.where(torch.arange(9) < lengths[:, None], ids, 7)
    torch.testing.assert_close(model(other, lengths), found)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(model(ids[row : row + 1, :length], lengths[row : row + 1])[0], found[row])


def test_the_order_of_words_matters_and_dropout_is_for_training_alone(model) -> None:
    model.eval()
    ids, lengths = torch.tensor([[2, 3, 4, 5], [5, 4, 3, 2]]), torch.tensor([4, 4])
    forward, backward = model(ids, lengths)
    assert forward != backward
    assert torch.equal(model(ids, lengths), model(ids, lengths))
    model.train()
    assert not torch.equal(model(ids, lengths), model(ids, lengths))
