"""Makes the model card of an artifact: what the model is, how good it is, and what it is not for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sentscore.model.artifact import LAYOUT, Manifest
from sentscore_export.sections.data import (
    describe_data,
    describe_limits,
    describe_start,
    list_items,
    source_names,
)
from sentscore_export.sections.markdown import escape
from sentscore_export.sections.measured import (
    describe_accuracy,
    describe_calibration,
    describe_errors,
    describe_groups,
    describe_precision,
)

TRIALS: Final = Path(__file__).with_name("trials.md")
"""A table of what was tried for the recipe, in Markdown."""

_NAMES = {"lstm": "BiLSTM", "gru": "BiGRU"}


def model_card(manifest: Manifest, *, has_plot: bool) -> str:
    """Returns the card in Markdown. Everything in it comes from the manifest and the table of trials."""
    a, p = manifest.architecture, manifest.parity
    kind = _NAMES[a["cell"]]
    size = manifest.files[LAYOUT.model].size / 1e6
    layers = (
        f"{a['num_layers']} bidirectional layers follow" if a["num_layers"] > 1 else "A bidirectional layer follows"
    )
    pooling = " and ".join(a["pooling"])
    temperature = manifest.calibration["temperature"]
    purpose = escape(manifest.purpose)
    lines = [
        f"# sentscore {manifest.name}",
        "",
        f"A {kind} that gives the probability that an English review is positive.",
        *([purpose] if purpose else []),
        "",
        f"    sentscore file reviews.parquet --model {manifest.name}",
        "",
        *describe_accuracy(manifest),
        *(["![Loss and accuracy by epoch](plots/curves.svg)", ""] if has_plot else []),
        *describe_groups(manifest),
        *describe_errors(manifest),
        *describe_calibration(manifest),
        "## Architecture",
        "",
        f"The vocabulary has {a['vocab_size']:,} tokens. A token's embedding has {a['embedding_dim']} numbers.",
        f"{layers}, with {a['hidden_size']} units in each direction.",
        f"Their states are pooled over the tokens ({pooling}), and a linear layer gives one logit.",
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
        *(line for name in manifest.precisions for line in describe_precision(manifest, name)),
        *describe_start(manifest.data, manifest.metrics),
        *describe_data(manifest.data),
        *describe_limits(manifest.data),
        "## Recipe",
        "",
        *list_items(manifest.recipe),
        "",
        *([*TRIALS.read_text(encoding="utf-8").splitlines(), ""] if _has_trials(manifest) else []),
        "## Made with",
        "",
        *list_items(manifest.versions),
        f"- commit: {manifest.commit or 'unknown'}",
    ]
    return "\n".join(lines) + "\n"


def _has_trials(manifest: Manifest) -> bool:
    """Whether the model was made by the recipe that the trials led to, on reviews that they were measured on."""
    return manifest.recipe.get("preset") == "default" and "IMDB" in source_names(manifest.data)
