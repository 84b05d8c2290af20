"""Cuts words into tokens as spaCy's English tokenizer does with each word alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Final

from sentscore.text.rules import Rules, stored_rules

NAME: Final = 'spacy.blank("en")'

MAX_WORD_CHARACTERS: Final = 1_000
"""A longer word is cut into parts of so many characters first: the time of spaCy's way to cut a run of punctuation
grows with the square of its length, and no real word is that long."""

_LONGEST_SUFFIX: Final = 8
"""More characters than any suffix of the stored rules has, but for a run of dots. To look for a suffix among them alone
keeps each look from taking longer the longer the word is."""

_is_hyphenated: Final = re.compile("[A-Za-z-]+").fullmatch


def tokenize_words(words: Iterable[str], splitter: Splitter | None = None) -> Iterator[list[str]]:
    """Yields the tokens of each word.

    They come one by one: thousands of lists kept at once would make Python look for garbage among them again and again.

    Args:
        words: Texts without white space, as `split_words` makes them. An empty one has no tokens.
        splitter: Cuts a word. None takes one with the rules that are stored in this package.
    """
    split = (splitter or _stored_splitter()).split
    for word in words:
        if 0 < len(word) <= MAX_WORD_CHARACTERS:
            yield split(word)
        else:
            starts = range(0, len(word), MAX_WORD_CHARACTERS)
            yield [token for start in starts for token in split(word[start : start + MAX_WORD_CHARACTERS])]


@cache
def _stored_splitter() -> Splitter:
    return Splitter(stored_rules())


class Splitter:
    """Cuts a word as a spaCy tokenizer does, by the tokenizer's own rules and several times as fast.

    Most of spaCy's time goes into attributes of tokens that nobody reads here, and into patterns that cannot match.
    `split` takes the same steps as `Tokenizer._tokenize` and then `Tokenizer._apply_special_cases`, but leaves out a
    pattern where the rules already say what it would find.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._special_cases = rules.special_cases
        self._retokenized = {tuple(found): tokens for found, tokens in rules.retokenized}
        self._longest = max(map(len, self._retokenized), default=0)
        # Tokens are only changed where there is one of these among them, or one of these pairs.
        changed = [found for found, tokens in self._retokenized.items() if list(found) != tokens]
        self._changed = {found[0] for found in changed if len(found) == 1}
        self._changed_pairs = {found[:2] for found in changed if len(found) > 1}

    def split(self, word: str) -> list[str]:
        """Returns the tokens of a word, which has at least one character and no white space."""
        special = self._special_cases.get(word)
        if special is not None:
            return list(special)
        if self._stays_whole(word):
            return [word]
        prefixes, rest, suffixes = self._strip(word)
        return self._retokenize([*prefixes, *self._split_stripped(rest), *suffixes])

    def _strip(self, word: str) -> tuple[list[str], str, list[str]]:
        """Cuts prefixes and suffixes from a word in turns. Returns the prefixes, what is left, and the suffixes."""
        special_cases = self._special_cases
        rest, size = word, 0
        prefixes: list[str] = []
        suffixes: list[str] = []
        while rest and len(rest) != size:
            if rest in special_cases or self._stays_whole(rest):
                break
            size = len(rest)
            inner = rest
            prefix = self._prefix_length(rest)
            if prefix:
                inner = rest[prefix:]
                if inner in special_cases:
                    prefixes.append(rest[:prefix])
                    rest = inner
                    break
            suffix = self._suffix_length(inner)
            if suffix:
                without = rest[:-suffix]
                suffixes.append(rest[-suffix:])
                if without in special_cases:
                    rest = without
                    break
                inner = inner[:-suffix]
            if prefix:
                prefixes.append(rest[:prefix])
            rest = inner
        suffixes.reverse()
        return prefixes, rest, suffixes

    def _prefix_length(self, text: str) -> int:
        length = self._rules.prefix_lengths.get(text[0])
        return _match_length(self._rules.prefix.match(text)) if length is None else length

    def _suffix_length(self, text: str) -> int:
        lengths = self._rules.suffix_lengths
        length = lengths.get(text[-1:], lengths.get(text[-2:]))
        if length is None:
            hyphenated = self._rules.hyphenated_has_no_suffix and _is_hyphenated(text)
            start = max(0, len(text.rstrip(".")) - _LONGEST_SUFFIX)
            length = 0 if hyphenated else _match_length(self._rules.suffix.search(text, start))
        return length

    def _split_stripped(self, text: str) -> list[str]:
        """Returns the tokens of what has neither a prefix nor a suffix."""
        if not text:
            return []
        if text in self._special_cases:
            return self._special_cases[text]
        if self._stays_whole(text):
            return [text]
        cannot_be_url = self._rules.urls_have_dots and text.isascii() and "." not in text
        if not cannot_be_url and self._rules.url.match(text):
            return [text]
        tokens: list[str] = []
        start = 0
        for match in self._rules.infix.finditer(text):
            if match.start() == 0:
                continue
            tokens += (text[start : match.start()], match.group())
            start = match.end()
        tokens.append(text[start:])
        return [token for token in tokens if token]

    def _retokenize(self, tokens: list[str]) -> list[str]:
        """Returns the tokens with the special cases among them: the longest are found first, of equals the first."""
        if self._changed.isdisjoint(tokens) and self._changed_pairs.isdisjoint(pairwise(tokens)):
            return tokens
        found = [
            (start, stop)
            for start in range(len(tokens))
            for stop in range(start + 1, min(start + self._longest, len(tokens)) + 1)
            if tuple(tokens[start:stop]) in self._retokenized
        ]
        found.sort(key=lambda place: (place[0] - place[1], place[0]))
        seen: set[int] = set()
        stops: dict[int, int] = {}
        for start, stop in found:
            if start not in seen and stop - 1 not in seen:
                stops[start] = stop
            seen.update(range(start, stop))  # what is not taken is in the way of others, too
        result: list[str] = []
        start = 0
        while start < len(tokens):
            stop = stops.get(start, start + 1)
            part = tokens[start:stop]
            result += self._retokenized[tuple(part)] if start in stops else part
            start = stop
        return result

    def _stays_whole(self, text: str) -> bool:
        """Whether nothing cuts a text that is no special case."""
        return self._rules.letters_stay_whole and text.isascii() and text.isalpha()


def _match_length(match: re.Match[str] | None) -> int:
    return 0 if match is None else match.end() - match.start()
