"""Trains word vectors on the reviews themselves: skip-gram with negative sampling, by gensim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentscore.text.encoder import EncodedTexts
from sentscore.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class SkipGramConfig:
    """Skip-gram (Mikolov et al. 2013) as used for the shipped models. Numbers without a reason are gensim's defaults.

    Attributes:
        dim: The numbers of a vector. 100 keeps a model under 20 MB.
        window: The tokens to each side of a token that it is trained to predict.
        negative: The noise tokens for each token.
        epochs: The passes over the corpus.
        sample: The frequency above which tokens are left out at random.
        learning_rate: The rate at the start. It falls linearly to near 0.
        seed: The seed of the start vectors and of all draws.
        workers: The number of threads. With more than 1 the result differs from run to run.
    """

    dim: int = 100
    window: int = 5
    negative: int = 5
    epochs: int = 5
    sample: float = 1e-3
    learning_rate: float = 0.025
    seed: int = 1234
    workers: int = 1


def train_skip_gram(
    encoded: EncodedTexts,
    vocabulary: Vocabulary,
    config: SkipGramConfig,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """Returns a vector for every token, float32 [V, dim]. Those of `<pad>` and of tokens that never occur are zeros.

    Args:
        encoded: The corpus.
        vocabulary: The vocabulary of the ids in `encoded`.
        config: The numbers of the method.
        progress: The function that is called with the texts read so far and the texts of all passes.
    """
    from gensim.models import Word2Vec

    words = [str(index) for index in range(len(vocabulary))]
    total = len(encoded) * (config.epochs + 1)  # one pass more, in which gensim counts the words
    done = 0

    class Corpus:
        def __iter__(self) -> Iterator[list[str]]:
            nonlocal done
            for index in range(len(encoded)):
                done += 1
                if progress is not None and done % 1000 == 0:
                    progress(done, total)
                yield [words[token] for token in encoded[index].tolist()]

    model = Word2Vec(
        sentences=Corpus(),
        vector_size=config.dim,
        window=config.window,
        negative=config.negative,
        epochs=config.epochs,
        sample=config.sample,
        alpha=config.learning_rate,
        seed=config.seed,
        workers=config.workers,
        min_count=1,
        sg=1,
    )
    vectors = np.zeros((len(vocabulary), config.dim), np.float32)
    for index, word in enumerate(words):
        if index != vocabulary.pad_id and word in model.wv:
            vectors[index] = model.wv[word]
    return vectors
