"""Turns texts into token ids: splits them into chunks and looks the chunks up in a table of those seen before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.text.normalize import normalize, split_chunks
from sentscore.text.tokenizer import tokenize_words
from sentscore.text.vocabulary import Vocabulary
from sentscore.text.word_table import ChunkTable

MAX_TOKENS: Final = 8_192
"""A longer text is scored by its first and last so many halves: reviews of IMDB have 2,850 tokens at most."""

_TABLE_BYTES: Final = 64 << 20
"""What the table of known chunks may hold before it starts afresh: a million chunks, those of 200,000 reviews. While
its arrays grow it holds up to twice that."""

_WINDOW_BYTES: Final = 1 << 20  # of text encoded in one go: its temporaries stay in the processor's cache


@dataclass(frozen=True)
class EncodedTexts:
    """Token ids of several texts on end.

    Attributes:
        ids: int32 [total].
        offsets: int64 [n + 1]; text i has the ids `ids[offsets[i]:offsets[i + 1]]`, none where there was
            nothing to score.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text, int64 [n]."""
        return np.diff(self.offsets)

    def __getitem__(self, index: int) -> npt.NDArray[np.int32]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def take(self, rows: npt.NDArray[np.int64]) -> EncodedTexts:
        """The texts of some rows, int64 [m], in that order."""
        return self.between(self.offsets[rows], self.offsets[rows + 1])

    def between(self, starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]) -> EncodedTexts:
        """The texts that stand between places in `ids`, int64 [m] each: `ids[starts[i]:stops[i]]`."""
        lengths = stops - starts
        offsets = _offsets(lengths)
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return EncodedTexts(self.ids[places], offsets)


class Encoder:
    """Encodes texts with one vocabulary and remembers the chunks that it has seen.

    The table of chunks only saves time: ids never depend on what was encoded before. Not safe to share between
    threads.

    Args:
        vocabulary: the model's own.
        max_tokens: longer texts keep their first and last `max_tokens // 2` tokens; None keeps all.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int | None = MAX_TOKENS) -> None:
        self.vocabulary = vocabulary
        self.max_tokens = max_tokens
        self._id_of = {token: index for index, token in enumerate(vocabulary.tokens)}
        self._table = ChunkTable(self._ids_of_chunks)

    def encode(self, texts: pa.Array) -> EncodedTexts:
        """Returns the token ids of texts.

        Args:
            texts: A `large_string` array [n] of valid UTF-8, as `as_text_array` makes it; nulls have no ids.
        """
        parts = [self._encode(window) for window in _windows(texts)]
        encoded = EncodedTexts(
            ids=np.concatenate([part.ids for part in parts]) if parts else np.zeros(0, np.int32),
            offsets=_offsets(np.concatenate([part.lengths for part in parts]) if parts else np.zeros(0, int)),
        )
        return encoded if self.max_tokens is None else head_and_tail(encoded, self.max_tokens)

    def _encode(self, texts: pa.Array) -> EncodedTexts:
        chunks = split_chunks(normalize(texts, lowercase=self.vocabulary.lowercase))
        ids, offsets = self._table.ids(chunks)
        if self._table.nbytes > _TABLE_BYTES:
            self._table.clear()
        return EncodedTexts(ids, offsets[chunks.offsets])

    def _ids_of_chunks(self, chunks: Sequence[str]) -> tuple[list[int], list[int]]:
        tokens: list[str] = []
        counts: list[int] = []
        for of_chunk in tokenize_words(chunks):
            tokens += of_chunk
            counts.append(len(of_chunk))
        return list(map(self._id_of.get, tokens, repeat(self.vocabulary.unk_id))), counts


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


def _windows(array: pa.Array) -> list[pa.Array]:
    """Slices of the texts of about `_WINDOW_BYTES` each."""
    if len(array) == 0:
        return []
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    window = (offsets[:-1] - offsets[0]) // _WINDOW_BYTES
    cuts = [0, *(np.flatnonzero(np.diff(window)) + 1).tolist(), len(array)]
    return [array.slice(start, stop - start) for start, stop in pairwise(cuts)]
