"""The parts of a model card that say what the model was trained on, and what it is not for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sentscore_train.data.publications import IMDB


def describe_data(data: Mapping[str, Any]) -> list[str]:
    """Returns the section about the reviews: each source with what it gave, where it is published and whom to cite."""
    if not _sources(data):
        published = ["The reviews are from the Large Movie Review Dataset", f"({IMDB.citation}).", ""]
        return ["## Data", "", *list_items(data), "", *(published if _is_imdb(data) else [])]
    rest = {name: value for name, value in data.items() if name != "sources"}
    lines = ["## Data", "", *list_items(rest), ""]
    for source in _sources(data):
        lines += [f"### {source['name']}", ""]
        if source.get("title"):
            lines += [f"{source['title']}: <{source['url']}>", f"({source['citation']}).", ""]
        known = ("name", "title", "url", "citation")
        lines += [*list_items({name: value for name, value in source.items() if name not in known}), ""]
    return lines


def describe_limits(data: Mapping[str, Any]) -> list[str]:
    """Returns the section about what the model is not for."""
    if not _sources(data) and _is_imdb(data):
        kinds = [
            "- The model is for English film reviews with a clear opinion: at most 4 or at least 7 points of 10.",
            "  It scores other kinds of text, neutral texts, irony and very short texts less well.",
            "  No figure above was measured on those.",
        ]
    else:
        kinds = [
            "- The model is for English reviews with a clear opinion, of the kinds that are named under Data.",
            "  It scores other kinds of text, neutral texts, irony and very short texts less well.",
            "  Measure it on your own texts before you rely on it: sentscore-train evaluate MODEL --table FILE.",
        ]
    return [
        "## Limits",
        "",
        *kinds,
        "- Of a text with more than 8,192 tokens, only the first and the last 4,096 are scored.",
        "- A score says how positive the wording is. Do not use it to decide about people.",
        "",
    ]


def source_names(data: Mapping[str, Any]) -> list[str]:
    """Returns the names of the sources; those of older models have one."""
    return [str(source["name"]) for source in _sources(data)] or [str(data.get("name", ""))]


def list_items(values: Mapping[str, object]) -> list[str]:
    """Returns a line for each value."""
    return [f"- {name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]


def _sources(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Returns the facts of each source; models of format 1 have none."""
    sources: Sequence[Mapping[str, Any]] = data.get("sources", ())
    return sources


def _is_imdb(data: Mapping[str, Any]) -> bool:
    """Whether a model without sources was trained on IMDB, as all of format 1 were that come with the package."""
    return data.get("name") == "IMDB"
