"""What spaCy's English tokenizer cuts by: read from spaCy, or from a copy beside this file that is read in no time.

The only place that imports spaCy.

`import spacy` takes longer than everything else before the first score. The copy is used where the installed spaCy is
the version that it was made of. `python -m sentscore.text.rules` makes it anew.
"""

from __future__ import annotations

import json
import re
import string
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer

    from sentscore_train.data import patterns

COPY: Final = Path(__file__).with_name("rules.json")
FORMAT_VERSION: Final = 2

_Search = Callable[[str], "re.Match[str] | None"]
_LETTERS: Final = frozenset(string.ascii_letters)
_HYPHENATED: Final = _LETTERS | {"-"}
_PRINTABLE: Final = _LETTERS | frozenset(string.digits + string.punctuation)
_LOWERCASE: Final = frozenset(string.ascii_lowercase)
MARKS: Final = _LOWERCASE | frozenset(string.punctuation)
"""What stands around words of `_LOWERCASE`; a letter is here if it is alone."""


@cache
def spacy_tokenizer() -> Tokenizer:
    """The tokenizer itself; the first call takes a second."""
    import spacy

    return spacy.blank("en").tokenizer


def spacy_version() -> str:
    """The version of the spaCy that tokenises, read without importing it."""
    from importlib.metadata import version

    return version("spacy")


def _compiled(field: str) -> cached_property[re.Pattern[str]]:
    """The pattern of a field, compiled when first asked for: all four take a tenth of a second."""
    return cached_property(lambda rules: re.compile(getattr(rules, field)))


@dataclass(frozen=True)
class Rules:
    """A spaCy tokenizer's rules, and what the parse of its patterns proves of them.

    Attributes:
        spacy: version of the spaCy that they are of.
        known: whether the tokenizer has the four patterns and nothing else; if not, no other field says anything.
        special: special cases: chunks and their tokens.
        retokenized: pairs of tokens on end and of the special case that spaCy makes of them when it finds them in a
            chunk; the same tokens in some.
        prefix_pattern: of what is cut from the beginning.
        suffix_pattern: of what is cut from the end.
        infix_pattern: of what cuts in between.
        url_pattern: of what is left whole.
        prefix_of: the length of the prefix for each first character that settles it.
        suffix_of: the length of the suffix for each last character, or last two, that settle it.
        hyphens_end_no_word: no suffix is found in letters and hyphens alone.
        urls_have_dots: in printable ASCII, that is.
        letters_stay_whole: nothing is cut from or in a chunk of ASCII letters.
        words_are_alike: no pattern but that of URLs tells one lower-case word from another.
    """

    spacy: str
    known: bool
    special: dict[str, list[str]]
    retokenized: list[list[list[str]]]
    prefix_pattern: str
    suffix_pattern: str
    infix_pattern: str
    url_pattern: str
    prefix_of: dict[str, int]
    suffix_of: dict[str, int]
    hyphens_end_no_word: bool
    urls_have_dots: bool
    letters_stay_whole: bool
    words_are_alike: bool

    prefix = _compiled("prefix_pattern")
    suffix = _compiled("suffix_pattern")
    infix = _compiled("infix_pattern")
    url = _compiled("url_pattern")

    @classmethod
    def stored(cls, spacy_version: str) -> Rules | None:
        """The copy beside this file, if it is of that version of spaCy."""
        content = json.loads(COPY.read_text(encoding="utf-8"))
        if content.pop("format_version") != FORMAT_VERSION or content["spacy"] != spacy_version:
            return None
        return cls(**content)

    @classmethod
    def of_tokenizer(cls, tokenizer: Tokenizer) -> Rules:
        """The rules of a tokenizer, which must not change afterwards."""
        from spacy.symbols import ORTH

        from sentscore_train.data import patterns

        methods = (
            tokenizer.prefix_search,
            tokenizer.suffix_search,
            tokenizer.infix_finditer,
            tokenizer.url_match,
        )
        texts = [_pattern(method) for method in methods]
        special = {
            chunk: [spec.get(ORTH) or spec["ORTH"] for spec in specs] for chunk, specs in tokenizer.rules.items()
        }
        known = tokenizer.token_match is None and None not in texts
        known = known and all([token.text for token in tokenizer(chunk)] == cut for chunk, cut in special.items())
        prefix, suffix, infix, url = (_parsed(method) for method in methods)
        return cls(
            spacy=spacy_version(),
            known=known,
            special=special,
            retokenized=_retokenized(tokenizer, special) if known else [],
            prefix_pattern=texts[0] or "",
            suffix_pattern=texts[1] or "",
            infix_pattern=texts[2] or "",
            url_pattern=texts[3] or "",
            prefix_of=_prefix_lengths(prefix, tokenizer.prefix_search) if known else {},
            suffix_of=_suffix_lengths(suffix, tokenizer.suffix_search) if known else {},
            hyphens_end_no_word=not patterns.may_match_within(suffix, _HYPHENATED),
            urls_have_dots=not patterns.may_match_within(url, _PRINTABLE - {"."}),
            letters_stay_whole=not any(patterns.may_match_within(p, _LETTERS) for p in (prefix, suffix, infix)),
            words_are_alike=all(patterns.sees_words_alike(p, _LOWERCASE, MARKS) for p in (prefix, suffix, infix)),
        )

    def to_json(self) -> str:
        """What `stored` reads, a field a line."""
        fields = {"format_version": FORMAT_VERSION, **asdict(self)}
        return (
            "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items()) + "\n}\n"
        )


