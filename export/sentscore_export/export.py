"""Exports a run folder to an artifact folder, and writes nothing unless ONNX Runtime agrees with torch."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sentscore._version import __version__
from sentscore.errors import ArtifactError, InputError, OutputError
from sentscore.files import new_folder
from sentscore.model.artifact import FORMAT_VERSION, LAYOUT, PRECISIONS, Artifact, FileEntry, Manifest, Precision
from sentscore.scorer import Scorer
from sentscore.text.vocabulary import Vocabulary
from sentscore_export.card import model_card
from sentscore_export.graphs.build import build_graph
from sentscore_export.graphs.fp16 import half_graph
from sentscore_export.parity import Parity, ParityConfig, compare
from sentscore_export.precision import check_precision
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.evaluation.evaluate import LabelledReviews, evaluate, manifest_metrics
from sentscore_train.evaluation.metrics import measure
from sentscore_train.models.classifier import Architecture, SentimentClassifier
from sentscore_train.models.weights import load_tensors
from sentscore_train.training import checkpoint

Report = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_PLOT = "curves.svg"


class ParityError(ArtifactError):
    """ONNX Runtime's logits differ from torch's by more than the tolerance."""


@dataclass(frozen=True)
class Checkpoint:
    """A run folder's best epoch, as the training wrote it.

    Attributes:
        folder: it came from.
        model: the torch module with its weights.
        tensors: the same weights under the checkpoint's names.
        vocabulary: the text of vocab.json.
        content: of best.json.
    """

    folder: Path
    model: SentimentClassifier
    tensors: dict[str, torch.Tensor]
    vocabulary: str
    content: dict[str, Any]

    @property
    def temperature(self) -> float:
        """Of the probability; 1 where none was fitted."""
        return float(self.content.get("temperature", 1.0))


def read_checkpoint(folder: Path) -> Checkpoint:
    """Reads a run folder and verifies that its weights, architecture and vocabulary belong together.

    Raises:
        InputError: a file is missing or damaged, or they do not fit each other.
    """
    if not (folder / "best.json").is_file():
        raise InputError(f"{folder}: no best.json in it: name the --run-dir of a training that finished an epoch")
    content = checkpoint.read_json(folder / "best.json")
    tensors = checkpoint.read_tensors(folder / "best.safetensors")
    try:
        vocabulary_json = (folder / "vocab.json").read_text(encoding="utf-8")
        architecture = Architecture.from_dict(content["architecture"])
        model = SentimentClassifier(architecture)
        load_tensors(model, tensors)
    except (OSError, KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{folder}: its files do not fit each other ({reason}): train again") from error
    vocabulary = Vocabulary.from_json(vocabulary_json, file=folder / "vocab.json")
    if len(vocabulary) != architecture.vocab_size:
        raise InputError(
            f"{folder}: vocab.json has {len(vocabulary):,} tokens, the weights {architecture.vocab_size:,}: train again"
        )
    return Checkpoint(folder, model, tensors, vocabulary_json, content)


def export(
    run_dir: Path,
    out_dir: Path,
    *,
    precisions: Sequence[Precision] = (),
    parity: ParityConfig | None = None,
    test: LabelledReviews | None = None,
    force: bool = False,
    report: Report = lambda phase, done, total: None,
) -> Manifest:
    """Writes the artifact of a run folder.

    Args:
        run_dir: what `sentscore-train` left.
        out_dir: the artifact folder; it appears whole or not at all.
        precisions: graphs to write beside the float32 one: `int8` for CPUs, `fp16` for GPUs.
        parity: what is compared; None takes the defaults.
        test: reviews whose accuracy goes into the manifest.
        force: replace an artifact that is there.
        report: called as the work goes on.

    Raises:
        InputError: the checkpoint cannot be read, or a test review has no text.
        ParityError: ONNX Runtime differs from torch; nothing is written.
        BatchDependenceError: a score depends on the batch; nothing is written.
        OutputError: the folder is there already, or cannot be written.
    """
    if out_dir.exists() and not force:
        raise OutputError(f"{out_dir}: exists already: replace it with --force or name another folder")
    parity = parity or ParityConfig()
    source = read_checkpoint(run_dir)
    chosen = tuple(precision for precision in PRECISIONS if precision == "fp32" or precision in precisions)
    vocabulary_file = FileEntry.of(source.vocabulary.encode("utf-8"))
    graphs: dict[Precision, bytes] = {}
    for precision in chosen:  # float32 first
        graphs[precision] = _graph(source, vocabulary_file, precision, graphs.get("fp32"))
    artifact = _in_memory(source, graphs, vocabulary_file, out_dir)
    validation = checkpoint.read_validation(run_dir)
    found = compare(
        source.model,
        artifact,
        temperature=source.temperature,
        reviews=validation.encoded,
        config=parity,
        progress=lambda done, total: report("comparing with torch", done, total),
    )
    if not found.worst_logit <= parity.tolerance:  # also when it is NaN
        raise ParityError(
            f"{run_dir}: a logit of the exported graph is {found.worst_logit:.2e} off torch's, "
            f"{parity.tolerance:.0e} is allowed: nothing was written; check the versions of torch and onnxruntime"
        )
    metrics = {**artifact.manifest.metrics, **_validated(artifact, validation)}
    further: dict[Precision, dict[str, Any]] = {}
    for precision in chosen:
        if precision != "fp32":
            report(f"comparing {precision} with fp32", 0, 1)
            further[precision] = asdict(check_precision(artifact, precision, validation))
            report(f"comparing {precision} with fp32", 1, 1)
    if test is not None:
        results = {precision: _evaluated(artifact, test, precision, report) for precision in chosen}
        metrics["test"] = results.pop("fp32")
        further = {precision: {**further[precision], "test": result} for precision, result in results.items()}
    manifest = replace(artifact.manifest, metrics=metrics, parity=_parity_entry(found, parity), precisions=further)
    manifest = Manifest.from_json(manifest.to_json().encode("utf-8"))  # what a reader will see: lists, no tuples
    files = {
        **{LAYOUT.graph(precision): content for precision, content in artifact.graphs.items()},
        LAYOUT.vocabulary: source.vocabulary.encode("utf-8"),
        LAYOUT.manifest: manifest.to_json().encode("utf-8"),
        LAYOUT.card: model_card(manifest, has_plot=(run_dir / _PLOT).is_file()).encode("utf-8"),
    }
    if (run_dir / _PLOT).is_file():
        files[f"plots/{_PLOT}"] = (run_dir / _PLOT).read_bytes()
    with new_folder(out_dir, replace=force) as folder:
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    return manifest


def _graph(source: Checkpoint, vocabulary: FileEntry, precision: Precision, fp32: bytes | None) -> bytes:
    if precision == "fp16" and fp32 is not None:
        half: bytes = half_graph(fp32, LAYOUT.model).SerializeToString(deterministic=True)
        return half
    graph = build_graph(
        source.model.architecture,
        {name: tensor.numpy() for name, tensor in source.tensors.items()},
        temperature=source.temperature,
        metadata={
            "format_version": str(FORMAT_VERSION),
            "name": source.model.architecture.name,
            "vocabulary_sha256": vocabulary.sha256,
        },
        precision=precision,
    )
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _validated(artifact: Artifact, validation: LabelledTexts) -> dict[str, Any]:
    """The metrics of the validation reviews; nothing where they are not of both classes."""
    rows = np.flatnonzero(validation.encoded.lengths)
    encoded, labels = validation.encoded.take(rows), validation.labels[rows].astype(np.int8)
    if len(np.unique(labels)) < 2:
        return {}
    scores = Scorer(artifact, device="cpu", precision="fp32").score_encoded(encoded)
    temperature = artifact.manifest.calibration["temperature"]
    return {"validation": manifest_metrics(measure(scores, labels, encoded.lengths, temperature=temperature))}


def _evaluated(artifact: Artifact, reviews: LabelledReviews, precision: Precision, report: Report) -> dict[str, Any]:
    scorer = Scorer(artifact, device="cpu", precision=precision)
    phase = f"scoring the test set in {precision}"
    found = evaluate(artifact.name, scorer, reviews, lambda progress: report(phase, progress.done, progress.total))
    return manifest_metrics(found.metrics)


def _in_memory(source: Checkpoint, graphs: dict[Precision, bytes], vocabulary: FileEntry, out_dir: Path) -> Artifact:
    content = source.content
    metrics = content["metrics"]
    manifest = Manifest(
        name=source.model.architecture.name,
        files={
            **{LAYOUT.graph(precision): FileEntry.of(content) for precision, content in graphs.items()},
            LAYOUT.vocabulary: vocabulary,
        },
        architecture=asdict(source.model.architecture),
        data=content["data"],
        recipe={"preset": content["preset"], **content["recipe"]},
        metrics=metrics,
        calibration={"temperature": source.temperature, "fitted_on": "validation"},
        parity={},
        versions=_versions(),
        commit=_commit(),
    )
    return Artifact(
        name=manifest.name,
        path=out_dir,
        manifest=manifest,
        manifest_sha256=hashlib.sha256(manifest.to_json().encode("utf-8")).hexdigest(),
        size=sum(map(len, graphs.values())) + vocabulary.size,
        graphs=graphs,
        vocabulary=source.vocabulary,
    )


def _parity_entry(found: Parity, config: ParityConfig) -> dict[str, Any]:
    return {**asdict(found), **{f"config_{name}": value for name, value in asdict(config).items()}}


def _versions() -> dict[str, str]:
    names = ("torch", "onnx", "onnxruntime-gpu", "onnxruntime", "numpy", "spacy", "pyarrow")
    found = {"python": platform.python_version(), "sentscore": __version__}
    for name in names:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def _commit() -> str:
    """The commit of the checkout that this code stands in; empty outside of one."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
