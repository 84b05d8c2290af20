"""Reviews whose labels words tell that a model of the tests does not know."""

from __future__ import annotations

import numpy as np

from sentscore_train.data.corpus import Source


def make_source(name: str = "mine", count: int = 240, seed: int = 0) -> Source:
    """Returns reviews with `flimsy` or `sturdy` in them, and with a word of its own in each."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    fillers = random.choice(["the", "film", "was", "and", "plot", "."], (count, 9))
    texts = [
        " ".join([*row, "sturdy" if label else "flimsy", f"only{seed}x{number}"])
        for number, (row, label) in enumerate(zip(fillers, labels, strict=True))
    ]
    return Source(name, texts, labels.astype(np.int8), facts={"file": f"{name}.csv"})
