"""Fits a linear classifier on n-grams of tokens, a teacher that makes other mistakes than a recurrent model.

NB-SVM (Wang and Manning 2012) weights each n-gram of a text by how much more often it occurs in positive than in
negative texts, and fits a logistic regression to these weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from sentscore.errors import UsageError
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.teachers.ngrams import Keys, find_keys, n_grams


@dataclass(frozen=True)
class NbSvmConfig:
    """How the classifier is fitted.

    Attributes:
        order: The length of the longest n-grams, in tokens.
        least_texts: The number of training texts that an n-gram must occur in.
        smoothing: The number that is added to every count.
        inverse_penalty: Scikit-learn's C of the logistic regression.
    """

    order: int = 3
    least_texts: int = 2
    smoothing: float = 1.0
    inverse_penalty: float = 1.0


class NbSvm:
    """A fitted classifier.

    Args:
        texts: The encoded reviews and their labels.
        vocab_size: The size of the vocabulary.
        config: How the classifier is fitted.

    Raises:
        UsageError: There are too many texts for 64-bit keys.
    """

    def __init__(self, texts: LabelledTexts, vocab_size: int, config: NbSvmConfig | None = None) -> None:
        self.config = config = config or NbSvmConfig()
        self.vocab_size = vocab_size
        keys, owners = self._n_grams(texts.encoded)
        known, counts = np.unique(keys, return_counts=True)
        self._known: Keys = known[counts >= config.least_texts]
        present = self._matrix(keys, owners, len(texts))
        positive = texts.labels == 1
        in_positive, in_negative = (
            np.asarray(present[rows].sum(axis=0)).ravel() + config.smoothing for rows in (positive, ~positive)
        )
        self._ratio = np.log((in_positive / in_positive.sum()) / (in_negative / in_negative.sum())).astype(np.float32)
        self._model = LogisticRegression(C=config.inverse_penalty, max_iter=200)
        self._model.fit(present.multiply(self._ratio).tocsr(), texts.labels)

    def logits(self, encoded: EncodedTexts) -> npt.NDArray[np.float32]:
        """Returns the logit of each text, float32 [n]."""
        present = self._matrix(*self._n_grams(encoded), len(encoded))
        found = self._model.decision_function(present.multiply(self._ratio).tocsr())
        return np.asarray(found, np.float32)

    def _matrix(self, keys: Keys, owners: Keys, texts: int) -> csr_matrix:
        """Returns float32 [texts, known]: 1 where a known n-gram occurs in a text."""
        column, hit = find_keys(keys, self._known)
        ones = np.ones(int(hit.sum()), np.float32)
        return csr_matrix((ones, (owners[hit], column[hit])), shape=(texts, len(self._known)))

    def _n_grams(self, encoded: EncodedTexts) -> tuple[Keys, Keys]:
        """Returns the distinct n-grams of each text as keys, and the text that each occurs in."""
        if len(encoded) * (self.vocab_size + 1) ** self.config.order >= 1 << 63:
            raise UsageError(f"{len(encoded):,} texts are too many for one call: at most 500,000 are safe")
        keys, owners = n_grams(encoded, self.vocab_size, self.config.order)
        # One number holds both, in at most 61 bits for 75,000 texts. It sorts many times faster than pairs do.
        width = (self.vocab_size + 1) ** self.config.order
        both = np.unique(owners * width + keys)
        return both % width, both // width
