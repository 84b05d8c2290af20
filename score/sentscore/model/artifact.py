"""Finds and verifies model artifacts: one folder with a graph, a vocabulary, tokenizer rules and a manifest.

lstm/model.onnx  lstm/model.int8.onnx  lstm/model.fp16.onnx
lstm/vocab.json  lstm/tokenizer.json   lstm/manifest.json  lstm/README.md
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Final

from sentscore.errors import ArtifactError, shorten
from sentscore.model.graph_check import check_graph
from sentscore.model.options import PRECISIONS, Precision

if TYPE_CHECKING:
    from sentscore.text.vocabulary import Vocabulary

FORMAT_VERSION: Final = 2
"""The version of artifacts that are made now: of manifest.json, and of the graph's inputs and outputs."""

FORMAT_VERSIONS: Final = (1, 2)
"""The versions that are read. Artifacts of version 1 have no tokenizer.json: they take the rules of this package."""


@dataclass(frozen=True)
class Layout:
    """The file names inside an artifact folder."""

    model: str = "model.onnx"
    model_int8: str = "model.int8.onnx"
    model_fp16: str = "model.fp16.onnx"
    vocabulary: str = "vocab.json"
    tokenizer: str = "tokenizer.json"
    manifest: str = "manifest.json"
    card: str = "README.md"

    def graph(self, precision: Precision) -> str:
        """Returns the file name of the graph in a precision."""
        return {"fp32": self.model, "int8": self.model_int8, "fp16": self.model_fp16}[precision]


LAYOUT: Final = Layout()

_POOLINGS: Final = {"max", "mean", "last"}
LONGEST_NAME: Final = 100
LONGEST_PURPOSE: Final = 300
_PINNED: Final = re.compile("(.*)@([0-9A-Fa-f]{7,64})", re.DOTALL)  # a model, and the digits its digest begins with
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
        name: The artifact's name, for example `lstm`.
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
        purpose: What the model is for, in one line, or an empty text.
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
    purpose: str = ""
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Returns the content of manifest.json."""
        content = asdict(self)
        if self.format_version == 1:
            del content["purpose"]
            content["architecture"] = _rename(content["architecture"], "cell", "name")
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
            if version not in FORMAT_VERSIONS or isinstance(version, (bool, float)):
                known = " and ".join(map(str, FORMAT_VERSIONS))
                raise ArtifactError(
                    f"{file}: format version {shorten(version)}, but this sentscore reads {known}: "
                    "update sentscore or export the model again"
                )
            values.setdefault("precisions", {})  # manifests of models that have float32 alone may lack it
            if version == 1:
                values["purpose"] = ""
                values["architecture"] = _rename(values["architecture"], "name", "cell")
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


def _rename(fields: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """Returns the fields with another name for one of them, in their order."""
    return {new if name == old else name: value for name, value in fields.items()}


def _check_values(values: dict[str, Any]) -> None:
    """Checks the values of a manifest that anything here relies on.

    Raises:
        ValueError: A value is not what it should be.
    """

    def check(valid: bool, name: str, value: object) -> None:
        if not valid:
            raise ValueError(f"{name} {shorten(value)}")

    name, files, architecture, precisions = (values[key] for key in ("name", "files", "architecture", "precisions"))
    check(isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable(), "name", name)
    purpose = values["purpose"]
    is_line = isinstance(purpose, str) and len(purpose) <= LONGEST_PURPOSE and (not purpose or purpose.isprintable())
    check(is_line, "purpose", purpose)
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
    check(architecture["cell"] in ("lstm", "gru"), "architecture", architecture["cell"])
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
        name: The manifest's name, or the folder's beside another model of that name.
        path: The artifact's folder.
        manifest: The content of manifest.json.
        manifest_sha256: The sha256 of manifest.json in hexadecimal. It stands for the whole artifact, since the
            manifest holds the sha256 of every other file.
        size: The size of the files that scoring reads, in bytes.
        graphs: The verified bytes of the graph in each precision that the model has.
        vocabulary: The verified text of vocab.json.
        tokenizer: The verified text of tokenizer.json; None in an artifact of format version 1.
    """

    name: str
    path: Path
    manifest: Manifest
    manifest_sha256: str
    size: int
    graphs: dict[Precision, bytes]
    vocabulary: str
    tokenizer: str | None = None

    @property
    def vocabulary_sha256(self) -> str:
        """The sha256 of vocab.json in hexadecimal."""
        return self.manifest.files[LAYOUT.vocabulary].sha256

    @property
    def encoding(self) -> str:
        """The sha256 of the files that token ids depend on: models in which it is equal have the same token ids."""
        files = self.manifest.files
        return " ".join(files[name].sha256 for name in (LAYOUT.vocabulary, LAYOUT.tokenizer) if name in files)

    def read_vocabulary(self) -> Vocabulary:
        """Returns the vocabulary, which carries the tokenizer rules.

        Raises:
            ArtifactError: It or the rules are damaged, of another version, or not what the manifest describes.
        """
        from sentscore.text.rules import parse_rules
        from sentscore.text.vocabulary import Vocabulary

        file = self.path / LAYOUT.vocabulary
        rules = None
        if self.tokenizer is not None:
            rules = parse_rules(self.tokenizer, file=self.path / LAYOUT.tokenizer)
        vocabulary = Vocabulary.from_json(self.vocabulary, rules, file=file)
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
    hint = "; behind an @ stand at least 7 hexadecimal digits" if "@" in path.name else ""
    raise ArtifactError(
        f"model {str(name_or_path)!r}: no such model: use one of {names}, or an artifact's folder{hint}"
    )


