"""spaCy's English tokenizer on single chunks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from itertools import count, pairwise
from typing import Final, NamedTuple

from sentscore.text.rules import MARKS, Rules, spacy_tokenizer, spacy_version

NAME: Final = 'spacy.blank("en")'

MAX_CHUNK_CHARACTERS: Final = 1_000
"""A longer chunk is cut into pieces of so many characters: spaCy's time grows with the square of a run
of punctuation, and no word is that long."""

_is_hyphenated: Final = re.compile("[A-Za-z-]+").fullmatch

_WORDS: Final = re.compile("([a-z]{2,})")
_TEMPLATES: Final = 1 << 13  # remembered; they take 2 to 5 MB
_TEMPLATE_CHARACTERS: Final = 40  # the marks of a longer chunk hardly come again


@cache
def _splitter() -> Splitter:
    rules = Rules.stored(spacy_version())
    return Splitter(rules or Rules.of_tokenizer(spacy_tokenizer()), _split_by_spacy)


def _split_by_spacy(chunk: str) -> list[str]:
    return [token.text for token in spacy_tokenizer()(chunk)]


def tokenize_chunks(chunks: Iterable[str]) -> Iterator[list[str]]:
    """The tokens of each chunk, those that spaCy makes of it alone.

    They come one by one: thousands of lists kept at once would make Python look for garbage among them again and again.

    Args:
        chunks: texts without white space, as `split_chunks` makes them; an empty one has no tokens.
    """
    split = _splitter().split
    for chunk in chunks:
        if 0 < len(chunk) <= MAX_CHUNK_CHARACTERS:
            yield split(chunk)
        else:
            starts = range(0, len(chunk), MAX_CHUNK_CHARACTERS)
            yield [token for start in starts for token in split(chunk[start : start + MAX_CHUNK_CHARACTERS])]


class _Template(NamedTuple):
    """Chunks of the same marks: their tokens with a space between them, and what may be a URL. `%s` is a word."""

    tokens: str
    dotted: str


class Splitter:
    """Cuts a chunk as a spaCy tokenizer does, by the tokenizer's own rules and patterns, several times as fast.

    Most of spaCy's time on a chunk that it has not seen goes into the lexical attributes of its tokens, which nobody
    reads here, and into patterns that cannot match. `split` goes the way of `Tokenizer._tokenize` and then of
    `Tokenizer._apply_special_cases`, and leaves a pattern out where its parse proves what it would say. Where the rules
    are not all known, spaCy cuts every chunk.

    Most chunks are words with marks around and between them, as in "(well-acted". Where spaCy has no special cases for
    the words, and the parse of its patterns proves that they look at nothing but the marks, such a chunk is cut like
    all others of the same marks: by a template that is made once.

    Args:
        rules: of spaCy's tokenizer.
        split_by_spacy: the tokens that this tokenizer makes of a chunk.
    """

    def __init__(self, rules: Rules, split_by_spacy: Callable[[str], list[str]]) -> None:
        self._rules = rules
        self.split = self._split if rules.known else split_by_spacy
        self._special = rules.special
        self._special_of = {tuple(cut): tokens for cut, tokens in rules.retokenized}
        self._longest_cut = max(map(len, self._special_of), default=0)
        # Of tokens among which there is none of these, and no two of these pairs, nothing else is made.
        changed = [cut for cut, tokens in self._special_of.items() if list(cut) != tokens]
        self._changed = {cut[0] for cut in changed if len(cut) == 1}
        self._changed_pairs = {cut[:2] for cut in changed if len(cut) > 1}
        cut_specially = [*self._special, *(token for cut in self._special_of for token in cut)]
        self._special_words = _words_and_neighbours(cut_specially)  # elsewhere these words are like any others
        self._any_word = next(word for size in count(2) if (word := "q" * size) not in self._special_words)
        self._has_templates = rules.words_are_alike and rules.urls_have_dots
        self._template = lru_cache(_TEMPLATES)(self._new_template)

    def _split(self, piece: str) -> list[str]:
        special = self._special.get(piece)
        if special is not None:
            return list(special)
        if piece.isascii():
            if self._rules.letters_stay_whole and piece.isalpha():
                return [piece]
            if self._has_templates and len(piece) <= _TEMPLATE_CHARACTERS:
                from_template = self._split_by_template(piece)
                if from_template:
                    return from_template
        before, rest, after = self._strip(piece)
        return self._with_special_cases([*before, *self._middle(rest), *after])

    def _split_by_template(self, piece: str) -> list[str] | None:
        marks_and_words = _WORDS.split(piece)
        words = marks_and_words[1::2]
        if not self._special_words.keys().isdisjoint(words) and self._may_be_special(marks_and_words):
            return None
        template = self._template(*marks_and_words[::2])
        if template is None or (template.dotted and self._rules.url.match(template.dotted % tuple(words))):
            return None
        return (template.tokens % tuple(words)).split(" ")

    def _new_template(self, *marks: str) -> _Template | None:
        """How chunks are cut that have these marks before, between and after their words; None: not all alike."""
        if not MARKS.issuperset("".join(marks)):
            return None
        before, rest, after = self._strip(self._any_word.join(marks))
        is_dotted = "." in rest and rest not in self._special
        tokens = [*before, *(self._cut_by_infixes(rest) if is_dotted else self._middle(rest)), *after]
        tokens = self._with_special_cases(tokens)
        return _Template(self._with_slots(" ".join(tokens)), self._with_slots(rest) if is_dotted else "")

    def _may_be_special(self, marks_and_words: list[str]) -> bool:
        """Whether a word stands between the same characters as in a special case."""
        return any(
            marks_and_words[place - 1].endswith(before) and marks_and_words[place + 1].startswith(after)
            for place in range(1, len(marks_and_words), 2)
            for before, after in self._special_words.get(marks_and_words[place], ())
        )

    def _with_slots(self, text: str) -> str:
        return text.replace("%", "%%").replace(self._any_word, "%s")

    def _strip(self, piece: str) -> tuple[list[str], str, list[str]]:
        """The prefixes, what is left, and the suffixes of a piece."""
        special, prefix_of, suffix_of = self._special, self._rules.prefix_of, self._rules.suffix_of
        rest, size = piece, 0
        before: list[str] = []
        after: list[str] = []
        while rest and len(rest) != size:
            if rest in special or (self._rules.letters_stay_whole and rest.isalpha() and rest.isascii()):
                break
            size = len(rest)
            prefix = prefix_of.get(rest[0])
            if prefix is None:
                prefix = _length(self._rules.prefix.search(rest))
            inner = rest
            if prefix:
                inner = rest[prefix:]
                if inner in special:
                    before.append(rest[:prefix])
                    rest = inner
                    break
            suffix = suffix_of.get(inner[-1:])
            if suffix is None:
                suffix = self._suffix_length(inner)
            if suffix:
                without = rest[:-suffix]
                after.append(rest[-suffix:])
                if without in special:
                    rest = without
                    break
                inner = inner[:-suffix]
            if prefix:
                before.append(rest[:prefix])
            rest = inner
        after.reverse()
        return before, rest, after

    def _with_special_cases(self, tokens: list[str]) -> list[str]:
        """The tokens after spaCy has found special cases among them: the longest first, of equals the first."""
        if self._changed.isdisjoint(tokens) and self._changed_pairs.isdisjoint(pairwise(tokens)):
            return tokens
        found = [
            (start, stop)
            for start in range(len(tokens))
            for stop in range(start + 1, min(start + self._longest_cut, len(tokens)) + 1)
            if tuple(tokens[start:stop]) in self._special_of
        ]
        found.sort(key=lambda place: (place[0] - place[1], place[0]))
        seen: set[int] = set()
        stops: dict[int, int] = {}
        for start, stop in found:
            if start not in seen and stop - 1 not in seen:
                stops[start] = stop
            seen.update(range(start, stop))  # what is not taken bars others, too
        result: list[str] = []
        start = 0
        while start < len(tokens):
            stop = stops.get(start, start + 1)
            cut = tokens[start:stop]
            result += self._special_of[tuple(cut)] if start in stops else cut
            start = stop
        return result

    def _suffix_length(self, text: str) -> int:
        """The length of the suffix of a text whose last character does not settle it."""
        length = self._rules.suffix_of.get(text[-2:])
        if length is None:
            hyphenated = self._rules.hyphens_end_no_word and _is_hyphenated(text)
            length = 0 if hyphenated else _length(self._rules.suffix.search(text))
        return length

    def _middle(self, text: str) -> list[str]:
        """The tokens of what has neither prefix nor suffix."""
        if not text:
            return []
        if text in self._special:
            return self._special[text]
        if self._rules.letters_stay_whole and text.isascii() and text.isalpha():
            return [text]
        if not (self._rules.urls_have_dots and text.isascii() and "." not in text) and self._rules.url.match(text):
            return [text]
        return self._cut_by_infixes(text)

    def _cut_by_infixes(self, text: str) -> list[str]:
        tokens: list[str] = []
        start = 0
        for match in self._rules.infix.finditer(text):
            if match.start() == 0:
                continue
            tokens += (text[start : match.start()], match.group())
            start = match.end()
        tokens.append(text[start:])
        return [token for token in tokens if token]


def _length(match: re.Match[str] | None) -> int:
    return 0 if match is None else match.end() - match.start()


def _words_and_neighbours(texts: Iterable[str]) -> dict[str, set[tuple[str, str]]]:
    """The words in the texts, and the characters before and after them wherever they are; empty at an end."""
    neighbours: dict[str, set[tuple[str, str]]] = {}
    for text in texts:
        marks_and_words = _WORDS.split(text)
        for place in range(1, len(marks_and_words), 2):
            around = (marks_and_words[place - 1][-1:], marks_and_words[place + 1][:1])
            neighbours.setdefault(marks_and_words[place], set()).add(around)
    return neighbours
