"""Reads the rules by which a word is cut into tokens: those of spaCy's English tokenizer, as data.

Scoring and training never ask spaCy itself, so that no score changes with the spaCy that happens to be installed.
Training takes the rules in rules.json, which `python -m sentscore_train.data.tokenizer_rules` makes. A model carries
the rules that it was trained with in its tokenizer.json, which has the same form.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from sentscore.errors import ArtifactError, shorten
from sentscore.text.rule_check import check_rules

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

    def to_json(self) -> str:
        """Returns the content of rules.json or tokenizer.json, a field a line."""
        content = {"format_version": FORMAT_VERSION, **asdict(self)}
        return (
            "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in content.items()) + "\n}\n"
        )


@cache
def stored_rules() -> Rules:
    """Returns the rules that are stored in this package.

    Raises:
        ArtifactError: The file has another format version.
    """
    content = json.loads(RULES_FILE.read_text(encoding="utf-8"))
    _check_version(content.pop("format_version"), RULES_FILE, "install sentscore again")
    return Rules(**content)


def parse_rules(content: str, *, file: Path | str = "tokenizer.json") -> Rules:
    """Returns the rules in the content of a model's tokenizer.json, which may come from anyone.

    Raises:
        ArtifactError: They are no rules, of another format version, or could make a word take more than linear time.
    """
    try:
        values: dict[str, Any] = json.loads(content)
        _check_version(values.pop("format_version"), file, "update sentscore or export the model again")
        rules = Rules(**{field.name: values.pop(field.name) for field in fields(Rules)})
        if values:
            raise ValueError(f"fields {shorten(sorted(values))}")
        if rules == stored_rules():
            return stored_rules()  # whose patterns may be compiled already
        check_rules(asdict(rules))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise ArtifactError(f"{file}: no tokenizer rules ({reason}): export the model again") from error
    return rules


def _check_version(version: object, file: Path | str, remedy: str) -> None:
    if version != FORMAT_VERSION or isinstance(version, (bool, float)):
        raise ArtifactError(
            f"{file}: format version {shorten(version)}, but this sentscore reads {FORMAT_VERSION}: {remedy}"
        )
