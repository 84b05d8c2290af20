"""Measures an artifact on the validation and the test reviews, as its manifest says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from sentscore.model.artifact import Artifact
from sentscore.model.engine import Engine
from sentscore.model.options import ModelOptions, Precision
from sentscore.progress import Report
from sentscore.scorer import Scorer
from sentscore_export.checkpoint import Checkpoint
from sentscore_train.evaluation.evaluate import evaluate, group_reviews, manifest_groups, manifest_metrics
from sentscore_train.evaluation.examples import find_errors
from sentscore_train.evaluation.groups import measure_groups
from sentscore_train.evaluation.metrics import measure
from sentscore_train.evaluation.reviews import LabelledReviews


def measure_validation(artifact: Artifact, source: Checkpoint) -> dict[str, Any]:
    """Returns the metrics of the validation reviews in float32, or nothing if they are not of both classes.

    `by` has those of each source, domain and length, and `examples` errors as quotes from reviews that are published.
    """
    validation = source.validation
    rows = np.flatnonzero(validation.encoded.lengths)
    encoded, labels = validation.encoded.take(rows), validation.labels[rows].astype(np.int8)
    if len(np.unique(labels)) < 2:
        return {}
    scores = Engine(artifact, ModelOptions(device="cpu", precision="fp32")).score_encoded(encoded)
    temperature = artifact.manifest.calibration["temperature"]
    columns = read_kinds(source.content["data"], validation.domain_ids, rows)
    groups = group_reviews(columns, encoded.lengths)
    found = {
        **manifest_metrics(measure(scores, labels, encoded.lengths, temperature=temperature)),
        "by": manifest_groups({name: measure_groups(scores, labels, each) for name, each in groups.items()}),
    }
    if source.quotable and "source" in columns:
        texts = [source.quotable[row] for row in rows]
        found["examples"] = [asdict(each) for each in find_errors(scores, labels, texts, columns["source"])]
    return found


def measure_test(artifact: Artifact, reviews: LabelledReviews, precision: Precision, report: Report) -> dict[str, Any]:
    """Returns the metrics of test reviews in a precision; `by` has those of each kind, in float32 by length too."""
    scorer = Scorer.load(artifact, device="cpu", precision=precision)
    found = evaluate(artifact.name, scorer, reviews, report)
    by = found.by if precision == "fp32" else {name: each for name, each in found.by.items() if name == "source"}
    return {**manifest_metrics(found.metrics), **({"by": manifest_groups(by)} if by else {})}


def read_kinds(
    data: Mapping[str, Any], domain_ids: npt.NDArray[np.int16] | None, rows: npt.NDArray[np.int64]
) -> dict[str, list[str]]:
    """Returns the source and the domain of each of some validation reviews [m], as far as the training told them.

    Args:
        data: The facts about the sources, in the order in which the domains are counted.
        domain_ids: The number of each review's domain [n]; None where the training told none.
        rows: The rows of the reviews.
    """
    kinds = [
        (entry["name"], domain) for entry in data.get("sources", ()) for domain in entry.get("domains", {"": None})
    ]
    if domain_ids is None or not kinds:
        return {}
    chosen = [kinds[index] for index in domain_ids[rows]]
    columns = {"source": [name for name, _ in chosen]}
    if any(domain for _, domain in chosen):
        columns["domain"] = [domain or name for name, domain in chosen]
    return columns
