"""The parts of a model card that say what the model was trained on, and what it is not for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sentscore_export.sections.markdown import escape
from sentscore_train.data.publications import IMDB

_USES: Final = {"train": "to learn from", "validation": "for validation", "unlabelled": "without a label"}
_TEACHERS: Final = "teacher_validation_accuracy"
_TOLD_APART: Final = ("sources", "start", "change")  # facts that have lines of their own
_TOLD_ABOVE: Final = ("name", "title", "url", "citation", "domains", *_USES)  # the same of a source


def describe_data(data: Mapping[str, Any]) -> list[str]:
    """Returns the section about the reviews: each source with what it gave, where it is published and whom to cite."""
    teachers = _describe_teachers(data.get(_TEACHERS, {}))
    apart = (*_TOLD_APART, _TEACHERS) if teachers else _TOLD_APART
    rest = {name: value for name, value in data.items() if name not in apart}
    lines = ["## Data", "", *list_items(rest), ""]
    if _is_imdb_alone(data):
        lines += ["The reviews are from the Large Movie Review Dataset", f"({IMDB.citation}).", ""]
    for source in _sources(data):
        lines += [f"### {escape(source['name'])}", ""]
        if "title" in source:
            lines += [f"{source['title']}: <{source['url']}>", f"({source['citation']}).", ""]
        lines += [", ".join(f"{source.get(use, 0):,} reviews {name}" for use, name in _USES.items()) + ".", ""]
        domains = source.get("domains", {})
        if len(domains) > 1:
            lines += ["| domain | " + " | ".join(_USES.values()) + " |", "|---|---|---|---|"]
            for name, counts in domains.items():
                lines.append(f"| {escape(name)} | " + " | ".join(f"{counts.get(use, 0):,}" for use in _USES) + " |")
            lines.append("")
        lines += [*list_items({name: value for name, value in source.items() if name not in _TOLD_ABOVE}), ""]
    return [*lines, *teachers]


def describe_start(data: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    """Returns the section about the model that this one was adapted from; nothing if it is new."""
    start = data.get("start")
    if not isinstance(start, Mapping):
        return []
    lines = [
        "## Adapted from",
        "",
        f"The training started from the model {escape(start['name'])} (sha256 of its manifest: "
        f"`{start['manifest_sha256']}`).",
        f"That model was trained on {_list_publications(start.get('data', {}))}.",
    ]
    change, before, after = data.get("change"), metrics.get("validation before"), metrics.get("validation")
    if change and before and after:
        low, high = (100 * change["difference_interval"][end] for end in ("low", "high"))
        lines += [
            f"It gets {before['accuracy']:.2%} of the validation reviews right, and this one {after['accuracy']:.2%}: "
            f"{100 * change['difference']:+.2f} points,",
            f"95 % interval {low:+.2f} to {high:+.2f}. Only this model gets {change['only_first_right']:,} of them "
            f"right, and only that model {change['only_second_right']:,}:",
            f"p = {change['mcnemar_p']:.3g} by McNemar's exact test.",
        ]
    return [*lines, ""]


def describe_limits(data: Mapping[str, Any]) -> list[str]:
    """Returns the section about what the model is not for."""
    if _is_imdb_alone(data):
        kinds = [
            "- The model is for English film reviews with a clear opinion: at most 4 or at least 7 points of 10.",
            "  It scores other kinds of text, neutral texts, irony and very short texts less well.",
            "  No figure above was measured on those.",
        ]
    else:
        kinds = [
            "- The model is for English reviews with a clear opinion, of the kinds that are named under Data.",
            "  It scores other kinds of text, neutral texts, irony and very short texts less well.",
            "  Measure it on your own texts before you rely on it: `sentscore-train evaluate MODEL --table FILE`.",
        ]
    return [
        "## Limits",
        "",
        *kinds,
        "- Of a text with more than 8,192 tokens, only the first and the last 4,096 are scored.",
        "- A score says how positive the wording is. Do not use it to decide about people.",
        "",
    ]


def _describe_teachers(accuracies: Mapping[str, Mapping[str, float] | float]) -> list[str]:
    """Returns a table of the teachers' accuracies on the validation reviews of each source; nothing without teachers.

    Models of format 1 have one accuracy for each teacher, which no table is made of.
    """
    found = {name: each for name, each in accuracies.items() if isinstance(each, Mapping)}
    if not found:
        return []
    sources = list(dict.fromkeys(source for each in found.values() for source in each))
    rows = [
        [name, *(f"{each[source]:.2%}" if source in each else "" for source in sources)] for name, each in found.items()
    ]
    return [
        "### Teachers",
        "",
        "The reviews without a label were learned from by the joint opinion (`all`) of these models.",
        "Their accuracies on the validation reviews, from which none of them took its weights. The models' epochs and",
        "the shares of the teachers in the joint opinion were chosen by these reviews:",
        "",
        "| teacher | " + " | ".join(map(escape, sources)) + " |",
        "|---|" + "---|" * len(sources),
        *("| " + " | ".join(map(escape, row)) + " |" for row in rows),
        "",
    ]


def source_names(data: Mapping[str, Any]) -> list[str]:
    """Returns the names of the sources; models of format 1 have one."""
    return [str(source["name"]) for source in _sources(data)] or [str(data.get("name", ""))]


def list_items(values: Mapping[str, object]) -> list[str]:
    """Returns a line for each value."""
    return [f"- {name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]


def _sources(data: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Returns the facts of each source; models of format 1 have none."""
    sources: Sequence[Mapping[str, Any]] = data.get("sources", ())
    return sources


def _is_imdb_alone(data: Mapping[str, Any]) -> bool:
    """Whether the model is of format 1 and was trained on IMDB, as are those that came with the package."""
    return not _sources(data) and data.get("name") == "IMDB"


def _list_publications(data: Mapping[str, Any]) -> str:
    """Returns the sources of a model in words."""
    if _is_imdb_alone(data):
        return f"IMDB ({IMDB.title}; {IMDB.citation})"
    named = [
        f"{escape(str(source['name']))} ({source['title']}; {source['citation']})"
        if "title" in source
        else escape(str(source["name"]))
        for source in _sources(data)
    ]
    return ", ".join(named) or escape(str(data.get("name", "reviews that its manifest does not name")))
