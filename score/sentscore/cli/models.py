"""`sentscore models`: lists the models that come with this installation, or shows what is known of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from sentscore.cli.lines import clean_line, echo_json
from sentscore.cli.model_figures import model_figures, read_number
from sentscore.cli.options import JsonOption

if TYPE_CHECKING:
    from sentscore.model.artifact import Artifact

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

    @property
    def shown_accuracy(self) -> str:
        """The accuracy in percent, or a dash."""
        return "-" if self.accuracy is None else f"{100 * self.accuracy:.2f} %"

    @property
    def shown_size(self) -> str:
        """The size in MB."""
        return f"{self.size / 1e6:.1f} MB"


def models_cli(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A model's name, NAME@DIGEST or the folder of an exported one: shows its figures.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models that come with this installation, or show how good one was and on what."""
    if model is not None:
        _show_one(model, as_json=as_json)
        return
    infos = models()
    if as_json:
        for info in infos:
            echo_json(asdict(info))
        return
    if not infos:
        typer.echo("no models come with this installation: give --model the folder of an exported one", err=True)
        return
    _echo_table(
        ("name", "digest", "architecture", "test accuracy", "size", "where"),
        [
            (info.name, info.digest, info.architecture, info.shown_accuracy, info.shown_size, clean_line(info.path))
            for info in infos
        ],
    )
    purposes = [f"{info.name}: {clean_line(info.purpose)}" for info in infos if info.purpose]
    if purposes:
        typer.echo("\n".join(["", *purposes]))


def _show_one(model: str, *, as_json: bool) -> None:
    """Shows what a model is, and its figures.

    Raises:
        ArtifactError: There is no such model, or it is damaged.
    """
    from sentscore.model.artifact import LAYOUT, load_artifact

    artifact = load_artifact(model)
    info, figures = _inform(artifact), model_figures(artifact)
    if as_json:
        echo_json({**asdict(info), "figures": [asdict(each) for each in figures]})
        return
    typer.echo(f"{info.name}@{info.digest}: {info.architecture}, {info.shown_size}, in {clean_line(info.path)}")
    if info.purpose:
        typer.echo(clean_line(info.purpose))
    if figures:
        typer.echo()
        headings = ("reviews", "precision", "accuracy", "95 % interval", "AUC", "calibration error")
        _echo_table(headings, [[clean_line(cell) for cell in each.cells] for each in figures])
    card = artifact.path / LAYOUT.card
    if card.is_file():
        typer.echo(f"\nMore, and how this was measured: {clean_line(str(card))}")


def _echo_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table that is as wide as its widest line, so that a path can be copied whole from any terminal."""
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))  # as texts, or what looks like Rich's markup in a name would be obeyed
    console = Console()
    widest = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    console.width = max(console.width, widest)
    with console.capture() as capture:
        console.print(table)
    typer.echo(capture.get(), nl=False)


def models() -> list[ModelInfo]:
    """Returns the shipped models, verified, in order of their names.

    Raises:
        ArtifactError: A model is damaged.
    """
    from sentscore.model.artifact import find_artifacts, load_artifact

    return [_inform(load_artifact(path)) for path in find_artifacts()]


def _inform(artifact: Artifact) -> ModelInfo:
    test = artifact.manifest.metrics.get("test")
    return ModelInfo(
        name=artifact.name,
        architecture=_describe(artifact.manifest.architecture),
        accuracy=read_number(test.get("accuracy")) if isinstance(test, Mapping) else None,
        size=artifact.size,
        path=str(artifact.path),
        digest=artifact.manifest_sha256[:_DIGEST_DIGITS],
        purpose=artifact.manifest.purpose,
    )


def _describe(architecture: Mapping[str, Any]) -> str:
    pooling = " and ".join(architecture["pooling"])
    cell = architecture["cell"].upper()
    return f"Bi{cell}, {architecture['num_layers']} x {architecture['hidden_size']}, {pooling} pooling"
