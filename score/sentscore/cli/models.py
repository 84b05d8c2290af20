"""`sentscore models`: lists the models that come with this installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import typer

from sentscore.cli.lines import clean_line, echo_json
from sentscore.cli.options import JsonOption

_WIDEST: Final = 10_000
_DIGEST_DIGITS: Final = 12


@dataclass(frozen=True)
class ModelInfo:
    """What the list says about a model.

    Attributes:
        name: The name, as `--model` takes it.
        architecture: The cell, the layers, the units and the pooling, in words.
        accuracy: The share of the test reviews that the model gets right; None where the manifest does not say.
        size: The size of its files in bytes.
        path: Its folder.
        digest: The first digits of its manifest's sha256: `--model NAME@DIGEST` takes no other weights.
        purpose: What it is for, or an empty text.
    """

    name: str
    architecture: str
    accuracy: float | None
    size: int
    path: str
    digest: str
    purpose: str


def models_cli(as_json: JsonOption = False) -> None:
    """List the models that come with this installation."""
    infos = models()
    if as_json:
        for info in infos:
            echo_json(asdict(info))
        return
    if not infos:
        typer.echo("no models come with this installation: give --model the folder of an exported one", err=True)
        return
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in ("name", "digest", "architecture", "test accuracy", "size", "where"):
        table.add_column(heading, no_wrap=True)
    for info in infos:
        accuracy = "-" if info.accuracy is None else f"{100 * info.accuracy:.2f} %"
        size = f"{info.size / 1e6:.1f} MB"
        table.add_row(info.name, info.digest, info.architecture, accuracy, size, clean_line(info.path))
    console = Console()
    widest = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    console.width = max(console.width, widest)  # a path can be copied whole, even from a narrow terminal
    with console.capture() as capture:
        console.print(table, markup=False)
    typer.echo(capture.get(), nl=False)
    purposes = [f"{info.name}: {clean_line(info.purpose)}" for info in infos if info.purpose]
    if purposes:
        typer.echo("\n".join(["", *purposes]))


def models() -> list[ModelInfo]:
    """Returns the shipped models, verified, in order of their names.

    Raises:
        ArtifactError: A model is damaged.
    """
    from sentscore.model.artifact import find_artifacts, load_artifact

    infos = []
    for path in find_artifacts():
        artifact = load_artifact(path)
        test = artifact.manifest.metrics.get("test")
        measured = test.get("accuracy") if isinstance(test, Mapping) else None
        infos.append(
            ModelInfo(
                name=artifact.name,
                architecture=_describe(artifact.manifest.architecture),
                accuracy=measured if isinstance(measured, float) else None,
                size=artifact.size,
                path=str(artifact.path),
                digest=artifact.manifest_sha256[:_DIGEST_DIGITS],
                purpose=artifact.manifest.purpose,
            )
        )
    return infos


def _describe(architecture: Mapping[str, Any]) -> str:
    pooling = " and ".join(architecture["pooling"])
    cell = architecture["cell"].upper()
    return f"Bi{cell}, {architecture['num_layers']} x {architecture['hidden_size']}, {pooling} pooling"
