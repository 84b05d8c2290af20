"""Normalises texts with Arrow and cuts them into chunks with NumPy; the same steps serve training and scoring.

The steps, in order: `<br />` becomes a space; C1 control characters (U+0080 to U+009F, left over from
Windows-1252 text read as Latin-1) become what Windows-1252 means by them; NFC; optionally lower case;
split on white space. What stands between white space is a chunk. A chunk's tokens never depend on its
neighbours, so that a chunk is tokenised once and then remembered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sentscore.errors import InputError

STEPS_CASED: Final = ("br_to_space", "c1_to_windows_1252", "nfc", "split_whitespace")
STEPS: Final = ("br_to_space", "c1_to_windows_1252", "nfc", "lowercase", "split_whitespace")
"""The names of the normalisation steps, as the vocabulary records them."""

_BREAK: Final = r"(?i)<br\s*/?>"

_C1: Final = {
    chr(code): bytes([code]).decode("windows-1252")
    for code in range(0x80, 0xA0)
    if code not in {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # five bytes that Windows-1252 leaves undefined
}
_C1_PATTERN: Final = re.compile(f"[{''.join(_C1)}]")

# No text of only these changes under NFC: below U+0300, and in this punctuation, nothing combines or decomposes.
_MAY_CHANGE_UNDER_NFC: Final = "[^\u0000-\u02ff\u2010-\u2027\u2030-\u205e]"

_WIDE_SPACES: Final = (*"\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000", *map(chr, range(0x2000, 0x200B)))
"""White space beyond ASCII. Tab to carriage return and U+001C to space are the rest of what `str.isspace` knows."""

PADDING: Final = 16
"""Zero bytes after the texts in `Chunks.data`: a chunk's first 16 bytes can be read wherever it begins."""


@dataclass(frozen=True)
class Chunks:
    """Chunks of several texts, as places in their bytes.

    Attributes:
        data: uint8 [b + PADDING]; the UTF-8 of the texts, each with a space after it.
        starts: int64 [c]; where each chunk begins in `data`.
        lengths: int64 [c]; bytes of each chunk; 0 between two white spaces on end.
        offsets: int64 [n + 1]; text i has the chunks `offsets[i]` to `offsets[i + 1]`.
    """

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]

    def strings(self) -> pa.Array:
        """The chunks, `large_string` [c]."""
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(self.lengths)))
        places = np.repeat(self.starts - offsets[:-1], self.lengths) + np.arange(offsets[-1])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.data[places])]
        return pa.Array.from_buffers(pa.large_string(), len(self.lengths), buffers)


