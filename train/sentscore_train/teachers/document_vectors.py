"""Trains a vector for each review that predicts the review's n-grams, for a teacher that learns from all reviews.

The method is the distributed bag of words (Le and Mikolov 2014) over n-grams (Li et al. 2016, DV-ngram). Reviews
without a label shape the vectors as much as those with one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sentscore.files import output_errors
from sentscore.text.encoder import EncodedTexts
from sentscore_train.teachers.ngrams import find_keys, n_grams

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DocVectorConfig:
    """How the vectors are trained, and how the classifier on them is fitted.

    Attributes:
        dim: The size of a vector.
        order: The length of the longest n-grams, in tokens.
        least: The number of times that an n-gram must occur.
        negative: The number of noise n-grams for each n-gram.
        epochs: The passes over the texts, of which each takes minutes.
        sample: The frequency above which n-grams are skipped at random.
        learning_rate: The first learning rate; it falls linearly to a fiftieth.
        seed: The seed of the order of the texts. Gensim draws the rest from its own default seed.
        inverse_penalty: Scikit-learn's C of the logistic regression on vectors of length 1.
    """

    dim: int = 200
    order: int = 3
    least: int = 10
    negative: int = 5
    epochs: int = 5
    sample: float = 1e-3
    learning_rate: float = 0.05
    seed: int = 1234
    inverse_penalty: float = 1.0


def document_vectors(
    encoded: EncodedTexts,
    vocab_size: int,
    config: DocVectorConfig,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Vectors:
    """Returns the vector of each text, float32 [n, dim], of length 1. One thread makes them the same every time.

    The texts are read in random order, for a vector depends a little on when it was trained. If the texts came in the
    order of their labels, a classifier would read the label from that.

    Args:
        encoded: The texts.
        vocab_size: The size of the vocabulary.
        config: The numbers of the method.
        progress: The function that is called after each pass with the passes done and all passes.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # gensim's own, about its imports
        from gensim.models import Doc2Vec
        from gensim.models.callbacks import CallbackAny2Vec

    class Passes(CallbackAny2Vec):  # type: ignore[misc]  # gensim has no types
        done = 0

        def on_epoch_end(self, _: Doc2Vec) -> None:
            self.done += 1
            if progress is not None:
                progress(self.done, config.epochs)

    model = Doc2Vec(
        dm=0,
        vector_size=config.dim,
        negative=config.negative,
        sample=config.sample,
        min_count=1,  # rare n-grams are not in the file
        alpha=config.learning_rate,
        min_alpha=config.learning_rate / 50,
        epochs=config.epochs,
        workers=1,
    )
    order = np.random.default_rng(config.seed).permutation(len(encoded))
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "n-grams.txt"
        _write_corpus(corpus, encoded, order, vocab_size, config)
        model.build_vocab(corpus_file=str(corpus))
        model.train(
            corpus_file=str(corpus),
            total_examples=model.corpus_count,
            total_words=model.corpus_total_words,
            epochs=config.epochs,
            callbacks=[Passes()],
        )
    vectors = np.empty((len(encoded), config.dim), np.float32)
    vectors[order] = model.dv.vectors
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _write_corpus(
    path: Path, encoded: EncodedTexts, order: npt.NDArray[np.int64], vocab_size: int, config: DocVectorConfig
) -> None:
    """Writes a line for each text, in the given order, with the numbers of its frequent n-grams for gensim."""
    keys, owners = n_grams(encoded, vocab_size, config.order)
    distinct, counts = np.unique(keys, return_counts=True)
    known = distinct[counts >= config.least]
    words = np.array([str(index) for index in range(len(known))], dtype=object)
    places, hit = find_keys(keys, known)
    places, owners = places[hit], owners[hit]
    by_text = np.argsort(owners, kind="stable")
    places = places[by_text]
    offsets = np.searchsorted(owners[by_text], np.arange(len(encoded) + 1))
    with output_errors(str(path)), path.open("w", encoding="ascii") as file:
        for text in order:
            file.write(" ".join(words[places[offsets[text] : offsets[text + 1]]]) or "-")  # gensim skips empty lines
            file.write("\n")
