from __future__ import annotations

import pytest

from sentscore_train.adapt.config import AdaptConfig
from sentscore_train.models.classifier import Architecture

ARCHITECTURE = Architecture("gru", 102, 6, 8, 1, ("max", "mean"))


@pytest.mark.parametrize(("texts", "least", "most"), [(200, 4, 12), (1_500, 4, 12), (1_000_000, 1, 2)])
def test_many_reviews_need_few_epochs(texts, least, most) -> None:
    recipe = AdaptConfig().train_config(ARCHITECTURE, "gru@abc", texts)
    assert least <= recipe.epochs <= most
    assert AdaptConfig(epochs=7).train_config(ARCHITECTURE, "gru@abc", texts).epochs == 7


def test_the_recipe_has_the_sizes_of_the_start() -> None:
    recipe = AdaptConfig(seed=5, threads=2).train_config(ARCHITECTURE, "gru@abc", 1_000)
    assert (recipe.hidden_size, recipe.num_layers, recipe.pooling) == (8, 1, ("max", "mean"))
    assert (recipe.start, recipe.seed, recipe.threads, recipe.keep) == ("gru@abc", 5, 2, "last")


def test_of_many_reviews_a_small_share_is_held_out() -> None:
    config = AdaptConfig(held_out=0.15, most_held_out=2_000)
    assert config.share_held_out(1_000) == 0.15
    assert config.share_held_out(100_000) == 0.02
