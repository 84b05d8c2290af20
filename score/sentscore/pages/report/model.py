"""Finds the model that scored a file, knows its words, and shades texts by what moved their scores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from sentscore.errors import ArtifactError
from sentscore.model.artifact import LAYOUT, Artifact, find_artifacts, load_artifact
from sentscore.model.options import PRECISIONS, ModelOptions, Precision
from sentscore.occlusion import Explainer, Explanation, Word, find_words
from sentscore.pages.report.layout import ScoreColumn
from sentscore.pages.report.texts import ScoredText
from sentscore.text.encoder import Encoder

FROM_FILE: Final = "The words that the file's own explanations name are shaded, each wherever it stands in the text."

MOST_WORDS: Final = 600
"""The words of a text that are shown."""


@dataclass(frozen=True)
class ShadedText:
    """A text with the effects of its words.

    Attributes:
        scored: The text and its scores.
        explanation: The words, some of them with effects; None where nothing is known of them.
        more: How many words of the text come after those that are shown.
    """

    scored: ScoredText
    explanation: Explanation | None
    more: int = 0


def find_model(column: ScoreColumn, wanted: str | None) -> Artifact | None:
    """Returns the model that scored a column, or the one that is wanted in its place; None where it is not here.

    Args:
        column: The column.
        wanted: The name of a shipped model or the path of an artifact's folder; None for the shipped model with the
            digest that the file names.

    Raises:
        ArtifactError: The wanted model is missing or damaged.
    """
    if wanted is not None:
        return load_artifact(wanted)
    for folder in find_artifacts():
        with suppress(OSError, ArtifactError):  # a damaged model is one that is not here
            if hashlib.sha256((folder / LAYOUT.manifest).read_bytes()).hexdigest() == column.digest:
                return load_artifact(f"{folder}@{column.digest}")
    return None


def choose_column(columns: tuple[ScoreColumn, ...], artifact: Artifact | None) -> int:
    """Returns the index of the column that a model has scored; of the first one where that is none."""
    digest = artifact.manifest_sha256 if artifact is not None else ""
    return next((index for index, column in enumerate(columns) if digest and column.digest == digest), 0)


class Shader:
    """Finds out which words moved the scores of texts.

    Args:
        artifact: The model; None where it is not here.
        column: The column of its scores.

    Attributes:
        notes: What a reader has to know of the shading, in whole sentences; complete when all texts are shaded.
    """

    def __init__(self, artifact: Artifact | None, column: ScoreColumn) -> None:
        self._artifact = artifact
        self._column = column
        self._explainer: Explainer | None = None
        self._explained: dict[str, Explanation | None] = {}  # a text can be among the most positive and uncertain ones
        self.notes: dict[str, None] = {}  # in order, each once

    def shade(self, texts: Iterable[ScoredText]) -> list[ShadedText]:
        """Returns texts with the effects of their words: those that the file has, or those that the model gives.

        Raises:
            SentscoreError: The model cannot run.
        """
        return [self._shade(each) for each in texts]

    def _shade(self, scored: ScoredText) -> ShadedText:
        if scored.effects is not None:
            self.notes[FROM_FILE] = None
            return _place_effects(scored, scored.effects)
        if self._artifact is None:
            self.notes[self._describe_missing()] = None
            return ShadedText(scored, None)
        if scored.text not in self._explained:
            self._explained[scored.text] = self._explain(self._artifact, scored.text)
        explanation = self._explained[scored.text]
        return ShadedText(scored, explanation, max(0, len(explanation.words) - MOST_WORDS) if explanation else 0)

    def _explain(self, artifact: Artifact, text: str) -> Explanation | None:
        if artifact.manifest_sha256 != self._column.digest:
            self.notes[
                f"The words are shaded by {artifact.name}, and the file does not say that its scores are of these "
                "weights."
            ] = None
        if self._explainer is None:
            from sentscore.model.engine import Engine

            options = ModelOptions("auto", _choose_precision(artifact, self._column))
            self._explainer = Explainer(Engine(artifact, options))
        explanation = self._explainer.explain(text)
        if explanation is not None:
            self.notes[explanation.method] = None
        return explanation

    def _describe_missing(self) -> str:
        if not self._column.digest:
            return "No word is shaded, for the file does not say which model scored it: name it with --model."
        return (
            f"No word is shaded, for the model {self._column.model} with the digest {self._column.digest[:12]} is not "
            "here: name its folder with --model."
        )


def find_first_words(text: str) -> tuple[list[Word], int]:
    """Returns the first words of a text, at most `MOST_WORDS`, and how many more there are."""
    starts, stops = find_words(text)
    places = zip(starts[:MOST_WORDS].tolist(), stops[:MOST_WORDS].tolist(), strict=True)
    return [Word(start, stop) for start, stop in places], max(0, len(starts) - MOST_WORDS)


def make_encoder(artifact: Artifact) -> Encoder:
    """Returns what knows a model's words."""
    return Encoder(artifact.read_vocabulary())


def _choose_precision(artifact: Artifact, column: ScoreColumn) -> Precision:
    """Returns the precision that the file was scored in where the CPU and the model have it, and else fp32."""
    found = [each for each in PRECISIONS if each == column.precision and each in artifact.graphs and each != "fp16"]
    return found[0] if found else "fp32"


def _place_effects(scored: ScoredText, effects: tuple[tuple[str, float], ...]) -> ShadedText:
    """Returns a text with the effects that a file names, which does not say where in the text a word stands."""
    strongest: dict[str, float] = {}
    for word, effect in effects:  # the strongest first
        strongest.setdefault(word, effect)
    text = scored.text
    found, more = find_first_words(text)
    words = tuple(replace(word, effect=strongest.get(text[word.start : word.stop])) for word in found)
    return ShadedText(scored, Explanation(text, 0.0, 0.0, words) if words else None, more)
