"""Puts a few sentences of a review in the place of the whole, so that a model learns to score both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentscore.encoder import EncodedTexts
from sentscore.vocabulary import Vocabulary


@dataclass(frozen=True)
class ExtractConfig:
    """How often and how much is cut out.

    Attributes:
        share: of the reviews that are replaced by an extract, drawn anew each epoch; 0 for none.
        sentences: most sentences of an extract; each number up to it is as likely.
        at_end: share of the extracts that are the review's last sentences, where most reviewers sum up. The others
            begin with any sentence.
    """

    share: float = 0.25
    sentences: int = 3
    at_end: float = 0.4


def sentence_ends(vocabulary: Vocabulary) -> npt.NDArray[np.bool_]:
    """Whether a token ends a sentence (`.`, `!`, `?`, `...`, `?!`), bool [V]."""
    return np.array([bool(token) and not token.strip(".!?") for token in vocabulary.tokens])


def with_extracts(
    encoded: EncodedTexts, ends: npt.NDArray[np.bool_], config: ExtractConfig, random: np.random.Generator
) -> EncodedTexts:
    """The texts, a share of them cut down to neighbouring sentences of theirs.

    A sentence goes on to the last of the tokens that end it: `what ? ! no .` has two.

    Args:
        encoded: the texts [n].
        ends: as `sentence_ends` gives it.
        config: how often and how much.
        random: draws; the same state gives the same extracts.
    """
    if not config.share or not len(encoded.ids):
        return encoded
    texts = len(encoded)
    chosen = random.random(texts) < config.share
    count = random.integers(1, config.sentences + 1, texts)
    at_end = random.random(texts) < config.at_end
    where = random.random(texts)

    is_end = ends[encoded.ids]
    begins = np.zeros(len(encoded.ids), bool)
    begins[1:] = is_end[:-1] & ~is_end[1:]
    begins[encoded.offsets[:-1][encoded.lengths > 0]] = True
    places = np.append(np.flatnonzero(begins), len(encoded.ids))  # of the first token of each sentence
    first = np.searchsorted(places, encoded.offsets[:-1])  # each text's first sentence
    sentences = np.searchsorted(places, encoded.offsets[1:]) - first
    count = np.minimum(count, sentences)
    skipped = np.where(at_end, sentences - count, (where * (sentences - count + 1)).astype(np.int64))
    start = np.where(chosen, places[first + skipped], encoded.offsets[:-1])
    stop = np.where(chosen, places[first + skipped + count], encoded.offsets[1:])
    return encoded.between(start, stop)
