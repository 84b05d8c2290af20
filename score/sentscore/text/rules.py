"""Reads the rules by which a word is cut into tokens: those of spaCy's English tokenizer, stored beside this file.

Scoring and training never ask spaCy itself, so that no score changes with the spaCy that happens to be installed.
`python -m sentscore_train.data.tokenizer_rules` makes the file.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Final

from sentscore.errors import ArtifactError

RULES_FILE: Final = Path(__file__).with_name("rules.json")
FORMAT_VERSION: Final = 3


def _compiled(field: str) -> cached_property[re.Pattern[str]]:
    """Compiles the pattern of a field when it is first used, since all four take a tenth of a second."""
    return cached_property(lambda rules: re.compile(getattr(rules, field)))


@dataclass(frozen=True)
class Rules:
    """The rules of a spaCy tokenizer, and what is proved of its patterns.

    Attributes:
        spacy_version: The version of spaCy that has these rules.
        special_cases: Words, and the tokens that each is always cut into.
        retokenized: Pairs of consecutive tokens and the tokens of the special case that spaCy puts in their place.
        prefix_pattern: Finds what is cut from the beginning of a word.
        suffix_pattern: Finds what is cut from the end of a word.
        infix_pattern: Finds what a word is cut at elsewhere.
        url_pattern: Matches what is left whole.
        prefix_lengths: The length of the prefix for each first character that determines it.
        suffix_lengths: The length of the suffix for each last character, or last two, that determine it.
        hyphenated_has_no_suffix: Whether no suffix is found in ASCII letters and hyphens alone.
        urls_have_dots: Whether every URL of printable ASCII characters has a dot.
        letters_stay_whole: Whether a word of ASCII letters is cut by special cases alone.
    """

    spacy_version: str
    special_cases: dict[str, list[str]]
    retokenized: list[list[list[str]]]
    prefix_pattern: str
    suffix_pattern: str
    infix_pattern: str
    url_pattern: str
    prefix_lengths: dict[str, int]
    suffix_lengths: dict[str, int]
    hyphenated_has_no_suffix: bool
    urls_have_dots: bool
    letters_stay_whole: bool

    prefix = _compiled("prefix_pattern")
    suffix = _compiled("suffix_pattern")
    infix = _compiled("infix_pattern")
    url = _compiled("url_pattern")


@cache
def stored_rules() -> Rules:
    """Returns the rules that are stored in this package.

    Raises:
        ArtifactError: The file has another format version.
    """
    fields = json.loads(RULES_FILE.read_text(encoding="utf-8"))
    version = fields.pop("format_version")
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"{RULES_FILE}: format version {version}, but this sentscore reads {FORMAT_VERSION}: "
            "install sentscore again"
        )
    return Rules(**fields)
