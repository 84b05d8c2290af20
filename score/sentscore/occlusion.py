"""Says which words moved a text's score, by occlusion: each word is left out, and the model itself scores the rest.

A word's effect is the log-odds of the text's score less those of the text without the word's tokens. Nothing is
approximated, but the effects need not add up, for a model reads words together.

A text of up to 512 words has each of them left out. Of a longer one the sentences are left out first, then the words
of the strongest sentences: at most 288 parts. The whole text is scored, too, and for comparison a single unknown word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from sentscore.model.engine import Engine
from sentscore.text.encoder import MAX_TOKENS, EncodedTexts, Encoder, head_and_tail
from sentscore.text.normalize import as_text_array

VERSION: Final = 1
"""The version of what an explanation is. It grows when any text gets other words or other effects."""

MOST_SENTENCES: Final = 128
"""The most sentences of a long text that are left out. Where a text has more, neighbours are joined."""

MOST_WORDS: Final = 160
"""The most words of a long text that are left out, those of its strongest sentences."""

LONG_FROM: Final = 513
"""The words of a text that is long. A shorter one has each of them left out, and no sentences."""

METHOD: Final = (
    "Each word was left out in turn, and the model itself scored the rest. "
    "A word's effect is the log-odds of the score less those without the word."
)
METHOD_LONG: Final = (
    f"The text has more than {LONG_FROM - 1} words. Its sentences were left out in turn, then the words of those that "
    "moved the score most, and the model itself scored the rest. An effect is the log-odds of the score less those "
    "without the sentence or word."
)

_BREAK: Final = r"<br[\t\n\f\r ]*/?>"

NEW_LINE: Final = re.compile(rf"{_BREAK}|\r\n?|\n", re.IGNORECASE)
"""What ends a line of a text."""

_LONGEST_SENTENCE: Final = 64  # words; a longer one is cut
# U+0085 is Windows-1252's ellipsis for the normalisation, and no white space.
_SEPARATOR: Final = re.compile(rf"{_BREAK}|[^\S\x85]", re.IGNORECASE)
_ENDS_SENTENCE: Final = re.compile(r"[.!?\u2026\u3002\uff01\uff1f][\"')\]*\u00bb\u2019\u201d]{0,9}$")

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Attributes:
        start: The place of its first character in the text.
        stop: The place behind its last one.
        effect: How much the word raises the log-odds; None where it was not left out by itself.
    """

    start: int
    stop: int
    effect: float | None = None


@dataclass(frozen=True)
class Sentence:
    """Consecutive words of a long text that were left out together.

    Attributes:
        start: The index of its first word.
        stop: The index behind its last one.
        effect: How much the sentence raises the log-odds.
    """

    start: int
    stop: int
    effect: float


@dataclass(frozen=True)
class Explanation:
    """What moved the score of a text.

    Attributes:
        text: The text that the words' places are in: the one that was given. Where its normalisation joins or cuts
            words in other places than at white space and line breaks, it is the normalised text.
        log_odds: The log-odds ln(p / (1 - p)) of the text's score p.
        baseline: Those of a text that says nothing, a single unknown word.
        words: The words that the model reads, in order.
        sentences: The sentences of a long text, in order; empty where each word was left out.
    """

    text: str
    log_odds: float
    baseline: float
    words: tuple[Word, ...]
    sentences: tuple[Sentence, ...] = ()

    @property
    def method(self) -> str:
        """How the effects were found, in whole sentences."""
        return METHOD_LONG if self.sentences else METHOD

    @property
    def sum_of_effects(self) -> float:
        """The sum of all effects: those of words, and of the sentences whose words have none."""
        words = [word.effect for word in self.words if word.effect is not None]
        others = [each.effect for each in self.sentences if self.words[each.start].effect is None]
        return math.fsum([*words, *others])

    @property
    def additivity(self) -> str:
        """How far the effects are from adding up, in a whole sentence."""
        raised = self.log_odds - self.baseline
        return (
            f"The effects add up to {self.sum_of_effects:+.2f}. The whole text is {raised:+.2f} from a single unknown "
            f"word, so {raised - self.sum_of_effects:+.2f} comes of words that the model reads together."
        )

    def strongest(self, count: int) -> list[int]:
        """Returns the indexes of the `count` words with the largest effects either way, of equal ones the first."""
        known = [index for index, word in enumerate(self.words) if word.effect is not None]
        return sorted(known, key=lambda index: -abs(self.words[index].effect or 0.0))[:count]

    def spell(self, word: Word) -> str:
        """Returns a word as it is written in the text."""
        return self.text[word.start : word.stop]


