"""Changes how a text is typed or marked up, or how much of it there is, to see how its score changes.

The random numbers follow from the seed and the text, so a text is changed in the same way in any data set. Line breaks
written `<br />` are markup: they stay or become a space, and only `with_html_entities` escapes them.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import cache, partial
from html.entities import codepoint2name
from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from spacy.language import Language

Change = Callable[[str], str]
Rows = npt.NDArray[np.int64]

TYPING_ERRORS: Final = 0.02
"""The share of letters that `with_typing_errors` mistypes by default."""

NEUTRAL_EMOJI: Final = ("🎬", "🎥", "📺", "🎟", "📅", "🕒")
"""Emoji of things and times. Faces and gestures would say something about the label."""

_BREAK: Final = re.compile(r"<br\s*/?>", re.IGNORECASE)
_APOSTROPHES: Final = "'\u2019`\u00b4"
_KEYS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # each row starts a third of a key further right
_ERRORS: Final = ("drop", "double", "beside")  # and "swap" if a letter follows
_MOST_CHARACTERS: Final = 1 << 30  # of a text; spaCy's default limit is for components that need far more memory


def perturbations(seed: int) -> dict[str, Change]:
    """Returns every change of a single text, by its name in a table."""
    return {
        "upper case": upper_case,
        "no punctuation": without_punctuation,
        f"typing errors in {TYPING_ERRORS:.0%} of the letters": partial(with_typing_errors, seed=seed),
        "HTML entities": with_html_entities,
        "an emoji after each sentence": partial(with_emoji, seed=seed),
        "first sentence only": first_sentence,
        "last sentence only": last_sentence,
    }


def upper_case(text: str) -> str:
    """Returns the text in capitals."""
    return text.upper()


def without_punctuation(text: str) -> str:
    """Returns the text without punctuation and symbols (Unicode's P and S), as typed in a hurry.

    Apostrophes are removed ("dont"). All else becomes a space, and runs of white space become one space.
    """
    bare = _without_breaks(text).translate(dict.fromkeys(map(ord, _APOSTROPHES)))
    return " ".join("".join(" " if unicodedata.category(c)[0] in "PS" else c for c in bare).split())


def with_typing_errors(text: str, *, seed: int, share: float = TYPING_ERRORS) -> str:
    """Returns the text with mistyped letters: swapped with the next, left out, doubled, or the key beside (QWERTY).

    Args:
        text: The text.
        seed: The seed of the random numbers, together with the text.
        share: The probability that a letter (a to z) is mistyped. The four kinds that are possible are equally likely.
    """
    random = Random(f"{seed}\0{text}")  # a string seeds by its SHA-512, the same in every process
    pieces = re.split(f"({_BREAK.pattern})", text, flags=re.IGNORECASE)
    return "".join(piece if place % 2 else _mistype(piece, random, share) for place, piece in enumerate(pieces))


def with_html_entities(text: str) -> str:
    """Returns the text with `& < > " '` and every character that has a name (`&eacute;`, `&ndash;`) escaped.

    `html.unescape` gives the text back.
    """
    escaped = html.escape(text)
    return "".join(f"&{codepoint2name[ord(c)]};" if ord(c) > 0x7F and ord(c) in codepoint2name else c for c in escaped)


def with_emoji(text: str, *, seed: int) -> str:
    """Returns the text with one of `NEUTRAL_EMOJI` after each sentence.

    Args:
        text: The text.
        seed: The seed of the random numbers, together with the text.
    """
    random = Random(f"{seed}\0{text}")
    return " ".join(f"{sentence} {random.choice(NEUTRAL_EMOJI)}" for sentence in sentences(text))


def first_sentence(text: str) -> str:
    """Returns the first sentence, or nothing if there is none."""
    return next(iter(sentences(text)), "")


def last_sentence(text: str) -> str:
    """Returns the last sentence, or nothing if there is none."""
    return next(reversed(sentences(text)), "")


def sentences(text: str) -> list[str]:
    """Returns the sentences by spaCy's rules for punctuation, without white space around them."""
    found = (sentence.text.strip() for sentence in _sentencizer()(_without_breaks(text)).sents)
    return [sentence for sentence in found if sentence]


def groups_of_one_label(labels: npt.NDArray[np.int8], *, size: int, seed: int) -> Rows:
    """Returns rows [m, size] of texts to join, each row at most once, and those of a group with one label.

    Unlike the changes above, it depends on the whole data set and its order.

    Args:
        labels: The labels, int8 [n].
        size: The texts of a group. Texts that do not fill a group are left out.
        seed: The seed of the random numbers.
    """
    random = np.random.default_rng(seed)
    groups = [np.zeros((0, size), np.int64)]
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        groups.append(rows[: len(rows) // size * size].reshape(-1, size))
    return np.concatenate(groups)


@cache
def _sentencizer() -> Language:
    import spacy

    language = spacy.blank("en")
    language.add_pipe("sentencizer")
    language.max_length = _MOST_CHARACTERS
    return language


@cache
def _neighbours() -> dict[str, str]:
    """Returns the letters whose keys touch each letter's key."""
    places = {
        letter: (column + row / 3, row) for row, letters in enumerate(_KEYS) for column, letter in enumerate(letters)
    }
    return {
        letter: "".join(
            other
            for other, (there, below) in places.items()
            if other != letter and abs(below - row) <= 1 and abs(there - column) <= 1
        )
        for letter, (column, row) in places.items()
    }


def _mistype(text: str, random: Random, share: float) -> str:
    typed: list[str] = []
    place = 0
    while place < len(text):
        letter, following = text[place], text[place + 1 : place + 2]
        place += 1
        if not _is_letter(letter) or random.random() >= share:
            typed.append(letter)
            continue
        kind = random.choice((*_ERRORS, "swap") if _is_letter(following) else _ERRORS)
        if kind == "double":
            typed.append(letter * 2)
        elif kind == "beside":
            beside = random.choice(_neighbours()[letter.lower()])
            typed.append(beside.upper() if letter.isupper() else beside)
        elif kind == "swap":
            typed.append(following + letter)
            place += 1
    return "".join(typed)


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _without_breaks(text: str) -> str:
    return _BREAK.sub(" ", text)
