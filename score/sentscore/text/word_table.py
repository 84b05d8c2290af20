"""Remembers the token ids of words, and looks up all the words of many texts at once, without a loop over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from sentscore.text.normalize import Words

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
_Number = TypeVar("_Number", bound=np.generic)

_SHORT: Final = 15  # bytes of a word that fit into 16 beside their number; 99.8 % of IMDB's words do
_LONG_BYTES: Final = 200  # what CPython needs for a longer word and its place in a dict, beside the text
_FIRST_ROWS: Final = 1 << 12


def _make_masks() -> tuple[Keys, Keys, Keys]:
    """Returns, for each length up to 16, the bits of the two halves that are the word's, and the length's own bits."""
    bits = [(1 << 8 * length) - 1 if length <= _SHORT else 0 for length in range(_SHORT + 2)]
    low = np.array([mask & (1 << 64) - 1 for mask in bits], np.uint64)
    high = np.array([mask >> 64 for mask in bits], np.uint64)
    return low, high, np.arange(_SHORT + 2, dtype=np.uint64) << np.uint64(56)


_LOW, _HIGH, _LENGTH = _make_masks()


class WordTable:
    """An exact table from words to token ids, for one thread at a time.

    A word of up to 15 bytes is its own key: 16 bytes in two halves, of which the last byte is the word's length. Keys
    are found by hashing with open addressing, in NumPy, a step for all words at once. Longer words are in a dict.

    Args:
        encode_words: Returns the token ids of distinct words, one word after the other, and how many each word has.
    """

    # For example, "film" has the key low = 0x6d6c6966 (its bytes, the first one lowest), high = 4 << 56 (its length).
    # Say that its first slot is 5. `_slots[5]` is 0, so the table lacks the word. It gets the next row, say 7: its key
    # goes to `_low[7]` and `_high[7]`, its ids to `_ids[_starts[7]:_starts[8]]`, and `_slots[5]` becomes 7.
    # Say that the first slot of "plot" is 5 as well. Row 7 has another key, so the next slot is looked at. `_slots[6]`
    # is 0, so "plot" is new, too. It gets row 8 and slot 6, and is found there from now on, in the second step.

    def __init__(self, encode_words: Callable[[Sequence[str]], tuple[list[int], list[int]]]) -> None:
        self._encode_words = encode_words
        # Random, so that nobody can write texts whose words all collide.
        self._factors = np.frombuffer(os.urandom(16), np.uint64) | np.uint64(1)
        self.clear()

    def clear(self) -> None:
        """Forgets every word."""
        # First what words are found by, so that an interrupt in between leaves no word with the ids of another one.
        self._slots = np.zeros(2 * _FIRST_ROWS, np.int32)
        self._long: dict[bytes, int] = {}
        self._long_bytes = 0
        # Row 0 is the empty word, whose key is all zeros. A slot of 0 is a free one: no other word has that key.
        self._rows = 1
        self._low = np.zeros(_FIRST_ROWS, np.uint64)
        self._high = np.zeros(_FIRST_ROWS, np.uint64)
        self._starts = np.zeros(_FIRST_ROWS, np.int64)  # a row's ids end where those of the next one begin
        self._ids = np.zeros(_FIRST_ROWS, np.int32)

    @property
    def nbytes(self) -> int:
        """The bytes of memory that the table holds."""
        arrays = (self._low, self._high, self._starts, self._ids, self._slots)
        return sum(array.nbytes for array in arrays) + self._long_bytes

    def __len__(self) -> int:
        return self._rows

    def look_up(self, words: Words) -> tuple[npt.NDArray[np.int32], Ints]:
        """Returns the token ids of words [w], and adds the words that the table lacks.

        Returns:
            The ids of all words, one word after the other, int32 [tokens], and where in them those of each word begin,
            int64 [w + 1].
        """
        rows = self._find_or_add(words)
        starts = _take(self._starts, rows)
        counts = _take(self._starts, rows + 1) - starts
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        # The ids of a word follow each other in the table: the place of the first, then one further each.
        places = np.repeat(starts - offsets[:-1], counts)
        places += np.arange(len(places))
        return _take(self._ids, places), offsets

    def _find_or_add(self, words: Words) -> Ints:
        low, high = _make_keys(words)
        rows = self._find(low, high)
        data: bytes | None = None
        long = np.flatnonzero(words.lengths > _SHORT)
        if len(long):
            data = words.data.tobytes()
            rows[long] = [self._long.get(word, -1) for word in _slice_words(data, words, long)]
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            data = words.data.tobytes() if data is None else data
            missing_words = _slice_words(data, words, missing)
            # One place of each distinct word, in order of appearance.
            distinct = dict(zip(missing_words, missing.tolist(), strict=True))
            places = np.fromiter(distinct.values(), np.int64, len(distinct))
            first = self._add(list(distinct), low[places], high[places], words.lengths[places] > _SHORT)
            new_rows = {word: first + index for index, word in enumerate(distinct)}
            rows[missing] = [new_rows[word] for word in missing_words]
        return rows

    def _find(self, low: Keys, high: Keys) -> Ints:
        """Returns the row of each key, -1 for none."""
        slots = self._first_slots(low, high)
        rows = _take(self._slots, slots).astype(np.int64)
        wrong = np.flatnonzero((_take(self._low, rows) != low) | (_take(self._high, rows) != high))
        while len(wrong):
            free = rows[wrong] == 0
            rows[wrong[free]] = -1
            wrong = wrong[~free]
            slots[wrong] = next_slots = (slots[wrong] + 1) & (len(self._slots) - 1)
            rows[wrong] = found = self._slots[next_slots]
            wrong = wrong[(self._low[found] != low[wrong]) | (self._high[found] != high[wrong])]
        return rows

    def _add(self, words: list[bytes], low: Keys, high: Keys, is_long: npt.NDArray[np.bool_]) -> int:
        """Adds distinct words that the table lacks. Returns the row of the first; the others follow."""
        ids, counts = self._encode_words(b" ".join(words).decode("utf-8").split(" "))  # no word has a space in it
        first, last = self._rows, self._rows + len(words)
        total = self._starts[first]
        self._low, self._high, self._starts = (
            _grow(array, last + 1) for array in (self._low, self._high, self._starts)
        )
        self._ids = _grow(self._ids, total + len(ids))
        self._low[first:last] = low
        self._high[first:last] = high
        self._starts[first + 1 : last + 1] = total + np.cumsum(counts)
        self._ids[total : total + len(ids)] = ids
        self._rows = last

        for index in np.flatnonzero(is_long).tolist():
            self._long[words[index]] = first + index
            self._long_bytes += len(words[index]) + _LONG_BYTES
        if len(self._slots) < 2 * last:  # half full at most: nearly all words are in the slot looked at first
            self._slots = np.zeros(2 * len(self._low), np.int32)
            rows = np.arange(1, last)
            self._fill_slots(rows[self._high[rows] < _LENGTH[-1]])
        else:
            self._fill_slots(np.flatnonzero(~is_long) + first)
        return first

    def _fill_slots(self, rows: Ints) -> None:
        slots = self._first_slots(self._low[rows], self._high[rows])
        while len(rows):
            free = self._slots[slots] == 0
            # Of several writes to a slot the last one stays: here the word seen first, likely the most frequent.
            self._slots[slots[free][::-1]] = rows[free][::-1]
            left = self._slots[slots] != rows  # the slot was taken, or another row won it
            rows, slots = rows[left], (slots[left] + 1) & (len(self._slots) - 1)

    def _first_slots(self, low: Keys, high: Keys) -> Ints:
        mixed = low * self._factors[0] + high * self._factors[1]
        mixed ^= mixed >> np.uint64(32)
        mixed *= self._factors[0]
        slots: Ints = (mixed >> np.uint64(65 - len(self._slots).bit_length())).view(np.int64)
        return slots


def _make_keys(words: Words) -> tuple[Keys, Keys]:
    """Returns the two halves of each word's key; a long word gets what is no word's key."""
    eights = np.ndarray((len(words.data) - 7,), "<u8", words.data.data, strides=(1,))  # the 8 bytes from each byte on
    lengths = np.minimum(words.lengths, _SHORT + 1)
    low = eights[words.starts] & _LOW[lengths]
    high = _LENGTH[lengths]
    wide = np.flatnonzero(lengths > 8)  # a few: most words have no byte in the second half
    high[wide] |= eights[words.starts[wide] + 8] & _HIGH[lengths[wide]]
    return low, high


def _slice_words(data: bytes, words: Words, places: Ints) -> list[bytes]:
    starts = words.starts[places]
    stops = starts + words.lengths[places]
    return [data[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


def _take(array: npt.NDArray[_Number], places: Ints) -> npt.NDArray[_Number]:
    """Returns `array[places]` for places known to be in the array, in two thirds of the time: none is checked."""
    return array.take(places, mode="clip")


def _grow(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """Returns the array with room for `size` elements: the same one, or a copy of twice its length or more."""
    if size <= len(array):
        return array
    room = len(array)
    while room < size:
        room *= 2
    grown = np.zeros(room, array.dtype)
    grown[: len(array)] = array
    return grown
