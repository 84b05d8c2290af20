"""spaCy's English tokenizer on single chunks: the only place that imports spaCy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spacy.tokens import Doc

NAME: Final = 'spacy.blank("en")'

MAX_CHUNK_CHARACTERS: Final = 1_000
"""A longer chunk is cut into pieces of so many characters: spaCy's time grows with the square of a run
of punctuation, and no word is that long."""

_JOIN_CHARACTERS: Final = 1 << 18  # one call of spaCy at most; bounds the memory of its Doc


@cache
def _tokenizer() -> Callable[[str], Doc]:
    import spacy

    return spacy.blank("en").tokenizer


def spacy_version() -> str:
    """The version of the spaCy that tokenises, read without importing it."""
    from importlib.metadata import version

    return version("spacy")


def tokenize_chunks(chunks: Sequence[str]) -> list[list[str]]:
    """The tokens of each chunk [n].

    Chunks go to spaCy joined by spaces, many in one call: most of the time of a call on a short text is the
    call itself. spaCy never makes a token across a space, so the tokens can be told apart again.

    Args:
        chunks: texts [n] as `split_chunks` makes them; an empty one has no tokens.
    """
    tokens: list[list[str]] = []
    for pieces, owners in _calls(chunks):
        tokens.extend([] for _ in range(owners[-1] + 1 - len(tokens)))
        piece = 0
        for token in _tokenizer()(" ".join(pieces)):
            tokens[owners[piece]].append(token.text)
            if token.whitespace_:
                piece += 1
    tokens.extend([] for _ in range(len(chunks) - len(tokens)))
    return tokens


def _calls(chunks: Sequence[str]) -> list[tuple[list[str], list[int]]]:
    """Groups of non-empty pieces for one call each, with the index of the chunk that each piece is of."""
    calls: list[tuple[list[str], list[int]]] = []
    characters = _JOIN_CHARACTERS
    for index, chunk in enumerate(chunks):
        for start in range(0, len(chunk), MAX_CHUNK_CHARACTERS):
            piece = chunk[start : start + MAX_CHUNK_CHARACTERS]
            if characters + len(piece) > _JOIN_CHARACTERS:
                calls.append(([], []))
                characters = 0
            calls[-1][0].append(piece)
            calls[-1][1].append(index)
            characters += len(piece) + 1
    return calls
