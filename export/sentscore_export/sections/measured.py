"""The parts of a model card that say how good the model is, and what it gets wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sentscore.model.artifact import LAYOUT, Manifest
from sentscore.model.options import Precision
from sentscore_export.sections.markdown import escape
from sentscore_train.evaluation.examples import MOST_WORDS
from sentscore_train.evaluation.metrics import CALIBRATION_BINS

_LABELS: Final = ("negative", "positive")


def describe_accuracy(manifest: Manifest) -> list[str]:
    """Returns the lines of the accuracy of each split, and of each source in it if there are several."""
    rows = []
    for split, values in _splits(manifest).items():
        sources = _groups(values, "source")
        rows.append(_accuracy_row(f"{split}, all" if sources else split, values))
        rows += [_accuracy_row(f"{split}, {name}", each) for name, each in sources.items()]
    chosen = ["The best epoch and the temperature were chosen on the validation reviews."]
    if manifest.recipe.get("keep") == "last":
        chosen = ["The temperature was fitted on the validation reviews, and nothing else was chosen by them."]
    if "test" in manifest.metrics:
        chosen += [
            "Nothing was chosen on the test reviews.",
            "They were scored once, with the exported graph, when the model was finished.",
        ]
    return [
        "## Accuracy",
        "",
        "| reviews | accuracy | 95 % interval | AUC |",
        "|---|---|---|---|",
        *rows,
        "",
        *chosen,
        "",
    ]


def describe_calibration(manifest: Manifest) -> list[str]:
    """Returns the section about the probabilities before and after the temperature; nothing if they are not known."""
    temperature = manifest.calibration["temperature"]
    rows = []
    for split, values in _splits(manifest).items():
        if "uncalibrated" in values:
            for at, found in ((1.0, values["uncalibrated"]), (temperature, values)):
                rows.append(f"| {split} | {at:.4f} | {found['loss']:.4f} | {found['brier']:.4f} | {found['ece']:.4f} |")
    if not rows:
        return []
    return [
        "## Calibration",
        "",
        "| reviews | temperature | log loss, nats | Brier score | calibration error |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "The calibration error is the mean distance between the probability and the share of positive reviews,",
        f"over {CALIBRATION_BINS} bins with the same number of reviews. The temperature was fitted on the validation "
        "reviews.",
        "",
    ]


def describe_groups(manifest: Manifest) -> list[str]:
    """Returns the section about each kind of review and each length; nothing if the manifest has no such figures.

    The figures are those of the test reviews, or of the validation reviews if there are no others.
    """
    splits = _splits(manifest)
    split = "test" if _groups(splits.get("test", {})) else "validation"
    found = _groups(splits.get(split, {}))
    if not found:
        return []
    lines = [
        "## By kind and length",
        "",
        f"These are the {split} reviews. By chance, probabilities that are exactly right would have the calibration "
        "error of the",
        "last column on so many reviews; an error about as large shows no fault.",
        "",
    ]
    for column, groups in found.items():
        lines += [
            f"| {column} | reviews | accuracy | 95 % interval | calibration error | by chance |",
            "|---|---|---|---|---|---|",
            *(
                f"| {escape(name)} | {each['reviews']:,} | {each['accuracy']:.2%} | {_interval(each)} | "
                f"{each['ece']:.4f} | {each['ece_by_chance']:.4f} |"
                for name, each in groups.items()
            ),
            "",
        ]
    return lines


def describe_errors(manifest: Manifest) -> list[str]:
    """Returns the section with examples of what the model gets wrong; nothing if the manifest has none."""
    examples = _splits(manifest).get("validation", {}).get("examples", [])
    if not examples:
        return []
    return [
        "## What it gets wrong",
        "",
        "Of the validation reviews of each source and each label, these are the error that the model is surest of and "
        "the one",
        f"that is in the middle. Of a longer review the last {MOST_WORDS} words are quoted. Some of the labels may be "
        "wrong, and not the model.",
        "",
        "| source | label | probability | quote |",
        "|---|---|---|---|",
        *(
            f"| {escape(each['source'])} | {_LABELS[each['label']]} | {each['probability']:.3f} | "
            f"{escape(each['quote'])} |"
            for each in examples
        ),
        "",
    ]


def describe_precision(manifest: Manifest, precision: Precision) -> list[str]:
    """Returns the section about a graph of lower precision."""
    measured = manifest.precisions[precision]
    rows = [f"| validation | {measured['accuracy']:.2%} | {measured['accuracy_fp32']:.2%} |"]
    if "test" in measured:
        test, test_fp32 = measured["test"], manifest.metrics["test"]
        sources = _groups(test, "source")
        rows.append(_precision_row("test, all" if sources else "test", test, test_fp32))
        in_fp32 = _groups(test_fp32, "source")
        rows += [_precision_row(f"test, {name}", each, in_fp32[name]) for name, each in sources.items()]
    file = LAYOUT.graph(precision)
    size = manifest.files[file].size
    notes = {
        "int8": [f"`{file}` has {size / 1e6:.1f} MB. Its scores do not depend on the batch either."],
        "fp16": [
            f"`{file}` has {size / 1e3:.1f} kB. It has no weights of its own and rounds those of `{LAYOUT.model}`.",
            "It is meant for GPUs.",
            "The figures above were measured on a CPU, which computes in float32 with the rounded weights.",
        ],
    }
    return [
        f"## {precision}",
        "",
        f"| reviews | {precision} accuracy | float32 accuracy |",
        "|---|---|---|",
        *rows,
        "",
        f"The probabilities of the {measured['reviews']:,} validation reviews differ from float32's by "
        f"{measured['mean_difference']:.5f} on average and by {measured['worst_difference']:.4f} at most.",
        f"{measured['same_sentiment']:.2%} of the reviews keep their sentiment.",
        *notes[precision],
        "",
    ]


def _splits(manifest: Manifest) -> dict[str, Mapping[str, Any]]:
    return {split: values for split, values in manifest.metrics.items() if isinstance(values, dict)}


def _groups(values: Mapping[str, Any], column: str = "") -> Mapping[str, Any]:
    """Returns the figures by column and group, or by group of one column; models of format 1 have none."""
    by: Mapping[str, Any] = values.get("by", {})
    return by.get(column, {}) if column else by


def _accuracy_row(name: str, values: Mapping[str, Any]) -> str:
    interval = _interval(values) if "accuracy_interval" in values else ""
    auc = f"{values['auc']:.4f}" if values.get("auc") is not None else ""
    return f"| {escape(name)} | {values['accuracy']:.2%} | {interval} | {auc} |"


def _precision_row(name: str, values: Mapping[str, Any], fp32: Mapping[str, Any]) -> str:
    return f"| {escape(name)} | {values['accuracy']:.2%} | {fp32['accuracy']:.2%} |"


def _interval(values: Mapping[str, Any]) -> str:
    return "{:.2%} to {:.2%}".format(*values["accuracy_interval"])
