"""A vector for each review, trained to predict the review's n-grams: a teacher that has read all the reviews.

Distributed bag of words (Le and Mikolov 2014) over n-grams (Li et al. 2016, DV-ngram). Reviews without a label shape
the vectors as much as those with one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sentscore.text.encoder import EncodedTexts
from sentscore_train.teachers.ngrams import find, n_grams

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DocVectorConfig:
    """How the vectors are trained, and the classifier on them fitted.

    Attributes:
        dim: numbers in a vector.
        order: longest n-gram.
        least: occurrences that an n-gram must have.
        negative: noise n-grams for each n-gram.
        epochs: passes over the texts.
        sample: threshold above which frequent n-grams are passed over at random.
        learning_rate: at the start; falls along a line to a fiftieth.
        seed: of the order of the texts; all else is drawn by gensim, from its own default seed.
        inverse_penalty: of the logistic regression on vectors of length 1; scikit-learn's C.
    """

    dim: int = 200
    order: int = 3
    least: int = 10
    negative: int = 5
    epochs: int = 10
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
    """The vector of each text, float32 [n, dim], of length 1; on one thread, so that they are the same every time.

    The texts are read in random order. A vector keeps a trace of when it was trained, for what is learned meanwhile
    moves all that come later: of texts in the order of their labels, a classifier would find the label in that trace.

    Args:
        encoded: the texts.
        vocab_size: ids are below it.
        config: the numbers of the method.
        progress: called with (passes done, passes in all).
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
        min_count=1,  # the rare ones are left out before
        alpha=config.learning_rate,
        min_alpha=config.learning_rate / 50,
        epochs=config.epochs,
        workers=1,
    )
    order = np.random.default_rng(config.seed).permutation(len(encoded))
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "n-grams.txt"
        _write(corpus, encoded, order, vocab_size, config)
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


def _write(
    path: Path, encoded: EncodedTexts, order: npt.NDArray[np.int64], vocab_size: int, config: DocVectorConfig
) -> None:
    """A line a text, in the order given, with the numbers of its frequent n-grams: what gensim reads fastest."""
    keys, owners = n_grams(encoded, vocab_size, config.order)
    distinct, counts = np.unique(keys, return_counts=True)
    known = distinct[counts >= config.least]
    words = np.array([str(index) for index in range(len(known))], dtype=object)
    places, hit = find(keys, known)
    places, owners = places[hit], owners[hit]
    by_text = np.argsort(owners, kind="stable")
    places = places[by_text]
    offsets = np.searchsorted(owners[by_text], np.arange(len(encoded) + 1))
    with path.open("w", encoding="ascii") as file:
        for text in order:
            file.write(" ".join(words[places[offsets[text] : offsets[text + 1]]]) or "-")  # gensim skips empty lines
            file.write("\n")
