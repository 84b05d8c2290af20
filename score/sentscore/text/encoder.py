"""Turns texts into token ids: splits them into words and looks the words up in a table of those seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.forks import renew_in_forks
from sentscore.text.normalize import Words, as_text_array, split_words
from sentscore.text.tokenizer import Splitter, tokenize_words
from sentscore.text.vocabulary import Vocabulary
from sentscore.text.word_table import WordTable

MAX_TOKENS: Final = 8_192
"""Of a longer text the first and the last half of so many tokens are kept. Reviews of IMDB have at most 2,850."""

_TABLE_BYTES: Final = 64 << 20
"""The bytes that the table of known words may hold before it starts afresh: a million words, those of 200,000 reviews.
While its arrays grow it holds up to twice that."""

_STEP_BYTES: Final = 1 << 20  # of text encoded in one go, so that its temporaries stay in the processor's cache


TRUNCATED: Final = 1
"""The flag of a text of which only the first and the last tokens are scored."""

MOSTLY_UNKNOWN: Final = 2
"""The flag of a text more than half of whose tokens the vocabulary does not know, as one in another language."""

Flags = npt.NDArray[np.uint8]
"""The flags of each text, added up, uint8 [n]."""


@dataclass(frozen=True)
class EncodedTexts:
    """The token ids of several texts, one text after the other.

    Attributes:
        ids: The token ids of all texts, int32 [tokens].
        offsets: Text i has the ids `ids[offsets[i]:offsets[i + 1]]`, int64 [n + 1]. A text without words has none.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The number of tokens of each text, int64 [n]."""
        return np.diff(self.offsets)

    def __getitem__(self, index: int) -> npt.NDArray[np.int32]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def take(self, rows: npt.NDArray[np.int64]) -> EncodedTexts:
        """Returns the texts of some rows, int64 [m], in that order."""
        return self.between(self.offsets[rows], self.offsets[rows + 1])

    def between(self, starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]) -> EncodedTexts:
        """Returns parts of `ids` as texts: text i is `ids[starts[i]:stops[i]]`; both int64 [m]."""
        lengths = stops - starts
        offsets = _offsets(lengths)
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return EncodedTexts(self.ids[places], offsets)


class Encoder:
    """Encodes texts with one vocabulary and remembers the words that it has seen.

    Remembering only saves time: ids never depend on what was encoded before. Threads may share an encoder.

    Args:
        vocabulary: The model's vocabulary.
        max_tokens: Longer texts keep their first and last `max_tokens // 2` tokens; None keeps all.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int | None = MAX_TOKENS) -> None:
        self.vocabulary = vocabulary
        self.max_tokens = max_tokens
        self._splitter = Splitter(vocabulary.rules)
        self._ids = {token: index for index, token in enumerate(vocabulary.tokens)}
        self._table = WordTable(self._encode_words)
        self._lock = Lock()  # of the table
        renew_in_forks(self)

    def renew_after_fork(self) -> None:
        """Gives a forked process a table of its own, if a thread was changing this one."""
        if self._lock.locked():
            self._table = WordTable(self._encode_words)
        self._lock = Lock()  # always: a thread that has just got it need not have been marked as its holder

    def encode(self, texts: pa.Array) -> EncodedTexts:
        """Returns the token ids of texts.

        Args:
            texts: A `large_string` array [n] of valid UTF-8, as `as_text_array` makes it; nulls have no ids.
        """
        return self.encode_and_flag(texts)[0]

    def encode_and_flag(self, texts: pa.Array) -> tuple[EncodedTexts, Flags]:
        """Returns the token ids of texts, as `encode` does, and each text's flags."""
        parts = [self._encode_step(step) for step in _cut_into_steps(texts)]
        encoded = EncodedTexts(
            ids=np.concatenate([part.ids for part in parts]) if parts else np.zeros(0, np.int32),
            offsets=_offsets(np.concatenate([part.lengths for part in parts]) if parts else np.zeros(0, int)),
        )
        flags = self._flag(encoded)
        return encoded if self.max_tokens is None else head_and_tail(encoded, self.max_tokens), flags

    def _flag(self, encoded: EncodedTexts) -> Flags:
        lengths = encoded.lengths
        # Unknown tokens are few, so it is quickest to look for where they are.
        unknown = np.diff(np.searchsorted(np.flatnonzero(encoded.ids == self.vocabulary.unk_id), encoded.offsets))
        flags = np.where(2 * unknown > lengths, MOSTLY_UNKNOWN, 0)
        if self.max_tokens is not None:
            flags += np.where(lengths > self.max_tokens, TRUNCATED, 0)
        return flags.astype(np.uint8)

    def encode_words(self, text: str) -> tuple[pa.Array, EncodedTexts]:
        """Returns the words of a text after normalisation, `large_string` [w], and the token ids of each; all of them.

        Raises:
            InputError: The text is not UTF-8.
        """
        words = split_words(self.vocabulary.normalize(as_text_array([text])))
        encoded = self._look_up(words)
        are_words = words.lengths > 0  # the others have no tokens
        offsets = np.append(encoded.offsets[:-1][are_words], encoded.offsets[-1])
        return words.strings().filter(pa.array(are_words)), EncodedTexts(encoded.ids, offsets)

    def _encode_step(self, texts: pa.Array) -> EncodedTexts:
        words = split_words(self.vocabulary.normalize(texts))
        encoded = self._look_up(words)
        return EncodedTexts(encoded.ids, encoded.offsets[words.offsets])

    def _look_up(self, words: Words) -> EncodedTexts:
        with self._lock:
            ids, offsets = self._table.look_up(words)
            if self._table.nbytes > _TABLE_BYTES:
                self._table.clear()
        return EncodedTexts(ids, offsets)

    def _encode_words(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        tokens: list[str] = []
        counts: list[int] = []
        for word_tokens in tokenize_words(words, self._splitter):
            tokens += word_tokens
            counts.append(len(word_tokens))
        return list(map(self._ids.get, tokens, repeat(self.vocabulary.unk_id))), counts


def head_and_tail(encoded: EncodedTexts, max_tokens: int) -> EncodedTexts:
    """Keeps the first and the last `max_tokens // 2` ids of every text that is longer than `max_tokens`."""
    lengths = encoded.lengths
    if not (lengths > max_tokens).any():
        return encoded
    half = max_tokens // 2
    place = np.arange(len(encoded.ids)) - np.repeat(encoded.offsets[:-1], lengths)
    length = np.repeat(lengths, lengths)
    keep = (length <= max_tokens) | (place < half) | (place >= length - half)
    kept = np.where(lengths <= max_tokens, lengths, 2 * half)
    return EncodedTexts(encoded.ids[keep], _offsets(kept))


def _offsets(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))


def _cut_into_steps(texts: pa.Array) -> list[pa.Array]:
    """Returns slices of the texts of about `_STEP_BYTES` each."""
    if len(texts) == 0:
        return []
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1]
    step = (offsets[:-1] - offsets[0]) // _STEP_BYTES
    cuts = [0, *(np.flatnonzero(np.diff(step)) + 1).tolist(), len(texts)]
    return [texts.slice(start, stop - start) for start, stop in pairwise(cuts)]