@dataclass(frozen=True)
class WordTokens:
    """The words of a text and the tokens that the model reads of each.

    Attributes:
        text: As in `Explanation`.
        words: The words that the model reads [w].
        ids: The token ids that the model reads, int32 [T].
        offsets: Word i has the ids `ids[offsets[i]:offsets[i + 1]]`, at least one, int64 [w + 1].
    """

    text: str
    words: tuple[Word, ...]
    ids: npt.NDArray[np.int32]
    offsets: _Ints


class Explainer:
    """Explains the scores of one model. Threads may share an explainer.

    Args:
        engine: The model.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._encoder = Encoder(engine.vocabulary, max_tokens=None)

    def explain(self, text: str | None, pool: Executor | None = None) -> Explanation | None:
        """Returns which words moved a text's score; None where there is nothing to score.

        Args:
            text: The text, or None.
            pool: The threads that score; None for those of the engine.

        Raises:
            InputError: The text is not UTF-8.
            ArtifactError: The model's manifest has no temperature, or another one than its graph.
            DeviceError: There is not enough memory, or the GPU fails.
        """
        tokens = self.split(text)
        words = len(tokens.words)
        if words == 0:
            return None
        bounds = np.arange(words + 1) if words < LONG_FROM else _find_sentences(tokens)
        log_odds, baseline, effects = self._leave_out(tokens, bounds[:-1], bounds[1:], pool)
        explanation = Explanation(tokens.text, log_odds, baseline, tokens.words)
        if words < LONG_FROM:
            return replace(explanation, words=_with_effects(tokens.words, range(words), effects))
        sentences = tuple(map(Sentence, bounds[:-1].tolist(), bounds[1:].tolist(), effects.tolist()))
        chosen = _choose_words(sentences)
        _, _, effects = self._leave_out(tokens, chosen, chosen + 1, pool)
        return replace(explanation, words=_with_effects(tokens.words, chosen.tolist(), effects), sentences=sentences)

    def split(self, text: str | None) -> WordTokens:
        """Returns the words of a text that the model reads, without effects; none for a null or a blank text.

        Raises:
            InputError: The text is not UTF-8.
        """
        text = text or ""
        normalized, whole = self._encoder.encode_words(text)
        starts, stops = find_words(text)
        spelled = [text[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        encoded = self._encoder.encode(as_text_array(spelled))
        if not np.array_equal(encoded.ids, whole.ids):
            encoded, text = whole, " ".join(normalized.to_pylist())
            lengths = pc.utf8_length(normalized).to_numpy()
            stops = np.cumsum(lengths + 1) - 1
            starts = stops - lengths
        return _keep_read(text, starts, stops, encoded)

    def _leave_out(
        self, tokens: WordTokens, starts: _Ints, stops: _Ints, pool: Executor | None
    ) -> tuple[float, float, _Floats]:
        """Returns the log-odds of the text and of the baseline, and the effects [m] of the words starts[i]:stops[i]."""
        nothing = np.array([self._engine.vocabulary.unk_id], np.int32)
        variants = _without(tokens, starts, stops, nothing)
        log_odds = self._engine.log_odds(variants, pool)
        return float(log_odds[0]), float(log_odds[1]), log_odds[0] - log_odds[2:]


def find_words(text: str) -> tuple[_Ints, _Ints]:
    """Returns the starts and stops of a text's words, both int64 [w]. White space and line breaks are between them."""
    # Numbers and no objects, for a text may have millions of words.
    inner = np.fromiter((place for match in _SEPARATOR.finditer(text) for place in match.span()), np.int64)
    bounds = np.concatenate(([0], inner, [len(text)])).reshape(-1, 2)
    starts, stops = bounds[bounds[:, 0] < bounds[:, 1]].T
    return starts, stops


