"""Cuts a few sentences out of reviews, so that a model learns to score extracts as well as whole reviews."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentscore.text.encoder import EncodedTexts
from sentscore.text.vocabulary import Vocabulary

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExtractConfig:
    """What is read of the reviews in an epoch. It is drawn anew for each epoch.

    Attributes:
        whole: The share of the reviews that are read from the first word to the last.
        share: The share of the reviews of which an extract is read, whether or not the whole is read too; above 1 some
            reviews give several.
        sentences: The most sentences of an extract. Each number from 1 up to it is equally likely.
        at_end: The share of the extracts that are the last sentences of a review, where most reviewers sum up. The
            others may begin at any sentence.
    """

    whole: float = 0.75
    share: float = 2.0
    sentences: int = 2
    at_end: float = 0.5


def find_sentence_ends(vocabulary: Vocabulary) -> npt.NDArray[np.bool_]:
    """Returns which tokens end a sentence (`.`, `!`, `?`, `...`, `?!`), bool [V]."""
    return np.array([bool(token) and not token.strip(".!?") for token in vocabulary.tokens])


def add_extracts(
    encoded: EncodedTexts, ends: npt.NDArray[np.bool_], config: ExtractConfig, random: np.random.Generator
) -> tuple[EncodedTexts, Rows]:
    """Returns the texts of an epoch and the row that each comes from, int64: first whole texts, then extracts.

    The number of both depends on the shares alone, not on what is drawn. A sentence ends with the last of the tokens
    that end it, so that `what ? ! no .` has two sentences.

    Args:
        encoded: [n] The texts.
        ends: bool [V] Which tokens end a sentence.
        config: How many texts are read and how much of them.
        random: The generator that draws. The same state gives the same extracts.
    """
    whole = _draw_rows(len(encoded), config.whole, random)
    cut = _draw_rows(len(encoded), config.share, random)
    starts, stops = _draw_extracts(encoded, cut, ends, config, random)
    rows = np.concatenate((whole, cut))
    begin, end = encoded.offsets[:-1], encoded.offsets[1:]
    return encoded.between(np.concatenate((begin[whole], starts)), np.concatenate((end[whole], stops))), rows


def _draw_rows(texts: int, share: float, random: np.random.Generator) -> Rows:
    """Returns a share of the rows in ascending order, each once for every 1 in the share, the rest of it at random."""
    rounds, rest = divmod(round(share * texts), max(texts, 1))
    drawn = [random.permutation(texts)[:rest]] if rest else []
    found: Rows = np.sort(np.concatenate([*[np.arange(texts)] * rounds, *drawn, np.zeros(0, np.int64)]))
    return found


def _draw_extracts(
    encoded: EncodedTexts,
    rows: Rows,
    ends: npt.NDArray[np.bool_],
    config: ExtractConfig,
    random: np.random.Generator,
) -> tuple[Rows, Rows]:
    """Returns where in `ids` an extract of each of the rows [m] starts and stops, int64 [m] each."""
    count = random.integers(1, config.sentences + 1, len(rows))
    at_end = random.random(len(rows)) < config.at_end
    place = random.random(len(rows))  # from 0 for the first sentence that an extract may begin at to 1 for the last

    is_end = ends[encoded.ids]
    begins = np.zeros(len(encoded.ids), bool)
    begins[1:] = is_end[:-1] & ~is_end[1:]
    begins[encoded.offsets[:-1][encoded.lengths > 0]] = True
    starts = np.append(np.flatnonzero(begins), len(encoded.ids))  # of all sentences
    first = np.searchsorted(starts, encoded.offsets[rows])  # each text's first sentence
    sentences = np.searchsorted(starts, encoded.offsets[rows + 1]) - first
    count = np.minimum(count, sentences)
    skipped = np.where(at_end, sentences - count, (place * (sentences - count + 1)).astype(np.int64))
    return starts[first + skipped], starts[first + skipped + count]
