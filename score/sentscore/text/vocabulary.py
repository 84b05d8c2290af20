"""The vocabulary of a model: its tokens in id order, and how a text becomes tokens; kept as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sentscore.errors import ArtifactError
from sentscore.text import normalize as text
from sentscore.text import rules as tokenizer_rules
from sentscore.text import tokenizer

FORMAT_VERSION: Final = 1


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in id order with the text steps that they were counted under.

    Attributes:
        tokens: [V] distinct tokens; `tokens[i]` has the id `i`.
        lowercase: whether texts are lower-cased first.
        unk_id: the id of every token that is not in `tokens`.
        pad_id: the id that fills a batch; its value never reaches a score.
        spacy_version: the spaCy that the tokens were counted with.
    """

    tokens: tuple[str, ...]
    lowercase: bool
    unk_id: int = 0
    pad_id: int = 1
    spacy_version: str = ""

    def __post_init__(self) -> None:
        size = len(self.tokens)
        if len(set(self.tokens)) != size:
            raise ArtifactError(f"the vocabulary's {size:,} tokens are not distinct: export the model again")
        if not (0 <= self.unk_id < size and 0 <= self.pad_id < size and self.unk_id != self.pad_id):
            raise ArtifactError(
                f"unk_id {self.unk_id} and pad_id {self.pad_id} must be two ids below {size:,}: export the model again"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def normalization(self) -> tuple[str, ...]:
        """The names of the text steps, in order."""
        return text.STEPS if self.lowercase else text.STEPS_CASED

    def to_json(self) -> str:
        """The content of vocab.json."""
        content = {
            "format_version": FORMAT_VERSION,
            "tokenizer": {
                "name": tokenizer.NAME,
                "spacy_version": self.spacy_version or tokenizer_rules.spacy_version(),
                "normalization": list(self.normalization),
                "lowercase": self.lowercase,
            },
            "unk_id": self.unk_id,
            "pad_id": self.pad_id,
            "tokens": list(self.tokens),
        }
        return json.dumps(content, ensure_ascii=False, indent=0) + "\n"

    @classmethod
    def from_json(cls, content: str, *, file: Path | str = "vocab.json") -> Vocabulary:
        """Reads what `to_json` wrote.

        Raises:
            ArtifactError: not JSON, an unknown format version, tokenizer or text step, or a field is missing.
        """
        try:
            fields: dict[str, Any] = json.loads(content)
            version = fields["format_version"]
            if version != FORMAT_VERSION:
                raise ArtifactError(
                    f"{file}: format version {version}, but this sentscore reads {FORMAT_VERSION}: "
                    "update sentscore or export the model again"
                )
            how = fields["tokenizer"]
            vocabulary = cls(
                tokens=tuple(fields["tokens"]),
                lowercase=bool(how["lowercase"]),
                unk_id=int(fields["unk_id"]),
                pad_id=int(fields["pad_id"]),
                spacy_version=str(how["spacy_version"]),
            )
            found = (how["name"], tuple(how["normalization"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{file}: not a vocabulary ({error!r}): export the model again") from error
        if found != (tokenizer.NAME, vocabulary.normalization):
            raise ArtifactError(
                f"{file}: tokenizer {found[0]} with {', '.join(found[1])} is not known here: "
                "update sentscore or export the model again"
            )
        return vocabulary
