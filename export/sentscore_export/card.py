"""Writes the model card of an artifact: what it is, where its numbers come from, what it can't do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sentscore.model.artifact import LAYOUT, Manifest, Precision
from sentscore_train.evaluation.metrics import CALIBRATION_BINS

TRIALS: Final = Path(__file__).with_name("trials.md")
"""What was tried for the recipe, and what it brought."""

_NAMES = {"lstm": "BiLSTM", "gru": "BiGRU"}


def model_card(manifest: Manifest, *, has_plot: bool) -> str:
    """The Markdown text of the card, made of the manifest and of the table of trials."""
    a, m, p = manifest.architecture, manifest.metrics, manifest.parity
    kind = _NAMES[a["name"]]
    splits = {split: values for split, values in m.items() if isinstance(values, dict)}
    size = manifest.files[LAYOUT.model].size / 1e6
    plot = ["![Loss and accuracy by epoch](plots/curves.svg)", ""] if has_plot else []
    lines = [
        f"# sentscore {manifest.name}",
        "",
        f"A {kind} that gives the probability that an English review is positive.",
        "",
        f"    sentscore file reviews.parquet --model {manifest.name}",
        "",
        "## Accuracy",
        "",
        "| reviews | accuracy | 95 % interval | AUC |",
        "|---|---|---|---|",
        *(_accuracy(split, values) for split, values in splits.items()),
        "",
        "Validation reviews chose the best epoch and the temperature. The test reviews chose nothing: they were scored"
        if "test" in m
        else "Validation reviews chose the best epoch and the temperature.",
        *(["once, with the exported graph, when the model was finished."] if "test" in m else []),
        "",
        *plot,
        *_sureness(splits, manifest.calibration["temperature"]),
        "## What it is",
        "",
        f"{a['vocab_size']:,} tokens, {a['embedding_dim']} numbers a token, {a['num_layers']} bidirectional layers "
        f"of {a['hidden_size']} units a direction, {' and '.join(a['pooling'])} pooling over the tokens, one logit.",
        f"`{LAYOUT.model}` has {size:.1f} MB. "
        f"Probability = sigmoid(logit / {manifest.calibration['temperature']:.4f}).",
        "A text's score does not depend on the texts beside it, on the batch or on the padding.",
        "",
        "## Agreement with torch",
        "",
        f"Worst absolute difference of a logit {p['worst_logit']:.2e}, of a probability "
        f"{p['worst_probability']:.2e}, over {p['batches']:,} batches of {p['texts']:,} texts "
        f"({p['real_texts']:,} real reviews, the others random ids), batches of 1 to {p['config_max_batch']}, "
        f"1 to {p['config_max_tokens']:,} tokens, padding of random ids, float32 on a CPU.",
        "",
        *(line for name in manifest.precisions for line in _precision(manifest, name)),
        "## Data",
        "",
        *_listing(manifest.data),
        "",
        "The Large Movie Review Dataset (Maas et al. 2011, Learning Word Vectors for Sentiment Analysis).",
        "",
        "## Limits",
        "",
        "- English film reviews with a clear opinion (at most 4 or at least 7 points of 10). Other kinds of text,",
        "  neutral texts, irony and very short texts are scored less well, and no figure above speaks for them.",
        "- Of texts with more than 8,192 tokens the first and last 4,096 are scored.",
        "- A score says how positive the wording is. Don't decide about people by it.",
        "",
        "## Recipe",
        "",
        *_listing(manifest.recipe),
        "",
        *([*TRIALS.read_text(encoding="utf-8").splitlines(), ""] if manifest.recipe.get("preset") == "default" else []),
        "## Made with",
        "",
        *_listing(manifest.versions),
        f"- commit: {manifest.commit or 'unknown'}",
    ]
    return "\n".join(lines) + "\n"


def _accuracy(split: str, values: Mapping[str, Any]) -> str:
    interval = "{:.2%} to {:.2%}".format(*values["accuracy_interval"]) if "accuracy_interval" in values else ""
    auc = f"{values['auc']:.4f}" if "auc" in values else ""
    return f"| {split} | {values['accuracy']:.2%} | {interval} | {auc} |"


def _sureness(splits: Mapping[str, Mapping[str, Any]], temperature: float) -> list[str]:
    """How honest the probabilities are, before and after the temperature."""
    rows = []
    for split, values in splits.items():
        if "uncalibrated" in values:
            for at, found in ((1.0, values["uncalibrated"]), (temperature, values)):
                rows.append(f"| {split} | {at:.4f} | {found['loss']:.4f} | {found['brier']:.4f} | {found['ece']:.4f} |")
    if not rows:
        return []
    return [
        "## How sure it is",
        "",
        "| reviews | temperature | log loss, nats | Brier score | calibration error |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "Calibration error: the mean distance between the probability and the share that is positive, over "
        f"{CALIBRATION_BINS} bins of equal mass. The temperature was fitted on validation.",
        "",
    ]


def _precision(manifest: Manifest, precision: Precision) -> list[str]:
    measured = manifest.precisions[precision]
    rows = [f"| validation | {measured['accuracy']:.2%} | {measured['accuracy_fp32']:.2%} |"]
    if "test" in measured:
        rows.append(f"| test | {measured['test']['accuracy']:.2%} | {manifest.metrics['test']['accuracy']:.2%} |")
    file = LAYOUT.graph(precision)
    size = manifest.files[file].size
    notes = {
        "int8": f"`{file}` has {size / 1e6:.1f} MB; its scores do not depend on the batch either.",
        "fp16": f"`{file}` has {size / 1e3:.1f} kB: it rounds the weights of `{LAYOUT.model}`. It is meant for GPUs. "
        "These figures are of a CPU, which computes in float32 from the rounded weights.",
    }
    return [
        f"## {precision}",
        "",
        f"| reviews | {precision} accuracy | float32 accuracy |",
        "|---|---|---|",
        *rows,
        "",
        f"A probability is off by {measured['mean_difference']:.5f} on average and by "
        f"{measured['worst_difference']:.4f} at most, and {measured['same_sentiment']:.2%} of the "
        f"{measured['reviews']:,} validation reviews keep their sentiment.",
        notes[precision],
        "",
    ]


def _listing(values: Mapping[str, object]) -> list[str]:
    return [f"- {name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]