def load_artifacts(models: Iterable[str | Path]) -> list[Artifact]:
    """Reads and verifies artifacts as `load_artifact` does. Those with equal names are told apart by their folders.

    Raises:
        ArtifactError: A model is missing, was changed since its export, or is none that sentscore exported.
    """
    artifacts = [load_artifact(model) for model in models]
    return [replace(artifact, name=_tell_apart(artifact, artifacts)) for artifact in artifacts]


def _tell_apart(artifact: Artifact, artifacts: Iterable[Artifact]) -> str:
    """Returns a model's name or, beside others of it, the name of its folder, with as many of those above as it takes.

    The models in `2026-11/lstm` and `2026-12/lstm` are called so. Those of one folder have one name.
    """
    folders = [other.path.resolve().parts for other in artifacts if other.name == artifact.name]
    if len(folders) == 1:
        return artifact.name
    own = artifact.path.resolve().parts
    for count in range(1, len(own)):
        if sum(folder[-count:] == own[-count:] for folder in folders) == 1:
            return "/".join(own[-count:])
    return own[-1]


def load_artifact(name_or_path: str | Path) -> Artifact:
    """Reads an artifact and verifies the sha256 of its files. They are read once, so what is returned was verified.

    Args:
        name_or_path: The name of a shipped model or the path of an artifact's folder. `lstm@1a2b3c4` also says what the
            sha256 of its manifest must begin with: at least 7 digits.

    Raises:
        ArtifactError: The model is missing, was changed since its export, is none that sentscore exported, or is
            another one than the digits say.
    """
    pinned = _PINNED.fullmatch(str(name_or_path))
    folder = locate_artifact(pinned[1] if pinned else name_or_path)
    content = _read(folder / LAYOUT.manifest)
    digest = hashlib.sha256(content).hexdigest()
    if pinned and not digest.startswith(pinned[2].lower()):
        raise ArtifactError(
            f"model {str(name_or_path)!r}: the weights in {folder} are {digest[:12]}: name these, or the folder of a "
            "copy of the others"
        )
    manifest = Manifest.from_json(content, file=folder / LAYOUT.manifest)
    for required in (LAYOUT.model, LAYOUT.vocabulary, *([LAYOUT.tokenizer] if manifest.format_version > 1 else [])):
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
    return Artifact(
        name=manifest.name,
        path=folder,
        manifest=manifest,
        manifest_sha256=digest,
        size=sum(map(len, files.values())),
        graphs=graphs,
        vocabulary=_decode(files[LAYOUT.vocabulary], folder / LAYOUT.vocabulary),
        tokenizer=(
            _decode(files[LAYOUT.tokenizer], folder / LAYOUT.tokenizer) if manifest.format_version > 1 else None
        ),
    )


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(f"{path}: not UTF-8 ({error}): export the model again") from error


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
