"""Normalises texts with Arrow and splits them into words with NumPy; training and scoring take the same steps.

The steps, in order: HTML's character references become the characters that they stand for, if the vocabulary was made
so; `<br />` becomes a space; C1 control characters (U+0080 to U+009F, left over from Windows-1252 text
that was read as Latin-1) become the characters that Windows-1252 means by them; NFC, after long runs of combining marks
are broken up; lower case, unless the vocabulary is cased; split on white space. What stands between white space is a
word. The tokens of a word never depend on its neighbours, so a word is tokenised once and then remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sentscore.errors import InputError, first_line
from sentscore.text.arguments import check_is_no_table, explain_no_texts
from sentscore.text.html_entities import MAY_HAVE_REFERENCES, decode_html_entities

_HTML_ENTITIES: Final = "html_entities"
_LOWERCASE: Final = "lowercase"
_STEPS: Final = (_HTML_ENTITIES, "br_to_space", "c1_to_windows_1252", "nfc", _LOWERCASE, "split_whitespace")

VERSION: Final = 2
"""The version of what the steps and the tokenizer do to a text. It grows when any text gets other token ids, so that a
job does not carry on with the scores of another version."""

_BREAK: Final = r"(?i)<br\s*/?>"

_C1: Final = {
    chr(code): bytes([code]).decode("windows-1252")
    for code in range(0x80, 0xA0)
    if code not in {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # five bytes that Windows-1252 leaves undefined
}
_C1_PATTERN: Final = re.compile(f"[{''.join(_C1)}]")

# A text without these stays as it is under NFC: below U+0300, and in this punctuation, nothing combines or decomposes.
_MAY_CHANGE_UNDER_NFC: Final = "[^\u0000-\u02ff\u2010-\u2027\u2030-\u205e]"

_LONGEST_RUN: Final = 30
"""The most combining marks on end in Unicode's Stream-Safe Text Format."""

_JOINER: Final = "\u034f"  # the combining grapheme joiner, which ends a run of marks and is not seen
# Only a text in which 14 characters on end may be marks has a longer run: none of them decomposes to more than two
# marks, and the character before them ends with three at most. Arrow's patterns know an older Unicode than its NFC: a
# mark that they do not know is in none of their classes.
_MAY_HAVE_LONG_RUNS: Final = r"(?:[^\pL\pN\pP\pS\pZ\p{Cc}\p{Cf}\p{Co}]|[\x{FF9E}\x{FF9F}]){14}"

_WIDE_SPACES: Final = (*"\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000", *map(chr, range(0x2000, 0x200B)))
"""The white space beyond ASCII. `str.isspace` also knows tab to carriage return, and U+001C to space."""

PADDING: Final = 16
"""Zero bytes after the texts in `Words.data`, so that 16 bytes can be read from wherever a word begins."""


@dataclass(frozen=True)
class Words:
    """The words of several texts, as places in the bytes of the texts.

    Attributes:
        data: The UTF-8 of the texts, each with a space after it, uint8 [bytes + PADDING].
        starts: Where each word begins in `data`, int64 [w].
        lengths: The bytes of each word, int64 [w]. Between two consecutive white spaces there is a word of 0 bytes.
        offsets: Text i has the words `offsets[i]` to `offsets[i + 1]`, int64 [n + 1].
    """

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]

    def strings(self) -> pa.Array:
        """Returns the words as strings, `large_string` [w]."""
        offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(self.lengths)))
        places = np.repeat(self.starts - offsets[:-1], self.lengths) + np.arange(offsets[-1])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.data[places])]
        return pa.Array.from_buffers(pa.large_string(), len(self.lengths), buffers)