def _pattern(method: Callable[..., Any] | None) -> str | None:
    """The pattern of which spaCy holds a method; None where it is another kind of function or has flags."""
    pattern = getattr(method, "__self__", None)
    return pattern.pattern if isinstance(pattern, re.Pattern) and pattern.flags == re.UNICODE else None


def _retokenized(tokenizer: Tokenizer, special: dict[str, list[str]]) -> list[list[list[str]]]:
    """What spaCy looks for among the tokens of a chunk, and what it puts there.

    It looks for the special cases as they are cut without any special case; with `faster_heuristics` for those alone
    that have an affix or an infix in them.
    """
    bare = type(tokenizer)(
        tokenizer.vocab,
        prefix_search=tokenizer.prefix_search,
        suffix_search=tokenizer.suffix_search,
        infix_finditer=tokenizer.infix_finditer,
        token_match=tokenizer.token_match,
        url_match=tokenizer.url_match,
    )

    def is_looked_for(chunk: str) -> bool:
        has_affix = tokenizer.find_prefix(chunk) or tokenizer.find_infix(chunk) or tokenizer.find_suffix(chunk)
        return chunk.split() == [chunk] and bool(has_affix or not tokenizer.faster_heuristics)

    return [
        [[token.text for token in bare(chunk)], tokens] for chunk, tokens in special.items() if is_looked_for(chunk)
    ]


def _parsed(method: Callable[..., Any] | None) -> list[patterns.Item]:
    """The parse of a pattern of which spaCy holds a method; an empty one, which rules nothing out, if there is none."""
    from sentscore_train.data import patterns

    pattern = getattr(method, "__self__", None)
    try:
        return patterns.parse(pattern) if isinstance(pattern, re.Pattern) else []
    except patterns.UnknownPatternError:
        return []


def _prefix_lengths(prefix: list[patterns.Item], search: _Search) -> dict[str, int]:
    """The length of the prefix for each first character that settles it."""
    from sentscore_train.data import patterns

    choices = patterns.alternatives(prefix)
    if not all(patterns.is_anchored(choice, "AT_BEGINNING") for choice in choices):
        return {}
    lengths = {}
    for character in sorted(_PRINTABLE):
        possible = [choice for choice in choices if patterns.may_touch(choice, character, last=False)]
        if not possible:
            lengths[character] = 0
        elif search(character) and all(patterns.is_one_character(choice, anywhere=True) for choice in possible):
            lengths[character] = 1
    return lengths


def _suffix_lengths(suffix: list[patterns.Item], search: _Search) -> dict[str, int]:
    """The length of the suffix for each last character, or last two, that settle it."""
    from sentscore_train.data import patterns

    choices = patterns.alternatives(suffix)
    if not all(patterns.is_anchored(choice, "AT_END") for choice in choices):
        return {}
    # What a suffix of several characters may have in it.
    contents = [
        (choice, {character for character in _PRINTABLE if patterns.may_contain(choice, character)})
        for choice in choices
        if not patterns.is_one_character(choice)
    ]
    lengths = {}
    for character in sorted(_PRINTABLE):
        possible = [choice for choice in choices if patterns.may_touch(choice, character, last=True)]
        if not possible:
            lengths[character] = 0
        elif search(character) and all(patterns.is_one_character(choice, anywhere=True) for choice in possible):
            lengths[character] = 1
        else:
            # Where no long suffix may have the last but one character in it, only one character can be a suffix; and
            # if it is a suffix of the two, with what must stand before it, it is a suffix of all that ends in them.
            inside = [found for choice, found in contents if patterns.may_touch(choice, character, last=True)]
            for other in sorted(_PRINTABLE.difference(*inside)):
                if search(other + character):
                    lengths[other + character] = 1
    return lengths


def _main() -> None:
    sys.stdout.write(Rules.of_tokenizer(spacy_tokenizer()).to_json())


if __name__ == "__main__":
    _main()
