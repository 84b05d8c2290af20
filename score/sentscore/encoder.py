"""Turns texts into token ids: Arrow splits them into chunks, each distinct chunk is looked up once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sentscore.text import as_text_array, normalize, split_chunks
from sentscore.tokenizer import tokenize_chunks
from sentscore.vocabulary import Vocabulary

MAX_TOKENS: Final = 8_192
"""A longer text is scored by its first and last so many halves: reviews of IMDB have 2,850 tokens at most."""

_TABLE_BYTES: Final = 64 << 20  # what the table of known chunks may hold before it starts afresh
_ENTRY_BYTES: Final = 150  # what CPython needs for a short string, its key and its index, beside the text
_WINDOW_BYTES: Final = 16 << 20  # of text encoded in one go; bounds the Arrow temporaries


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
        lengths = self.lengths[rows]
        offsets = _offsets(lengths)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
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
        self._row_of: dict[str, int]
        self._starts: npt.NDArray[np.int64]
        self._counts: npt.NDArray[np.int64]
        self._ids: npt.NDArray[np.int32]
        self._bytes: int
        self._reset()

    def encode(self, texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> EncodedTexts:
        """Token ids of the texts [n].

        Raises:
            InputError: a value that is not text, or text that is not valid UTF-8.
        """
        array = as_text_array(texts)
        parts = [self._encode(window) for window in _windows(array)]
        encoded = EncodedTexts(
            ids=np.concatenate([part.ids for part in parts]) if parts else np.zeros(0, np.int32),
            offsets=_offsets(np.concatenate([part.lengths for part in parts]) if parts else np.zeros(0, int)),
        )
        return encoded if self.max_tokens is None else head_and_tail(encoded, self.max_tokens)

    def _encode(self, texts: pa.Array) -> EncodedTexts:
        chunks, starts = split_chunks(normalize(texts, lowercase=self.vocabulary.lowercase))
        distinct = chunks.dictionary_encode()
        rows = self._rows(distinct.dictionary.to_pylist())
        rows_of_chunks = rows[distinct.indices.to_numpy(zero_copy_only=False)]  # [c]
        counts = self._counts[rows_of_chunks]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        # Each chunk's ids lie on end in the table: its first place, then one further each.
        places = np.repeat(self._starts[rows_of_chunks] - (ends - counts), counts) + np.arange(total)
        chunk_offsets = np.concatenate(([0], ends))
        encoded = EncodedTexts(self._ids[places], chunk_offsets[starts.to_numpy()])
        if self._bytes > _TABLE_BYTES:
            self._reset()
        return encoded

    def _rows(self, chunks: list[str]) -> npt.NDArray[np.int64]:
        """The table's row of each chunk, int64 [len(chunks)]; chunks that it lacks are tokenised and added."""
        known = self._row_of
        unseen = [chunk for chunk in chunks if chunk not in known]
        if unseen:
            look_up, unk = self._id_of.get, self.vocabulary.unk_id
            tokens = tokenize_chunks(unseen)
            first = len(known)
            known.update((chunk, first + offset) for offset, chunk in enumerate(unseen))
            counts = np.array([len(of_chunk) for of_chunk in tokens], np.int64)
            ids = np.array([look_up(token, unk) for of_chunk in tokens for token in of_chunk], np.int32)
            self._starts = np.concatenate((self._starts, len(self._ids) + np.cumsum(counts) - counts))
            self._counts = np.concatenate((self._counts, counts))
            self._ids = np.concatenate((self._ids, ids))
            self._bytes += sum(map(len, unseen)) + _ENTRY_BYTES * len(unseen) + ids.nbytes
        return np.fromiter((known[chunk] for chunk in chunks), np.int64, len(chunks))

    def _reset(self) -> None:
        self._row_of = {}
        self._starts = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)
        self._ids = np.zeros(0, np.int32)
        self._bytes = 0


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