def as_text_array(texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Returns texts from outside as one `large_string` array [n] of valid UTF-8.

    Args:
        texts: Strings or nulls [n]. An Arrow array may be string, large_string, string_view or a dictionary of these.

    Raises:
        InputError: A value is not text, or its bytes are not UTF-8.
    """
    if isinstance(texts, str):
        raise InputError("texts must be a sequence of strings, not one string: wrap it in a list")
    if not isinstance(texts, (pa.Array, pa.ChunkedArray)):
        try:
            return pa.array(texts, type=pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError) as error:
            raise InputError(f"texts hold a value that is not a text: {_first_line(error)}") from error
    if not is_text(texts.type) and not pa.types.is_null(texts.type):
        raise InputError(f"texts are of type {texts.type}: a string type is needed")
    try:
        array = to_large_string(texts)
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"texts hold bytes that are not UTF-8: {_first_line(error)}") from error
    return array


def to_large_string(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Returns texts as one `large_string` array [n]. Nothing checks that they are valid UTF-8."""
    array = texts.cast(pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type holds texts (dictionaries of strings too)."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def normalize(texts: pa.Array, *, lowercase: bool) -> pa.Array:
    """The texts [n] after every step but the split, `large_string`; nulls stay null."""
    texts = _replace_breaks(texts)
    # Most texts are ASCII, which nothing but the lower case changes.
    is_wide = pc.invert(pc.string_is_ascii(texts))
    texts = _where(texts, is_wide, lambda wide: _normalize_wide(wide, lowercase=lowercase))
    return pc.ascii_lower(texts) if lowercase else texts


def split_chunks(texts: pa.Array) -> Chunks:
    """Cuts normalised texts on white space, as `str.split` would.

    Args:
        texts: `large_string` [n], nulls allowed.
    """
    # The space after each text ends its last chunk. (Arrow's own split takes three times as long as this function.)
    space, nothing = (pa.scalar(text, pa.large_string()) for text in (" ", ""))
    joined = pc.binary_join_element_wise(pc.fill_null(texts, nothing), space, nothing)
    ends = np.zeros(1, np.int64)
    if len(joined):
        ends = np.frombuffer(joined.buffers()[1], np.int64)[: len(joined) + 1]
    data = np.zeros(ends[-1] + PADDING, np.uint8)
    if len(joined):
        data[:-PADDING] = np.frombuffer(joined.buffers()[2], np.uint8)[: ends[-1]]

    # Unsigned differences wrap round: each comparison is a test for a range.
    is_space = (data - 0x09 < 5) | (data - 0x1C < 5)  # tab to carriage return; U+001C to space
    _mark_wide_spaces(data, is_space)
    spaces = np.flatnonzero(is_space)
    starts = np.concatenate((np.zeros(1, np.int64), spaces[:-1] + 1))[: len(spaces)]
    return Chunks(data, starts, spaces - starts, np.searchsorted(spaces, ends))


def _mark_wide_spaces(data: npt.NDArray[np.uint8], is_space: npt.NDArray[np.bool_]) -> None:
    leads = np.flatnonzero(data >= 0xC2)  # the first bytes of characters beyond ASCII
    if len(leads) == 0:
        return
    first, second, third = (data[leads + place].astype(np.uint32) for place in range(3))
    two = first << 8 | second
    three = two << 8 | third
    for space in _WIDE_SPACES:
        code = int.from_bytes(space.encode("utf-8"), "big")
        width = len(space.encode("utf-8"))
        found = leads[(two if width == 2 else three) == code]
        for place in range(width):
            is_space[found + place] = True


def _normalize_wide(texts: pa.Array, *, lowercase: bool) -> pa.Array:
    texts = _where(texts, pc.match_substring_regex(texts, pattern="[\u0080-\u009f]"), _repair_c1)
    texts = _where(texts, pc.match_substring_regex(texts, pattern=_MAY_CHANGE_UNDER_NFC), _nfc)
    return pc.utf8_lower(texts) if lowercase else texts


def _where(texts: pa.Array, mask: pa.Array, step: Any) -> pa.Array:  # noqa: ANN401 - a function on arrays
    if not pc.any(mask).as_py():
        return texts
    mask = pc.fill_null(mask, False)
    return pc.replace_with_mask(texts, mask, step(texts.filter(mask)))


def _replace_breaks(texts: pa.Array) -> pa.Array:
    # Nearly all line breaks are written alike, and a plain replacement takes a third of a pattern's time. Where a break
    # is left, or has come about by the replacement, the pattern has its way with the whole text.
    replaced = pc.replace_substring(texts, pattern="<br />", replacement=" ")
    others = pc.fill_null(pc.match_substring_regex(replaced, pattern=_BREAK), False)
    if not pc.any(others).as_py():
        return replaced
    by_pattern = pc.replace_substring_regex(texts.filter(others), pattern=_BREAK, replacement=" ")
    return pc.replace_with_mask(replaced, others, by_pattern)


def _repair_c1(texts: pa.Array) -> pa.Array:
    return pa.array([_C1_PATTERN.sub(_meant, text) for text in texts.to_pylist()], type=pa.large_string())


def _meant(match: re.Match[str]) -> str:
    return _C1[match.group()]


def _nfc(texts: pa.Array) -> pa.Array:
    return pc.utf8_normalize(texts, form="NFC")


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]
