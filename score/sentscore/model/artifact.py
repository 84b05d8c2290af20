"""Finds and verifies model artifacts: one folder with a graph, a vocabulary and a manifest.

lstm/model.onnx  lstm/model.int8.onnx  lstm/model.fp16.onnx  lstm/vocab.json  lstm/manifest.json  lstm/README.md
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from sentscore.errors import ArtifactError, shorten
from sentscore.model.graph_check import check_graph
from sentscore.model.options import PRECISIONS, Precision

if TYPE_CHECKING:
    from sentscore.text.vocabulary import Vocabulary

FORMAT_VERSION: Final = 1
"""The version of manifest.json, and of the graph's inputs and outputs."""


@dataclass(frozen=True)
class Layout:
    """The file names inside an artifact folder."""

    model: str = "model.onnx"
    model_int8: str = "model.int8.onnx"
    model_fp16: str = "model.fp16.onnx"
    vocabulary: str = "vocab.json"
    manifest: str = "manifest.json"
    card: str = "README.md"

    def graph(self, precision: Precision) -> str:
        """Returns the file name of the graph in a precision."""
        return {"fp32": self.model, "int8": self.model_int8, "fp16": self.model_fp16}[precision]


LAYOUT: Final = Layout()

_POOLINGS: Final = {"max", "mean", "last"}
_LONGEST_NAME: Final = 100
_LARGEST_MANIFEST: Final = 16 << 20  # bytes; those that the exporter writes have 6,000
_LARGEST_FILE: Final = (1 << 31) - 1  # bytes; ONNX's format takes no more


@dataclass(frozen=True)
class FileEntry:
    """What the manifest says about a file: its sha256 in hexadecimal and its size in bytes."""

    sha256: str
    size: int

    @classmethod
    def from_content(cls, content: bytes) -> FileEntry:
        """Returns the entry of a file with this content."""
        return cls(hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True)
