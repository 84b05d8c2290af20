"""Exports a training's run folder to an artifact folder, if ONNX Runtime agrees with torch."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sentscore._version import __version__
from sentscore.errors import OutputError, UsageError
from sentscore.files import new_folder
from sentscore.model.artifact import (
    FORMAT_VERSION,
    LAYOUT,
    LONGEST_NAME,
    LONGEST_PURPOSE,
    Artifact,
    FileEntry,
    Manifest,
)
from sentscore.model.options import PRECISIONS, Precision
from sentscore.progress import Progress, Report, silent
from sentscore.text.vocabulary import Vocabulary
from sentscore_export.card import model_card
from sentscore_export.checkpoint import Checkpoint, read_checkpoint
from sentscore_export.graphs.build import build_graph
from sentscore_export.graphs.fp16 import build_fp16_graph
from sentscore_export.measure import measure_test, measure_validation
from sentscore_export.parity import ParityConfig, ParityError, compare
from sentscore_export.precision import check_precision
from sentscore_train.evaluation.reviews import LabelledReviews

_PLOT = "curves.svg"


def export(
    run_dir: Path,
    out_dir: Path,
    *,
    name: str | None = None,
    purpose: str = "",
    precisions: Sequence[Precision] = (),
    parity: ParityConfig | None = None,
    test: LabelledReviews | None = None,
    force: bool = False,
    report: Report = silent,
) -> Manifest:
    """Writes the artifact of a run folder and returns its manifest.

    Args:
        run_dir: The folder that `sentscore-train` wrote.
        out_dir: The artifact folder. It appears whole or not at all.
        name: The artifact's name. None takes that of its folder.
        purpose: What the model is for, in one line; `sentscore models` shows it.
        precisions: The graphs to write beside the float32 one: `int8` for CPUs, `fp16` for GPUs.
        parity: Which texts are compared with torch. None takes the defaults.
        test: The reviews whose accuracy goes into the manifest.
        force: Whether to replace an artifact that exists.
        report: Called as the work goes on.

    Raises:
        InputError: The checkpoint cannot be read, or a test review has no text.
        ParityError: ONNX Runtime differs from torch. Nothing is written.
        BatchDependenceError: A score depends on the batch. Nothing is written.
        OutputError: The folder exists or cannot be written.
        UsageError: The name or the purpose is not one line of printable characters.
    """
    name = out_dir.resolve().name if name is None else name
    _check_lines(name, purpose)
    if out_dir.exists() and not force:
        raise OutputError(f"{out_dir}: exists already: replace it with --force or name another folder")
    parity = parity or ParityConfig()
    source = read_checkpoint(run_dir)
    validation = source.validation
    artifact = _build_artifact(source, name, purpose, precisions, out_dir)
    try:
        agreement = compare(source.model, artifact, reviews=validation.encoded, config=parity, report=report)
    except ParityError as error:
        error.add_note("nothing was written")
        raise
    measured = measure_validation(artifact, source)
    metrics = {**artifact.manifest.metrics, **({"validation": measured} if measured else {})}
    compared: dict[Precision, dict[str, Any]] = {}
    for precision in artifact.graphs:
        if precision != "fp32":
            phase = f"comparing {precision} with fp32"
            report(Progress(phase, 0, 1))
            compared[precision] = asdict(check_precision(artifact, precision, validation))
            report(Progress(phase, 1, 1))
    if test is not None:
        metrics["test"] = measure_test(artifact, test, "fp32", report)
        for precision, entry in compared.items():
            entry["test"] = measure_test(artifact, test, precision, report)
    parity_entry = {**asdict(agreement), **{f"config_{name}": value for name, value in asdict(parity).items()}}
    manifest = replace(artifact.manifest, metrics=metrics, parity=parity_entry, precisions=compared)
    manifest = Manifest.from_json(manifest.to_json().encode("utf-8"))  # as a reader will see it: lists, no tuples
    files = {
        **{LAYOUT.graph(precision): content for precision, content in artifact.graphs.items()},
        **{file: content.encode("utf-8") for file, content in _text_files(source.vocabulary).items()},
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


def _check_lines(name: str, purpose: str) -> None:
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
        raise UsageError(f"--name {name!r}: a name is one line of at most {LONGEST_NAME} characters: give another")
    if not (len(purpose) <= LONGEST_PURPOSE and purpose.isprintable()):
        raise UsageError(f"--purpose {purpose!r}: is one line of at most {LONGEST_PURPOSE} characters: shorten it")


def _text_files(vocabulary: Vocabulary) -> dict[str, str]:
    """Returns the contents of the files from which a text's token ids come, by their names."""
    return {LAYOUT.vocabulary: vocabulary.to_json(), LAYOUT.tokenizer: vocabulary.rules.to_json()}


def _build_artifact(
    source: Checkpoint, name: str, purpose: str, precisions: Sequence[Precision], out_dir: Path
) -> Artifact:
    """Returns the artifact in memory. Its manifest lacks what is measured on the graphs."""
    texts = _text_files(source.vocabulary)
    entries = {file: FileEntry.from_content(content.encode("utf-8")) for file, content in texts.items()}
    metadata = {
        "format_version": str(FORMAT_VERSION),
        "name": name,
        "vocabulary_sha256": entries[LAYOUT.vocabulary].sha256,
    }
    graphs: dict[Precision, bytes] = {}
    for precision in PRECISIONS:
        if precision == "fp32" or precision in precisions:
            graphs[precision] = _build_graph(source, metadata, precision, graphs.get("fp32", b""))
    manifest = Manifest(
        name=name,
        purpose=purpose,
        files={
            **{LAYOUT.graph(precision): FileEntry.from_content(graph) for precision, graph in graphs.items()},
            **entries,
        },
        architecture=asdict(source.model.architecture),
        data=source.content["data"],
        recipe={"preset": source.content["preset"], **source.content["recipe"]},
        metrics=source.content["metrics"],
        calibration={"temperature": source.temperature, "fitted_on": "validation"},
        parity={},
        versions=_read_versions(),
        commit=_read_commit(),
    )
    return Artifact(
        name=manifest.name,
        path=out_dir,
        manifest=manifest,
        manifest_sha256=hashlib.sha256(manifest.to_json().encode("utf-8")).hexdigest(),
        size=sum(entry.size for entry in manifest.files.values()),
        graphs=graphs,
        vocabulary=texts[LAYOUT.vocabulary],
        tokenizer=texts[LAYOUT.tokenizer],
    )


def _build_graph(source: Checkpoint, metadata: dict[str, str], precision: Precision, fp32: bytes) -> bytes:
    """Returns the content of a graph's file. The float16 graph is made from the float32 one."""
    if precision == "fp16":
        graph = build_fp16_graph(fp32, LAYOUT.model)
    else:
        graph = build_graph(
            source.model.architecture,
            {name: tensor.numpy() for name, tensor in source.tensors.items()},
            temperature=source.temperature,
            metadata=metadata,
            precision=precision,
        )
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _read_versions() -> dict[str, str]:
    names = ("torch", "onnx", "onnxruntime-gpu", "onnxruntime", "numpy", "spacy", "pyarrow")
    found = {"python": platform.python_version(), "sentscore": __version__}
    for name in names:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def _read_commit() -> str:
    """Returns the commit of the checkout that this code is in, or an empty text outside of one."""
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
