"""Cuts a few sentences out of reviews, so that a model learns to score them as well as the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sentscore.text.encoder import EncodedTexts
from sentscore.text.vocabulary import Vocabulary

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExtractConfig:
    """What of the reviews is read in an epoch, drawn anew each time.

    Attributes:
        whole: share of the reviews that are read from the first word to the last.
        share: of the reviews of which an extract is read, too or instead; 0 for none.
        sentences: most sentences of an extract; each number up to it is as likely.
        at_end: share of the extracts that are the review's last sentences, where most reviewers sum up. The others
            begin with any sentence.
    """

    whole: float = 0.75
    share: float = 1.0
    sentences: int = 3
    at_end: float = 0.4


def sentence_ends(vocabulary: Vocabulary) -> npt.NDArray[np.bool_]:
    """Whether a token ends a sentence (`.`, `!`, `?`, `...`, `?!`), bool [V]."""
    return np.array([bool(token) and not token.strip(".!?") for token in vocabulary.tokens])


def with_extracts(
    encoded: EncodedTexts, ends: npt.NDArray[np.bool_], config: ExtractConfig, random: np.random.Generator
) -> tuple[EncodedTexts, Rows]:
    """The texts of an epoch, first the whole ones, then the extracts, and the row that each comes from, int64.

    How many there are of both depends on the shares alone, not on what is drawn. A sentence goes on to the last of the
    tokens that end it: `what ? ! no .` has two.

    Args:
        encoded: the texts [n].
        ends: as `sentence_ends` gives it.
        config: how many and how much.
        random: draws; the same state gives the same extracts.
    """
    whole = _drawn(len(encoded), config.whole, random)
    cut = _drawn(len(encoded), config.share, random)
    starts, stops = _places(encoded, cut, ends, config, random)
    rows = np.concatenate((whole, cut))
    begin, end = encoded.offsets[:-1], encoded.offsets[1:]
    return encoded.between(np.concatenate((begin[whole], starts)), np.concatenate((end[whole], stops))), rows


def _drawn(texts: int, share: float, random: np.random.Generator) -> Rows:
    """A share of the rows, in their order."""
    rows: Rows = np.arange(texts)
    return rows if share == 1.0 else np.sort(random.permutation(texts)[: round(share * texts)])


def _places(
    encoded: EncodedTexts,
    rows: Rows,
    ends: npt.NDArray[np.bool_],
    config: ExtractConfig,
    random: np.random.Generator,
) -> tuple[Rows, Rows]:
    """Where in `ids` an extract of each of the rows [m] begins and where it stops, int64 [m] each."""
    count = random.integers(1, config.sentences + 1, len(rows))
    at_end = random.random(len(rows)) < config.at_end
    where = random.random(len(rows))

    is_end = ends[encoded.ids]
    begins = np.zeros(len(encoded.ids), bool)
    begins[1:] = is_end[:-1] & ~is_end[1:]
    begins[encoded.offsets[:-1][encoded.lengths > 0]] = True
    places = np.append(np.flatnonzero(begins), len(encoded.ids))  # of the first token of each sentence
    first = np.searchsorted(places, encoded.offsets[rows])  # each text's first sentence
    sentences = np.searchsorted(places, encoded.offsets[rows + 1]) - first
    count = np.minimum(count, sentences)
    skipped = np.where(at_end, sentences - count, (where * (sentences - count + 1)).astype(np.int64))
    return places[first + skipped], places[first + skipped + count]
