"""A linear classifier on word n-grams: the teacher that sees what a recurrent model does not.

NB-SVM (Wang and Manning 2012): each n-gram that stands in a text is weighted by how much more often it stands in
positive than in negative texts, and a logistic regression learns on top.
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
from sentscore_train.teachers.ngrams import Keys, find, n_grams


@dataclass(frozen=True)
class NbSvmConfig:
    """How the classifier is fitted.

    Attributes:
        order: longest n-gram.
        least_texts: training texts that an n-gram must stand in.
        smoothing: added to every count.
        inverse_penalty: of the logistic regression; scikit-learn's C.
    """

    order: int = 3
    least_texts: int = 2
    smoothing: float = 1.0
    inverse_penalty: float = 1.0


class NbSvm:
    """A fitted classifier.

    Args:
        texts: encoded reviews with labels.
        vocab_size: ids are below it.
        config: how it is fitted.
    """

    def __init__(self, texts: LabelledTexts, vocab_size: int, config: NbSvmConfig | None = None) -> None:
        self.config = config = config or NbSvmConfig()
        self.vocab_size = vocab_size
        keys, owners = self._n_grams(texts.encoded)
        known, counts = np.unique(keys, return_counts=True)
        self._known: Keys = known[counts >= config.least_texts]
        present = self._matrix(keys, owners, len(texts))
        positive = texts.labels == 1
        for_, against = (
            np.asarray(present[rows].sum(axis=0)).ravel() + config.smoothing for rows in (positive, ~positive)
        )
        self._ratio = np.log((for_ / for_.sum()) / (against / against.sum())).astype(np.float32)
        self._model = LogisticRegression(C=config.inverse_penalty, max_iter=200)
        self._model.fit(present.multiply(self._ratio).tocsr(), texts.labels)

    def logits(self, encoded: EncodedTexts) -> npt.NDArray[np.float32]:
        """The logit of each text, float32 [n]."""
        present = self._matrix(*self._n_grams(encoded), len(encoded))
        found = self._model.decision_function(present.multiply(self._ratio).tocsr())
        return np.asarray(found, np.float32)

    def _matrix(self, keys: Keys, owners: Keys, texts: int) -> csr_matrix:
        """1 where a known n-gram stands in a text, float32 [texts, known]."""
        column, hit = find(keys, self._known)
        ones = np.ones(int(hit.sum()), np.float32)
        return csr_matrix((ones, (owners[hit], column[hit])), shape=(texts, len(self._known)))

    def _n_grams(self, encoded: EncodedTexts) -> tuple[Keys, Keys]:
        """The distinct n-grams of each text as one number each, and the text that each stands in."""
        if len(encoded) * (self.vocab_size + 1) ** self.config.order >= 1 << 63:
            raise UsageError(f"{len(encoded):,} texts are too many for one call: at most 500,000 are safe")
        keys, owners = n_grams(encoded, self.vocab_size, self.config.order)
        # One number for both, of at most 61 bits for 75,000 texts: sorting one is many times faster than sorting pairs.
        width = (self.vocab_size + 1) ** self.config.order
        both = np.unique(owners * width + keys)
        return both % width, both // width
