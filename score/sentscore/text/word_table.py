"""Remembers the ids of chunks: finds the rows of all the chunks of many texts at once, without a loop over them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from sentscore.text.normalize import Chunks

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
_Number = TypeVar("_Number", bound=np.generic)

_SHORT: Final = 15  # bytes of a chunk that fit into two words of 8 beside their number; 99.8 % of IMDB's do
_LONG_BYTES: Final = 200  # what CPython needs for a longer chunk and its place in a dict, beside the text
_FIRST_ROWS: Final = 1 << 12


def _masks() -> tuple[Words, Words, Words]:
    """For each length up to 16, which bits of the two words are the chunk's, and what tells the length."""
    bits = [(1 << 8 * length) - 1 if length <= _SHORT else 0 for length in range(_SHORT + 2)]
    low = np.array([mask & (1 << 64) - 1 for mask in bits], np.uint64)
    high = np.array([mask >> 64 for mask in bits], np.uint64)
    return low, high, np.arange(_SHORT + 2, dtype=np.uint64) << np.uint64(56)


_LOW, _HIGH, _LENGTH = _masks()


class ChunkTable:
    """An exact table from chunks to ids.

    A chunk of up to 15 bytes is its own key: its bytes in two words, and their number in the last byte. The keys are
    found by hashing with open addressing, in NumPy, a step for all chunks at once; a longer chunk is found in a dict.

    Args:
        tokenize: the ids of several distinct chunks on end, and how many each of them has.
    """

    def __init__(self, tokenize: Callable[[Sequence[str]], tuple[list[int], list[int]]]) -> None:
        self._tokenize = tokenize
        # Random, so that nobody can write texts whose chunks all collide.
        self._factors = np.frombuffer(os.urandom(16), np.uint64) | np.uint64(1)
        self.clear()

    def clear(self) -> None:
        """Forgets every chunk."""
        # Row 0 is the empty chunk, whose key is all zeros. A slot of 0 is a free one: no other chunk has that key.
        self._rows = 1
        self._low = np.zeros(_FIRST_ROWS, np.uint64)
        self._high = np.zeros(_FIRST_ROWS, np.uint64)
        self._starts = np.zeros(_FIRST_ROWS, np.int64)  # a row's ids end where those of the next one begin
        self._ids = np.zeros(_FIRST_ROWS, np.int32)
        self._slots = np.zeros(2 * _FIRST_ROWS, np.int32)
        self._long: dict[bytes, int] = {}
        self._long_bytes = 0

    @property
    def nbytes(self) -> int:
        """Memory that the table holds."""
        arrays = (self._low, self._high, self._starts, self._ids, self._slots)
        return sum(array.nbytes for array in arrays) + self._long_bytes

    def __len__(self) -> int:
        return self._rows

    def ids(self, chunks: Chunks) -> tuple[npt.NDArray[np.int32], Ints]:
        """The ids of all chunks on end, int32 [t], and the place in them where each chunk's begin, int64 [c + 1].

        Chunks that the table lacks are tokenised and added.
        """
        rows = self._find_or_add(chunks)
        starts = _at(self._starts, rows)
        counts = _at(self._starts, rows + 1) - starts
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        # Each chunk's ids lie on end in the table: its first place, then one further each.
        places = np.repeat(starts - offsets[:-1], counts)
        places += np.arange(len(places))
        return _at(self._ids, places), offsets

    def _find_or_add(self, chunks: Chunks) -> Ints:
        low, high = _keys(chunks)
        rows = self._find(low, high)
        data: bytes | None = None
        long = np.flatnonzero(chunks.lengths > _SHORT)
        if len(long):
            data = chunks.data.tobytes()
            rows[long] = [self._long.get(chunk, -1) for chunk in _bytes_of(data, chunks, long)]
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            data = chunks.data.tobytes() if data is None else data
            of_missing = _bytes_of(data, chunks, missing)
            place_of = dict(zip(of_missing, missing.tolist(), strict=True))  # one place of each, in order of appearance
            places = np.fromiter(place_of.values(), np.int64, len(place_of))
            first = self._add(list(place_of), low[places], high[places], chunks.lengths[places] > _SHORT)
            row_of = {chunk: first + index for index, chunk in enumerate(place_of)}
            rows[missing] = [row_of[chunk] for chunk in of_missing]
        return rows

    def _find(self, low: Words, high: Words) -> Ints:
        """The row of each key, -1 for none."""
        slots = self._first_slots(low, high)
        rows = _at(self._slots, slots).astype(np.int64)
        wrong = np.flatnonzero((_at(self._low, rows) != low) | (_at(self._high, rows) != high))
        while len(wrong):
            free = rows[wrong] == 0
            rows[wrong[free]] = -1
            wrong = wrong[~free]
            slots[wrong] = next_slots = (slots[wrong] + 1) & (len(self._slots) - 1)
            rows[wrong] = found = self._slots[next_slots]
            wrong = wrong[(self._low[found] != low[wrong]) | (self._high[found] != high[wrong])]
        return rows

    def _add(self, chunks: list[bytes], low: Words, high: Words, is_long: npt.NDArray[np.bool_]) -> int:
        """Adds distinct chunks that the table lacks; returns the row of the first, the others have the next ones."""
        ids, counts = self._tokenize(b" ".join(chunks).decode("utf-8").split(" "))  # no chunk has a space in it
        first, last = self._rows, self._rows + len(chunks)
        total = self._starts[first]
        self._low, self._high, self._starts = (
            _with_room(array, last + 1) for array in (self._low, self._high, self._starts)
        )
        self._ids = _with_room(self._ids, total + len(ids))
        self._low[first:last] = low
        self._high[first:last] = high
        self._starts[first + 1 : last + 1] = total + np.cumsum(counts)
        self._ids[total : total + len(ids)] = ids
        self._rows = last

        for index in np.flatnonzero(is_long).tolist():
            self._long[chunks[index]] = first + index
            self._long_bytes += len(chunks[index]) + _LONG_BYTES
        if len(self._slots) < 2 * last:  # half full at most: nearly all chunks are in the slot looked at first
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
            # Of several writes to a slot the last one stays: here the chunk seen first, likely the most frequent.
            self._slots[slots[free][::-1]] = rows[free][::-1]
            left = self._slots[slots] != rows  # the slot was taken, or another row won it
            rows, slots = rows[left], (slots[left] + 1) & (len(self._slots) - 1)

    def _first_slots(self, low: Words, high: Words) -> Ints:
        mixed = low * self._factors[0] + high * self._factors[1]
        mixed ^= mixed >> np.uint64(32)
        mixed *= self._factors[0]
        slots: Ints = (mixed >> np.uint64(65 - len(self._slots).bit_length())).view(np.int64)
        return slots


