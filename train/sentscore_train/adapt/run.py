"""Makes a model of a user's own: from an exported model and labelled reviews to another exported model.

    sentscore-train adapt lstm --table reviews.parquet --label stars --output models/mine

The training leaves its checkpoints in a run folder, from which `sentscore-export` makes the artifact in a process of
its own. A run that was killed carries on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from sentscore.model.artifact import Artifact, load_artifact
from sentscore.progress import Report, silent
from sentscore_train.adapt.config import AdaptConfig
from sentscore_train.adapt.job import Job, check_output
from sentscore_train.adapt.prepare import Adaptation, prepare_adaptation
from sentscore_train.adapt.report import Change, measure_change
from sentscore_train.data.cache import hash_texts
from sentscore_train.data.corpus import Source
from sentscore_train.evaluation.evaluate import manifest_metrics
from sentscore_train.evaluation.metrics import to_probabilities
from sentscore_train.evaluation.plots import plot_history
from sentscore_train.models.classifier import SentimentClassifier
from sentscore_train.models.weights import load_tensors
from sentscore_train.release import Stage, hold, run_stage
from sentscore_train.training import checkpoint
from sentscore_train.training.loop import predict, train
from sentscore_train.training.run_folder import RESUME

_SETTINGS: Final = "adapt.json"
_MAY_DIFFER: Final = {"checkpoint_every_s"}


def adapt(
    job: Job,
    labelled: Sequence[Source],
    unlabelled: Sequence[Source],
    config: AdaptConfig,
    *,
    device: torch.device,
    report: Report = silent,
    announce: Callable[[Stage], None] = lambda stage: None,
) -> Change:
    """Trains from the model of a job on the reviews, exports the result, and returns what that changed.

    Args:
        job: What is adapted to what.
        labelled: The user's reviews. Those without a label among them count as unlabelled.
        unlabelled: Further reviews, which count as unlabelled.
        config: The numbers of the adaptation.
        device: The device to train on.
        report: The function that is told how far each step is.
        announce: The function that is called before the export with its stage.

    Raises:
        InputError: There is too little to learn from, or a checkpoint cannot be read.
        ArtifactError: The model to start from is missing or damaged.
        UsageError: The run folder holds a run with other settings or other reviews, or is at work.
        OutputError: The artifact exists and is not to be replaced, or a folder cannot be written.
        StageError: The export failed.
    """
    check_output(job)
    artifact = load_artifact(job.model)
    with hold(job.run_dir, "adaptation") as descriptor:
        _claim(job, artifact, [*labelled, *unlabelled], config)
        adaptation = prepare_adaptation(artifact, labelled, unlabelled, config, device=device, report=report)
        start, data = adaptation.start, adaptation.data
        recipe = config.train_config(
            start.architecture, f"{artifact.name}@{artifact.manifest_sha256[:12]}", len(data.train)
        )
        cell = start.architecture.cell
        history = train(cell, recipe, data, job.run_dir, device=device, start=start, resume=True, report=report)
        plot_history(history, job.run_dir / "curves.svg")
        change = _finish(job.run_dir, artifact, adaptation, device, report)
        stage = export_stage(job)
        announce(stage)
        run_stage(stage, descriptor)
    return change


def export_stage(job: Job) -> Stage:
    """Returns the command that makes the artifact of a finished run."""
    arguments = [str(job.run_dir), str(job.output), "--precision", "int8"]
    if job.name is not None:
        arguments += ["--name", job.name]
    return Stage("export", "sentscore-export", (*arguments, *(["--force"] if job.force else [])), job.output)


def _claim(job: Job, artifact: Artifact, sources: Sequence[Source], config: AdaptConfig) -> None:
    """Writes down what the run is made from, or checks that the run in the folder is made from the same."""
    path = job.run_dir / _SETTINGS
    settings: dict[str, Any] = {
        "model": artifact.manifest_sha256,
        "reviews": [_hash_source(source) for source in sources],
        **asdict(config),
    }
    if job.resume and path.exists():
        checkpoint.require_same_recipe(
            job.run_dir, checkpoint.read_json(path), settings, resume=True, may_differ=_MAY_DIFFER
        )
        return
    (job.run_dir / RESUME).unlink(missing_ok=True)  # a run that is not carried on
    checkpoint.write_json(path, {"format_version": checkpoint.FORMAT_VERSION, **settings})


def _finish(run_dir: Path, artifact: Artifact, adaptation: Adaptation, device: torch.device, report: Report) -> Change:
    """Measures the kept weights beside the start's, and notes the result for the model's card."""
    content = checkpoint.read_json(run_dir / "best.json")
    held_out = adaptation.data.validation
    model = SentimentClassifier(adaptation.start.architecture)
    load_tensors(model, checkpoint.read_tensors(run_dir / "best.safetensors"))
    pad_id = adaptation.data.vocabulary.pad_id
    logits = predict(model.to(device), held_out, pad_id, device=device, report=report)
    change = measure_change(
        to_probabilities(adaptation.before).astype(np.float32),
        to_probabilities(logits / content["temperature"]).astype(np.float32),
        held_out.labels.astype(np.int8),
        held_out.encoded.lengths,
        temperatures=(adaptation.temperature, float(content["temperature"])),
    )
    before = {name: value for name, value in manifest_metrics(change.before).items() if name != "uncalibrated"}
    content["metrics"] = {**content["metrics"], "validation before": before}
    content["data"] = {**content["data"], "change": asdict(change.agreement)}
    checkpoint.write_json(run_dir / "best.json", content)
    return change


def _hash_source(source: Source) -> str:
    """Returns the sha256 of all that an adaptation takes from a source."""
    columns = [source.texts, list(map(str, source.labels)), source.groups or [], source.domains or []]
    return hash_texts(hash_texts(column) for column in columns)
