"""Fits a linear classifier on n-grams of tokens, a teacher that makes other mistakes than a recurrent model.

NB-SVM (Wang and Manning 2012) weights each n-gram of a text by how much more often it occurs in positive than in
negative texts, and fits a logistic regression to these weights. An n-gram may mean something else in each kind of text:
with feature augmentation (Daumé 2007) it counts once by its weight in all texts, and once more by its weight in the
texts of the same kind. What one kind teaches holds for all, unless a kind's own texts say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from sentscore.errors import UsageError
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.teachers.ngrams import Keys, find_keys, n_grams

Floats = npt.NDArray[np.float32]
Kinds = npt.NDArray[np.integer]

_PART = 20_000  # texts that are judged at a time, for their n-grams take much memory


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
        kinds: For each way to sort the texts the kind of each text, int [n] from 0, below 0 for none. A kind without
            texts of both labels has no weights of its own.

    Raises:
        UsageError: There are too many texts for 64-bit keys.
    """

    def __init__(
        self, texts: LabelledTexts, vocab_size: int, config: NbSvmConfig | None = None, *, kinds: Sequence[Kinds] = ()
    ) -> None:
        self.config = config = config or NbSvmConfig()
        self.vocab_size = vocab_size
        keys, owners = self._n_grams(texts.encoded)
        known, counts = np.unique(keys, return_counts=True)
        self._known: Keys = known[counts >= config.least_texts]
        present = self._matrix(keys, owners, len(texts))
        positive = texts.labels == 1
        self._ratio = self._weigh(present, positive)
        self._weights = [self._weigh_kinds(present, positive, each) for each in kinds]
        self._model = LogisticRegression(C=config.inverse_penalty, max_iter=200)
        self._model.fit(self._features(present, kinds), texts.labels)

    def logits(self, encoded: EncodedTexts, kinds: Sequence[Kinds] = ()) -> Floats:
        """Returns the logit of each text, float32 [n].

        Args:
            encoded: The texts.
            kinds: Their kinds, in the ways in which the classifier was fitted.
        """
        found = [np.zeros(0, np.float32)]
        for start in range(0, len(encoded), _PART):
            part = encoded.take(np.arange(start, min(start + _PART, len(encoded))))
            present = self._matrix(*self._n_grams(part), len(part))
            features = self._features(present, [each[start : start + _PART] for each in kinds])
            found.append(np.asarray(self._model.decision_function(features), np.float32))
        return np.concatenate(found)

    def _features(self, present: csr_matrix, kinds: Sequence[Kinds]) -> csr_matrix:
        """Returns float32 [texts, known * (1 + kinds)]: the weights in all texts, then those in each kind's own."""
        parts = [present.multiply(self._ratio).tocsr()]
        for weights, kind in zip(self._weights, kinds, strict=True):
            for number, (columns, ratio) in weights.items():
                own = present[:, columns].multiply(ratio).tocsr()
                own.data *= np.repeat(kind == number, np.diff(own.indptr))
                own.eliminate_zeros()
                parts.append(own)
        return hstack(parts, format="csr") if kinds else parts[0]

    def _weigh_kinds(
        self, present: csr_matrix, positive: npt.NDArray[np.bool_], kinds: Kinds
    ) -> dict[int, tuple[Keys, Floats]]:
        """Returns the n-grams of each kind of texts that has both labels, as columns, and their weights there.

        An n-gram that none of the kind's texts has could never be learned to mean something there.
        """
        found = {}
        for kind in np.unique(kinds[kinds >= 0]).tolist():
            own = kinds == kind
            if 0 < positive[own].sum() < own.sum():
                columns = np.unique(present[own].indices).astype(np.int64)
                found[kind] = columns, self._weigh(present[own], positive[own])[columns]
        return found

    def _weigh(self, present: csr_matrix, positive: npt.NDArray[np.bool_]) -> Floats:
        """Returns how much more often each n-gram is in positive texts, as a logarithm, float32 [known]."""
        in_positive, in_negative = (
            np.asarray(present[rows].sum(axis=0)).ravel() + self.config.smoothing for rows in (positive, ~positive)
        )
        ratio: Floats = np.log((in_positive / in_positive.sum()) / (in_negative / in_negative.sum())).astype(np.float32)
        return ratio

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