def _keep_read(text: str, starts: _Ints, stops: _Ints, encoded: EncodedTexts) -> WordTokens:
    """Keeps the tokens that the model reads of a text, and the words that they are of."""
    owners = np.repeat(np.arange(len(encoded), dtype=np.int32), encoded.lengths)
    bounds = np.array([0, len(owners)])
    owners = head_and_tail(EncodedTexts(owners, bounds), MAX_TOKENS).ids
    ids = head_and_tail(EncodedTexts(encoded.ids, bounds), MAX_TOKENS).ids
    read, firsts = np.unique(owners, return_index=True)
    words = tuple(map(Word, starts[read].tolist(), stops[read].tolist()))
    return WordTokens(text, words, ids, np.append(firsts, len(owners)).astype(np.int64))


def _without(tokens: WordTokens, starts: _Ints, stops: _Ints, nothing: npt.NDArray[np.int32]) -> EncodedTexts:
    """Returns the text, the baseline `nothing`, and the text without each of some parts.

    A text of which nothing is left becomes the baseline.

    Args:
        tokens: The text.
        starts: The first word of each part [m].
        stops: The word behind each part [m].
        nothing: The token ids of the baseline, int32 [b].

    Returns:
        The m + 2 texts.
    """
    place = np.arange(len(tokens.ids))
    first, behind = tokens.offsets[starts][:, None], tokens.offsets[stops][:, None]
    kept = (place < first) | (place >= behind)
    ids = [tokens.ids, nothing, *(tokens.ids[row] if row.any() else nothing for row in kept)]
    lengths = np.array([len(each) for each in ids])
    return EncodedTexts(np.concatenate(ids), np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths))))


def _find_sentences(tokens: WordTokens) -> _Ints:
    """Returns the bounds of at most `MOST_SENTENCES` sentences, as indexes of words, int64 [s + 1]."""
    bounds = [0]
    for index, (word, following) in enumerate(pairwise(tokens.words), start=1):
        gap = tokens.text[word.stop : following.start]
        ends = _ENDS_SENTENCE.search(tokens.text, max(word.start, word.stop - 10), word.stop)
        if ends or len(NEW_LINE.findall(gap)) > 1 or index - bounds[-1] == _LONGEST_SENTENCE:
            bounds.append(index)
    bounds.append(len(tokens.words))
    return np.array(bounds if len(bounds) <= MOST_SENTENCES + 1 else _join_neighbours(bounds))


def _join_neighbours(bounds: Sequence[int]) -> list[int]:
    """Returns fewer bounds, at most `MOST_SENTENCES + 1`.

    Two neighbours are longer together than the limit, or they would have been joined: so the limit bounds their number.
    """
    limit = max(_LONGEST_SENTENCE, math.ceil(2 * bounds[-1] / (MOST_SENTENCES - 1)))
    joined = [0]
    for bound, following in pairwise(bounds[1:]):
        if following - joined[-1] > limit:
            joined.append(bound)
    return [*joined, bounds[-1]]


def _choose_words(sentences: Sequence[Sentence]) -> _Ints:
    """Returns the indexes of at most `MOST_WORDS` words, in order: all those of the strongest sentences that fit."""
    chosen: list[int] = []
    for sentence in sorted(sentences, key=lambda sentence: -abs(sentence.effect)):
        if len(chosen) + sentence.stop - sentence.start <= MOST_WORDS:
            chosen += range(sentence.start, sentence.stop)
    return np.array(sorted(chosen), np.int64)


def _with_effects(words: Sequence[Word], indexes: Sequence[int], effects: _Floats) -> tuple[Word, ...]:
    """Returns the words, some of them with an effect."""
    found = list(words)
    for index, effect in zip(indexes, effects.tolist(), strict=True):
        found[index] = replace(found[index], effect=effect)
    return tuple(found)
