"""Normalises texts and cuts them into chunks with Arrow kernels; the same steps serve training and scoring.

The steps, in order: `<br />` becomes a space; C1 control characters (U+0080 to U+009F, left over from
Windows-1252 text read as Latin-1) become what Windows-1252 means by them; NFC; optionally lower case;
split on white space. What stands between white space is a chunk. A chunk's tokens never depend on its
neighbours, so that a chunk is tokenised once and then remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from sentscore.errors import InputError

STEPS_CASED: Final = ("br_to_space", "c1_to_windows_1252", "nfc", "split_whitespace")
STEPS: Final = ("br_to_space", "c1_to_windows_1252", "nfc", "lowercase", "split_whitespace")
"""The names of the normalisation steps, as the vocabulary records them."""

_C1: Final = {
    code: bytes([code]).decode("windows-1252")
    for code in range(0x80, 0xA0)
    if code not in {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # five bytes that Windows-1252 leaves undefined
}


def as_text_array(texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> pa.Array:
    """One `large_string` array of the texts, whatever string type they came in.

    Args:
        texts: strings or nulls [n]; Arrow string, large_string, string_view, or a dictionary of these.

    Raises:
        InputError: a value that is not text, or text that is not valid UTF-8.
    """
    array = texts
    if not isinstance(array, (pa.Array, pa.ChunkedArray)):
        if isinstance(array, str):
            raise InputError("texts must be a sequence of strings, not one string: wrap it in a list")
        try:
            return pa.array(array, type=pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError) as error:
            raise InputError(f"texts hold a value that is not a text: {_first_line(error)}") from error
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # combine_chunks of several 2 GiB chunks stays chunked
        raise InputError("texts are over 2 GiB in one call: score them in smaller batches")
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not is_text(array.type) and not pa.types.is_null(array.type):
        raise InputError(f"texts are of type {array.type}: a string type is needed")
    try:
        array = array.cast(pa.large_string())
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"texts hold bytes that are not UTF-8: {_first_line(error)}") from error
    return array


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this Arrow type holds texts (dictionaries of strings too)."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def normalize(texts: pa.Array, *, lowercase: bool) -> pa.Array:
    """The texts [n] after every step but the split, `large_string`; nulls stay null."""
    texts = pc.replace_substring_regex(texts, pattern=r"(?i)<br\s*/?>", replacement=" ")
    # Few texts need the two steps below, and a test for them costs far less than the steps do.
    texts = _where(texts, pc.match_substring_regex(texts, pattern="[\u0080-\u009f]"), _repair_c1)
    texts = _where(texts, pc.invert(pc.string_is_ascii(texts)), _nfc)
    return pc.utf8_lower(texts) if lowercase else texts


def split_chunks(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Cuts normalised texts on white space.

    Args:
        texts: `large_string` [n], nulls allowed.

    Returns:
        The chunks of all texts on end, `large_string` [c], and where each text's chunks begin and end in them,
        int64 [n + 1]. A chunk may be empty: white space before a text leaves one there.
    """
    # Arrow's split reads one character past white space at the very end of its buffer, and takes the white space for a
    # part of the chunk if the stray byte there is not UTF-8: so nothing may end in white space.
    lists = pc.utf8_split_whitespace(pc.utf8_rtrim_whitespace(pc.fill_null(texts, "")))
    return lists.flatten(), lists.offsets.cast(pa.int64())


def _where(texts: pa.Array, mask: pa.Array, step: Any) -> pa.Array:  # noqa: ANN401 - a function on arrays
    if not pc.any(mask).as_py():
        return texts
    mask = pc.fill_null(mask, False)
    return pc.replace_with_mask(texts, mask, step(texts.filter(mask)))


def _repair_c1(texts: pa.Array) -> pa.Array:
    return pa.array([text.translate(_C1) for text in texts.to_pylist()], type=pa.large_string())


def _nfc(texts: pa.Array) -> pa.Array:
    return pc.utf8_normalize(texts, form="NFC")


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0]