def _keys(chunks: Chunks) -> tuple[Words, Words]:
    """The two words of each chunk; those of long ones are no key of any chunk."""
    words = np.ndarray((len(chunks.data) - 7,), "<u8", chunks.data.data, strides=(1,))  # the 8 bytes from each byte on
    lengths = np.minimum(chunks.lengths, _SHORT + 1)
    low = words[chunks.starts] & _LOW[lengths]
    high = _LENGTH[lengths]
    wide = np.flatnonzero(lengths > 8)  # a few: most chunks have nothing in their second word
    high[wide] |= words[chunks.starts[wide] + 8] & _HIGH[lengths[wide]]
    return low, high


def _bytes_of(data: bytes, chunks: Chunks, places: Ints) -> list[bytes]:
    starts = chunks.starts[places]
    stops = starts + chunks.lengths[places]
    return [data[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]


def _at(array: npt.NDArray[_Number], places: Ints) -> npt.NDArray[_Number]:
    """`array[places]` for places known to be in the array, in two thirds of the time: none of them is checked."""
    return array.take(places, mode="clip")


def _with_room(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    """The array, copied to twice its length or more where it is shorter than `size`."""
    if size <= len(array):
        return array
    room = len(array)
    while room < size:
        room *= 2
    grown = np.zeros(room, array.dtype)
    grown[: len(array)] = array
    return grown
