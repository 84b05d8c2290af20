"""Makes the model card of an artifact: what the model is, how good it is, and what it is not for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sentscore.model.artifact import LAYOUT, Manifest
from sentscore.model.options import Precision
from sentscore_train.evaluation.metrics import CALIBRATION_BINS

TRIALS: Final = Path(__file__).with_name("trials.md")
"""A table of what was tried for the recipe, in Markdown."""

_NAMES = {"lstm": "BiLSTM", "gru": "BiGRU"}


def model_card(manifest: Manifest, *, has_plot: bool) -> str:
    """Returns the card in Markdown. Everything in it comes from the manifest and the table of trials."""
    a, m, p = manifest.architecture, manifest.metrics, manifest.parity
    kind = _NAMES[a["name"]]
    splits = {split: values for split, values in m.items() if isinstance(values, dict)}
    size = manifest.files[LAYOUT.model].size / 1e6
    temperature = manifest.calibration["temperature"]
    chosen = ["The best epoch and the temperature were chosen on the validation reviews."]
    if "test" in m:
        chosen += [
            "Nothing was chosen on the test reviews.",
            "They were scored once, with the exported graph, when the model was finished.",
        ]
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
        *(_accuracy_row(split, values) for split, values in splits.items()),
        "",
        *chosen,
        "",
        *plot,
        *_describe_calibration(splits, temperature),
        "## Architecture",
        "",
        f"The vocabulary has {a['vocab_size']:,} tokens. A token's embedding has {a['embedding_dim']} numbers.",
        f"{a['num_layers']} bidirectional layers follow, with {a['hidden_size']} units in each direction.",
        f"Their states are pooled over the tokens ({' and '.join(a['pooling'])}), and a linear layer gives one logit.",
        "",
        f"`{LAYOUT.model}` has {size:.1f} MB.",
        f"The probability is sigmoid(logit / {temperature:.4f}).",
        "A text's score does not depend on the other texts, the batch or the padding.",
        "",
        "## Agreement with torch",
        "",
        f"ONNX Runtime and torch were compared in float32 on a CPU: {p['batches']:,} batches, {p['texts']:,} texts.",
        f"{p['real_texts']:,} of the texts are real reviews, and the others are random ids.",
        f"A batch has 1 to {p['config_max_batch']} texts, and a text has 1 to {p['config_max_tokens']:,} tokens. "
        "The padding is random ids.",
        f"The worst absolute difference is {p['worst_logit']:.2e} for a logit and {p['worst_probability']:.2e} for a "
        "probability.",
        "",
        *(line for name in manifest.precisions for line in _describe_precision(manifest, name)),
        "## Data",
        "",
        *_list_items(manifest.data),
        "",
        "The reviews are from the Large Movie Review Dataset",
        "(Maas et al. 2011, Learning Word Vectors for Sentiment Analysis).",
        "",
        "## Limits",
        "",
        "- The model is for English film reviews with a clear opinion: at most 4 or at least 7 points of 10.",
        "  It scores other kinds of text, neutral texts, irony and very short texts less well.",
        "  No figure above was measured on those.",
        "- Of a text with more than 8,192 tokens, only the first and the last 4,096 are scored.",
        "- A score says how positive the wording is. Do not use it to decide about people.",
        "",
        "## Recipe",
        "",
        *_list_items(manifest.recipe),
        "",
        *([*TRIALS.read_text(encoding="utf-8").splitlines(), ""] if manifest.recipe.get("preset") == "default" else []),
        "## Made with",
        "",
        *_list_items(manifest.versions),
        f"- commit: {manifest.commit or 'unknown'}",
    ]
    return "\n".join(lines) + "\n"


def _accuracy_row(split: str, values: Mapping[str, Any]) -> str:
    interval = "{:.2%} to {:.2%}".format(*values["accuracy_interval"]) if "accuracy_interval" in values else ""
    auc = f"{values['auc']:.4f}" if "auc" in values else ""
    return f"| {split} | {values['accuracy']:.2%} | {interval} | {auc} |"


def _describe_calibration(splits: Mapping[str, Mapping[str, Any]], temperature: float) -> list[str]:
    """Returns the section about the probabilities before and after the temperature."""
    rows = []
    for split, values in splits.items():
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


def _describe_precision(manifest: Manifest, precision: Precision) -> list[str]:
    measured = manifest.precisions[precision]
    rows = [f"| validation | {measured['accuracy']:.2%} | {measured['accuracy_fp32']:.2%} |"]
    if "test" in measured:
        rows.append(f"| test | {measured['test']['accuracy']:.2%} | {manifest.metrics['test']['accuracy']:.2%} |")
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


def _list_items(values: Mapping[str, object]) -> list[str]:
    return [f"- {name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]