class Manifest:
    """The content of manifest.json.

    Attributes:
        name: The model's name, for example `lstm`.
        files: The entry of every other file that scoring reads, by its name.
        architecture: The cell, the sizes and the pooling.
        data: What the model was trained on: sizes, split, seed.
        recipe: Every number of the training.
        metrics: Accuracy and loss by split; `metrics["test"]["accuracy"]` is a share.
        calibration: The temperature in the graph and what it was fitted on.
        parity: How far ONNX Runtime was from torch at the export.
        versions: The versions of the libraries that made the artifact.
        commit: The commit of the code that made it, or an empty text.
        precisions: How the scores of each further graph on the validation reviews compare with those in fp32.
        format_version: The version of this format.
    """

    name: str
    files: dict[str, FileEntry]
    architecture: dict[str, Any]
    data: dict[str, Any]
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    calibration: dict[str, Any]
    parity: dict[str, Any]
    versions: dict[str, str]
    commit: str = ""
    precisions: dict[Precision, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Returns the content of manifest.json."""
        content = asdict(self)
        ordered = {"format_version": content.pop("format_version"), **content}
        return json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes, *, file: Path | str = LAYOUT.manifest) -> Manifest:
        """Reads what `to_json` wrote.

        Raises:
            ArtifactError: It is not JSON, its format version is unknown, or a field is missing or of another kind.
        """
        try:
            values: dict[str, Any] = json.loads(content)
            version = values["format_version"]
            if version != FORMAT_VERSION or isinstance(version, (bool, float)):
                raise ArtifactError(
                    f"{file}: format version {shorten(version)}, but this sentscore reads {FORMAT_VERSION}: "
                    "update sentscore or export the model again"
                )
            values.setdefault("precisions", {})  # manifests of models that have float32 alone may lack it
            json.dumps(values, ensure_ascii=False).encode("utf-8")  # fails on half a character
            _check_values(values)
            values["files"] = {
                name: FileEntry(entry["sha256"], entry["size"]) for name, entry in values["files"].items()
            }
            return cls(**{each.name: values[each.name] for each in fields(cls)})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ArtifactError(
                f"{file}: not a manifest ({type(error).__name__}: {error}): export the model again"
            ) from error


def _check_values(values: dict[str, Any]) -> None:
    """Checks the values of a manifest that anything here relies on.

    Raises:
        ValueError: A value is not what it should be.
    """

    def check(valid: bool, name: str, value: object) -> None:
        if not valid:
            raise ValueError(f"{name} {shorten(value)}")

    name, files, architecture, precisions = (values[key] for key in ("name", "files", "architecture", "precisions"))
    check(isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and name.isprintable(), "name", name)
    for key in ("data", "recipe", "metrics", "calibration", "parity", "versions"):
        check(isinstance(values[key], dict), key, values[key])
    check(isinstance(values["commit"], str), "commit", values["commit"])
    check(all(isinstance(version, str) for version in values["versions"].values()), "versions", values["versions"])
    for file, entry in files.items():
        if PurePath(file).name != file or not file.isprintable():
            raise ValueError(f"{shorten(file)} is not a plain file name")
        size = entry["size"]
        check(_is_whole(size, least=0) and size <= _LARGEST_FILE, f"size of {shorten(file)}", size)
        check(bool(re.fullmatch("[0-9a-f]{64}", entry["sha256"])), f"sha256 of {shorten(file)}", entry["sha256"])
    check(architecture["name"] in ("lstm", "gru"), "architecture", architecture["name"])
    for key in ("vocab_size", "embedding_dim", "hidden_size", "num_layers"):
        check(_is_whole(architecture[key], least=1), key, architecture[key])
    pooling = architecture["pooling"]
    check(isinstance(pooling, list) and bool(pooling) and set(pooling) <= _POOLINGS, "pooling", pooling)
    check(isinstance(precisions, dict) and set(precisions) <= set(PRECISIONS), "precisions", precisions)
    for precision, measured in precisions.items():
        for key in ("accuracy", "accuracy_fp32"):
            check(_is_number(measured[key]), f"{key} of {precision}", measured[key])


def _is_whole(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True)
class Artifact:
    """A verified artifact.

    Attributes:
        name: The model's name.
        path: The artifact's folder.
        manifest: The content of manifest.json.
        manifest_sha256: The sha256 of manifest.json in hexadecimal. It stands for the whole artifact, since the
            manifest holds the sha256 of every other file.
        size: The size of the files that scoring reads, in bytes.
        graphs: The verified bytes of the graph in each precision that the model has.
        vocabulary: The verified text of vocab.json.
    """

    name: str
    path: Path
    manifest: Manifest
    manifest_sha256: str
    size: int
    graphs: dict[Precision, bytes]
    vocabulary: str

    @property
    def vocabulary_sha256(self) -> str:
        """The sha256 of vocab.json in hexadecimal: models in which it is equal have the same token ids."""
        return self.manifest.files[LAYOUT.vocabulary].sha256

    def read_vocabulary(self) -> Vocabulary:
        """Returns the vocabulary.

        Raises:
            ArtifactError: It is damaged, of another version, or not the one that the manifest describes.
        """
        from sentscore.text.vocabulary import Vocabulary

        file = self.path / LAYOUT.vocabulary
        vocabulary = Vocabulary.from_json(self.vocabulary, file=file)
        expected = self.manifest.architecture["vocab_size"]
        if len(vocabulary) != expected:
            raise ArtifactError(f"{file}: {len(vocabulary):,} tokens, the manifest says {expected:,}: export again")
        return vocabulary


def artifacts_folder() -> Path:
    """Returns the folder of the shipped artifacts: in the installed package, or in the checkout of an editable one."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "artifacts"
    return installed if installed.is_dir() else package.parent.parent / "artifacts"


def find_artifacts() -> list[Path]:
    """Returns the folders of the shipped artifacts, in order of their names."""
    return sorted(manifest.parent for manifest in artifacts_folder().glob(f"*/{LAYOUT.manifest}"))


def locate_artifact(name_or_path: str | Path) -> Path:
    """Returns the folder of a model, given by the name of a shipped one or by its path.

    Raises:
        ArtifactError: There is no such model.
    """
    shipped = {path.name: path for path in find_artifacts()}
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    try:
        if str(name_or_path) and (path / LAYOUT.manifest).exists():
            return path
        is_folder = str(name_or_path) != "" and path.is_dir()
    except (OSError, ValueError) as error:
        raise ArtifactError(f"model {str(name_or_path)!r}: cannot be read ({error}): name another folder") from error
    names = ", ".join(shipped) or "none"
    if is_folder:
        raise ArtifactError(f"{path}: a folder without {LAYOUT.manifest}: name an exported model")
    raise ArtifactError(f"model {str(name_or_path)!r}: no such model: use one of {names}, or an artifact's folder")


def load_artifact(name_or_path: str | Path) -> Artifact:
    """Reads an artifact and verifies the sha256 of its files. They are read once, so what is returned was verified.

    Raises:
        ArtifactError: The model is missing, was changed since its export, or is none that sentscore exported.
    """
    folder = locate_artifact(name_or_path)
    content = _read(folder / LAYOUT.manifest)
    manifest = Manifest.from_json(content, file=folder / LAYOUT.manifest)
    for required in (LAYOUT.model, LAYOUT.vocabulary):
        if required not in manifest.files:
            raise ArtifactError(f"{folder / LAYOUT.manifest}: does not list {required}: export the model again")
    files = {name: _read(folder / name, expected) for name, expected in manifest.files.items()}
    graphs = {precision: files[LAYOUT.graph(precision)] for precision in PRECISIONS if LAYOUT.graph(precision) in files}
    for precision, graph in graphs.items():
        check_graph(
            graph,
            file=folder / LAYOUT.graph(precision),
            tokens=manifest.architecture["vocab_size"],
            weights={LAYOUT.model: len(graphs["fp32"])} if precision == "fp16" else None,
        )
    try:
        vocabulary = files[LAYOUT.vocabulary].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{folder / LAYOUT.vocabulary}: not UTF-8 ({error}): export the model again") from error
    return Artifact(
        name=manifest.name,
        path=folder,
        manifest=manifest,
        manifest_sha256=hashlib.sha256(content).hexdigest(),
        size=sum(map(len, files.values())),
        graphs=graphs,
        vocabulary=vocabulary,
    )


def _read(path: Path, expected: FileEntry | None = None) -> bytes:
    """Returns the content of a regular file, which is the one that the manifest lists; of the manifest, anything."""
    # Without O_NONBLOCK, to open a pipe would be to wait for who writes into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    largest = _LARGEST_MANIFEST if expected is None else expected.size
    try:
        with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - of a descriptor
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ArtifactError(f"{path}: not a regular file: restore it or export again")
            # What is larger than it should be is refused before it is read.
            content = file.read(largest + 1) if status.st_size <= largest else b""
            size = max(status.st_size, len(content))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArtifactError(f"{path}: cannot be read ({reason}): restore it or export again") from error
    if size > largest or (expected is not None and size != expected.size):
        raise ArtifactError(
            f"{path}: {size:,} bytes, where {largest:,} are expected: restore the file or export the model again"
        )
    found = FileEntry.from_content(content)
    if expected is not None and found != expected:
        raise ArtifactError(
            f"{path}: sha256 {found.sha256[:12]}…, the manifest says {expected.sha256[:12]}…: "
            "restore the file or export the model again"
        )
    return content
