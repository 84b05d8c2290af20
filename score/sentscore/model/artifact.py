"""Finds and verifies model artifacts: one folder with a graph, a vocabulary and a manifest.

lstm/model.onnx  lstm/model.int8.onnx  lstm/model.fp16.onnx  lstm/vocab.json  lstm/manifest.json  lstm/README.md
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from sentscore.errors import ArtifactError
from sentscore.model.options import PRECISIONS, Precision

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
            ArtifactError: It is not JSON, its format version is unknown, or a field is missing.
        """
        try:
            values: dict[str, Any] = json.loads(content)
            version = values["format_version"]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{file}: not a manifest ({error!r}): export the model again") from error
        if version != FORMAT_VERSION:
            raise ArtifactError(
                f"{file}: format version {version!r}, but this sentscore reads {FORMAT_VERSION}: "
                "update sentscore or export the model again"
            )
        try:
            values["files"] = {name: FileEntry(**entry) for name, entry in values["files"].items()}
            values.setdefault("precisions", {})  # manifests of models that have float32 alone may lack it
            return cls(**{each.name: values[each.name] for each in fields(cls)})
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"{file}: not a manifest ({error!r}): export the model again") from error


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
    if (path / LAYOUT.manifest).is_file():
        return path
    names = ", ".join(shipped) or "none"
    if path.is_dir():
        raise ArtifactError(f"{path}: a folder without {LAYOUT.manifest}: name an exported model")
    raise ArtifactError(f"model {str(name_or_path)!r}: no such model: use one of {names}, or an artifact's folder")


def load_artifact(name_or_path: str | Path) -> Artifact:
    """Reads an artifact and verifies the sha256 of its files. They are read once, so what is returned was verified.

    Raises:
        ArtifactError: The model is missing, was changed since its export, or has an unknown format version.
    """
    folder = locate_artifact(name_or_path)
    content = _read(folder / LAYOUT.manifest)
    manifest = Manifest.from_json(content, file=folder / LAYOUT.manifest)
    for required in (LAYOUT.model, LAYOUT.vocabulary):
        if required not in manifest.files:
            raise ArtifactError(f"{folder / LAYOUT.manifest}: does not list {required}: export the model again")
    files: dict[str, bytes] = {}
    for name, expected in manifest.files.items():
        if Path(name).name != name:
            raise ArtifactError(f"{folder / LAYOUT.manifest}: {name!r} is not a plain file name: export again")
        files[name] = _read(folder / name)
        found = FileEntry.from_content(files[name])
        if found != expected:
            raise ArtifactError(
                f"{folder / name}: sha256 {found.sha256[:12]}… of {found.size:,} bytes, the manifest says "
                f"{expected.sha256[:12]}… of {expected.size:,}: restore the file or export the model again"
            )
    return Artifact(
        name=manifest.name,
        path=folder,
        manifest=manifest,
        manifest_sha256=hashlib.sha256(content).hexdigest(),
        size=sum(map(len, files.values())),
        graphs={
            precision: files[LAYOUT.graph(precision)] for precision in PRECISIONS if LAYOUT.graph(precision) in files
        },
        vocabulary=files[LAYOUT.vocabulary].decode("utf-8"),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}): restore it or export again") from error
