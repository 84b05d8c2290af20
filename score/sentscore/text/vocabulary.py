"""The vocabulary of a model: its tokens in id order, and how a text becomes tokens; kept as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from sentscore.errors import ArtifactError, shorten
from sentscore.text.normalize import name_steps, normalize
from sentscore.text.rules import Rules, stored_rules
from sentscore.text.tokenizer import NAME as TOKENIZER

FORMAT_VERSIONS: Final = (1, 2)
"""The versions of vocab.json. Version 2 has the step `html_entities`, which version 1 does not know."""


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in id order, and how a text becomes tokens.

    Attributes:
        tokens: The distinct tokens [V]; `tokens[i]` has the id `i`.
        lowercase: Whether texts are lower-cased first.
        unk_id: The id of every token that is not in `tokens`.
        pad_id: The id that fills a batch; its value never reaches a score.
        html_entities: Whether HTML's character references, such as `&amp;`, become characters first of all.
        rules: The rules by which words are cut into tokens; by default those that are stored in this package.

    Raises:
        ArtifactError: The tokens are not distinct, or the two ids are not two of theirs.
    """

    tokens: tuple[str, ...]
    lowercase: bool
    unk_id: int = 0
    pad_id: int = 1
    html_entities: bool = False
    rules: Rules = field(default_factory=stored_rules, repr=False)

    def __post_init__(self) -> None:
        size = len(self.tokens)
        if len(set(self.tokens)) != size:
            raise ArtifactError(f"the vocabulary's {size:,} tokens are not distinct: export the model again")
        if not (0 <= self.unk_id < size and 0 <= self.pad_id < size and self.unk_id != self.pad_id):
            raise ArtifactError(
                f"unk_id {shorten(self.unk_id)} and pad_id {shorten(self.pad_id)} must be two ids below {size:,}: "
                "export the model again"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def normalization(self) -> tuple[str, ...]:
        """The names of the normalisation steps, in order."""
        return name_steps(lowercase=self.lowercase, html_entities=self.html_entities)

    def normalize(self, texts: pa.Array) -> pa.Array:
        """Returns texts, `large_string` [n], after every normalisation step but the split; nulls stay null."""
        return normalize(texts, lowercase=self.lowercase, html_entities=self.html_entities)

    def to_json(self) -> str:
        """Returns the content of vocab.json."""
        content = {
            "format_version": 2 if self.html_entities else 1,
            "tokenizer": {
                "name": TOKENIZER,
                "spacy_version": self.rules.spacy_version,
                "normalization": list(self.normalization),
                "lowercase": self.lowercase,
            },
            "unk_id": self.unk_id,
            "pad_id": self.pad_id,
            "tokens": list(self.tokens),
        }
        return json.dumps(content, ensure_ascii=False, indent=0) + "\n"

    @classmethod
    def from_json(cls, content: str, rules: Rules | None = None, *, file: Path | str = "vocab.json") -> Vocabulary:
        """Reads what `to_json` wrote.

        Args:
            content: The JSON.
            rules: The rules by which words are cut into tokens. None takes those that are stored in this package.
            file: Where the JSON is from, for messages.

        Raises:
            ArtifactError: It is not a vocabulary, its format version, normalisation steps or tokenizer are not known
                here, or its tokens were made by the rules of another spaCy.
        """
        rules = rules or stored_rules()
        try:
            fields: dict[str, Any] = json.loads(content)
            version = fields["format_version"]
            if version not in FORMAT_VERSIONS or isinstance(version, (bool, float)):
                known = " and ".join(map(str, FORMAT_VERSIONS))
                raise ArtifactError(
                    f"{file}: format version {shorten(version)}, but this sentscore reads {known}: "
                    "update sentscore or export the model again"
                )
            how, tokens, steps = fields["tokenizer"], fields["tokens"], fields["tokenizer"]["normalization"]
            _check_kind("tokens or normalization", list, tokens, steps)
            _check_kind("tokens", str, *tokens)
            "".join(tokens).encode("utf-8")  # fails on half a character
            _check_kind("normalization", str, *steps)
            _check_kind("name or spacy_version", str, how["name"], how["spacy_version"])
            _check_kind("unk_id or pad_id", int, fields["unk_id"], fields["pad_id"])
            _check_kind("lowercase", bool, how["lowercase"])
            ids = (fields["unk_id"], fields["pad_id"])
            vocabulary = cls(tuple(tokens), how["lowercase"], *ids, html_entities=version == 2, rules=rules)
            name, steps, spacy_version = how["name"], tuple(steps), how["spacy_version"]
        except ArtifactError as error:
            raise ArtifactError(f"{file}: {str(error).removeprefix(f'{file}: ')}") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ArtifactError(
                f"{file}: not a vocabulary ({type(error).__name__}: {str(error)[:200]}): export the model again"
            ) from error
        if (name, steps) != (TOKENIZER, vocabulary.normalization):
            raise ArtifactError(
                f"{file}: tokenizer {shorten(name)} with the steps {shorten(steps)} is not known here: "
                "update sentscore or export the model again"
            )
        if spacy_version != rules.spacy_version:
            raise ArtifactError(
                f"{file}: tokens of spaCy {shorten(spacy_version)}, but words are cut by the rules of "
                f"spaCy {rules.spacy_version}: install the sentscore that made the model, or train it again"
            )
        return vocabulary


def _check_kind(name: str, kind: type, *values: object) -> None:
    """Checks that every value is of a type, and of none that is made of it, as `bool` is of `int`.

    Raises:
        TypeError: A value is not.
    """
    for wrong in set(map(type, values)) - {kind}:
        raise TypeError(f"{name}: {wrong.__name__} in place of {kind.__name__}")
