"""The vocabulary of a model: its tokens in id order, and how a text becomes tokens; kept as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sentscore.errors import ArtifactError
from sentscore.text import normalize, tokenizer
from sentscore.text.rules import stored_rules

FORMAT_VERSION: Final = 1


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in id order. They were counted under the normalisation steps and tokenizer rules of this package.

    Attributes:
        tokens: The distinct tokens [V]; `tokens[i]` has the id `i`.
        lowercase: Whether texts are lower-cased first.
        unk_id: The id of every token that is not in `tokens`.
        pad_id: The id that fills a batch; its value never reaches a score.

    Raises:
        ArtifactError: The tokens are not distinct, or the two ids are not two of theirs.
    """

    tokens: tuple[str, ...]
    lowercase: bool
    unk_id: int = 0
    pad_id: int = 1

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
        """The names of the normalisation steps, in order."""
        return normalize.STEPS if self.lowercase else normalize.STEPS_CASED

    def to_json(self) -> str:
        """Returns the content of vocab.json."""
        content = {
            "format_version": FORMAT_VERSION,
            "tokenizer": {
                "name": tokenizer.NAME,
                "spacy_version": stored_rules().spacy_version,
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

        Args:
            content: The JSON.
            file: Where it is from, for messages.

        Raises:
            ArtifactError: It is not a vocabulary, or its format version, normalisation steps, tokenizer or version of
                spaCy are not those of this package.
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
            )
            name, steps, spacy_version = how["name"], tuple(how["normalization"]), how["spacy_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{file}: not a vocabulary ({error!r}): export the model again") from error
        if (name, steps) != (tokenizer.NAME, vocabulary.normalization):
            raise ArtifactError(
                f"{file}: tokenizer {name} with {', '.join(steps)} is not known here: "
                "update sentscore or export the model again"
            )
        if spacy_version != stored_rules().spacy_version:
            raise ArtifactError(
                f"{file}: tokens of spaCy {spacy_version}, but this sentscore cuts words by the rules of spaCy "
                f"{stored_rules().spacy_version}: install the sentscore that made the model, or train it again"
            )
        return vocabulary