def as_text_array(texts: Sequence[str | None] | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Returns texts from outside as one `large_string` array [n] of valid UTF-8.

    Args:
        texts: Strings or nulls [n]. An Arrow array may be string, large_string, string_view or a dictionary of these.

    Raises:
        InputError: They are a whole table, a value is not text, or its bytes are not UTF-8.
    """
    if isinstance(texts, str):
        raise InputError("texts must be a sequence of strings, not one string: wrap it in a list")
    if not isinstance(texts, (pa.Array, pa.ChunkedArray)):
        check_is_no_table(texts)
        try:
            texts = pa.array(texts, type=pa.large_string())
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, UnicodeEncodeError) as error:
            raise explain_no_texts(texts, first_line(error)) from error
    if not is_text(texts.type) and not pa.types.is_null(texts.type):
        raise InputError(f"texts are of type {texts.type}: a string type is needed")
    try:
        array = to_large_string(texts)
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"texts hold bytes that are not UTF-8: {first_line(error)}") from error
    return array


def to_large_string(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Returns texts as one `large_string` array [n]. Nothing checks that they are valid UTF-8."""
    array = texts.cast(pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def is_text(kind: pa.DataType) -> bool:
    """Returns whether this Arrow type holds texts: a string type, or a dictionary of one."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def name_steps(*, lowercase: bool, html_entities: bool) -> tuple[str, ...]:
    """Returns the names of the normalisation steps in order, as the vocabulary records them."""
    left_out = {_LOWERCASE: not lowercase, _HTML_ENTITIES: not html_entities}
    return tuple(step for step in _STEPS if not left_out.get(step))


def normalize(texts: pa.Array, *, lowercase: bool, html_entities: bool = False) -> pa.Array:
    """Returns the texts after every step but the split, `large_string` [n]; nulls stay null.

    Args:
        texts: A `large_string` array [n] of valid UTF-8.
        lowercase: Whether letters become lower case.
        html_entities: Whether HTML's character references become characters, before all else.
    """
    if html_entities:
        texts = _apply_where(texts, pc.match_substring_regex(texts, pattern=MAY_HAVE_REFERENCES), _decode_references)
    texts = _break_to_space(texts)
    # Most texts are ASCII, which nothing but the lower case changes.
    is_not_ascii = pc.invert(pc.string_is_ascii(texts))
    texts = _apply_where(texts, is_not_ascii, lambda wide: _normalize_non_ascii(wide, lowercase=lowercase))
    return pc.ascii_lower(texts) if lowercase else texts


def split_words(texts: pa.Array) -> Words:
    """Splits normalised texts on the white space that `str.split` knows.

    Args:
        texts: A `large_string` array [n]; a null has no words.
    """
    # The space after each text ends its last word. (Arrow's own split takes three times as long as this function.)
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
    return Words(data, starts, spaces - starts, np.searchsorted(spaces, ends))


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


def _normalize_non_ascii(texts: pa.Array, *, lowercase: bool) -> pa.Array:
    texts = _apply_where(texts, pc.match_substring_regex(texts, pattern="[\u0080-\u009f]"), _repair_c1)
    texts = _apply_where(texts, pc.match_substring_regex(texts, pattern=_MAY_CHANGE_UNDER_NFC), _to_nfc)
    return pc.utf8_lower(texts) if lowercase else texts


def _apply_where(texts: pa.Array, mask: pa.Array, step: Callable[[pa.Array], pa.Array]) -> pa.Array:
    if not pc.any(mask).as_py():
        return texts
    mask = pc.fill_null(mask, False)
    return pc.replace_with_mask(texts, mask, step(texts.filter(mask)))


def _break_to_space(texts: pa.Array) -> pa.Array:
    # Nearly all line breaks are written alike, and a plain replacement takes a third of a pattern's time. Where a break
    # is left, or has come about by the replacement, the pattern does the whole text again.
    replaced = pc.replace_substring(texts, pattern="<br />", replacement=" ")
    others = pc.fill_null(pc.match_substring_regex(replaced, pattern=_BREAK), False)
    if not pc.any(others).as_py():
        return replaced
    by_pattern = pc.replace_substring_regex(texts.filter(others), pattern=_BREAK, replacement=" ")
    return pc.replace_with_mask(replaced, others, by_pattern)


def _decode_references(texts: pa.Array) -> pa.Array:
    return pa.array([decode_html_entities(text) for text in texts.to_pylist()], type=pa.large_string())


def _repair_c1(texts: pa.Array) -> pa.Array:
    repaired = [_C1_PATTERN.sub(lambda match: _C1[match.group()], text) for text in texts.to_pylist()]
    return pa.array(repaired, type=pa.large_string())


def _to_nfc(texts: pa.Array) -> pa.Array:
    # NFC sorts each run of marks in time that grows with the square of the run's length.
    texts = _apply_where(texts, pc.match_substring_regex(texts, pattern=_MAY_HAVE_LONG_RUNS), _bound_runs_of_marks)
    return pc.utf8_normalize(texts, form="NFC")


def _bound_runs_of_marks(texts: pa.Array) -> pa.Array:
    """Returns the texts in Unicode's Stream-Safe Text Format (UAX #15, section 13): U+034F after every 30 marks."""
    strings = texts.to_pylist()
    counts = _count_marks(sorted(set().union(*strings)))
    bounded = []
    for text in strings:
        parts: list[str] = []
        run = 0
        for character in text:
            first, last, only_marks = counts[character]
            if run + first > _LONGEST_RUN:
                parts.append(_JOINER)
                run = 0
            parts.append(character)
            run = run + last if only_marks else last
        bounded.append("".join(parts))
    return pa.array(bounded, type=pa.large_string())


def _count_marks(characters: Sequence[str]) -> dict[str, tuple[int, int, bool]]:
    """Returns how many marks (Unicode's non-starters) each character's decomposition begins and ends with.

    Arrow's own normalisation is asked, since Python may know the marks of another Unicode.

    Args:
        characters: Distinct characters.

    Returns:
        For each character the marks at the beginning of its NFKD, those at the end, and whether it has nothing else.
    """
    decomposed = pc.utf8_normalize(pa.array(characters, pa.large_string()), form="NFKD").to_pylist()
    parts = sorted(set().union(*decomposed))
    # Between two marks in the wrong order, only a character that is none keeps them from changing places.
    between = pa.array([f"\u0301{part}\u0334" for part in parts], pa.large_string())
    is_mark = pc.not_equal(between, pc.utf8_normalize(between, form="NFD")).to_pylist()
    others = {part for part, is_one in zip(parts, is_mark, strict=True) if not is_one}
    counts = {}
    for character, text in zip(characters, decomposed, strict=True):
        starters = [place for place, part in enumerate(text) if part in others]
        if starters:
            counts[character] = (starters[0], len(text) - 1 - starters[-1], False)
        else:
            counts[character] = (len(text), len(text), True)
    return counts
