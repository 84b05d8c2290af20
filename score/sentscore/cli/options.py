"""Options that several commands have, and how their values are completed in a shell."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sentscore._version import __version__


def new_app(name: str, *, no_args_is_help: bool = True) -> typer.Typer:
    """Makes the command line of a program: plain help, errors left to `guard`."""
    return typer.Typer(
        name=name,
        no_args_is_help=no_args_is_help,
        # Plain help: importing what draws boxes would take longer than all else.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sentscore {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]

DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


class DeviceChoice(StrEnum):
    """The values of `--device`."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class PrecisionChoice(StrEnum):
    """The values of `--precision`."""

    AUTO = "auto"
    FP32 = "fp32"
    INT8 = "int8"
    FP16 = "fp16"


DEFAULT_MODELS = ("lstm",)
"""The models that score where none is named."""


def complete_model(incomplete: str) -> list[str]:
    """Returns the shipped models and the artifact folders that a value of `--model` can go on to."""
    from sentscore.model.artifact import LAYOUT, find_artifacts

    shipped = [path.name for path in find_artifacts() if path.name.startswith(incomplete)]
    typed = Path(incomplete or ".")
    parent = typed if incomplete.endswith("/") or not incomplete else typed.parent
    folders = sorted(str(path.parent) for path in parent.glob(f"*/{LAYOUT.manifest}"))
    return shipped + [folder for folder in folders if folder.startswith(incomplete)]


ModelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        metavar="lstm|gru|PATH",
        help="A shipped model, or the folder of an exported one; give it again for several.  [default: lstm]",
        autocompletion=complete_model,
    ),
]

DeviceOption = Annotated[
    DeviceChoice,
    typer.Option("--device", help="Where to run; auto takes CUDA where it works."),
]

PrecisionOption = Annotated[
    PrecisionChoice,
    typer.Option(
        "--precision", help="Of the products; auto takes int8 on a CPU where it is as accurate. fp16 is for CUDA."
    ),
]

ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Batches at work at a time.  [default: one a processor, two on CUDA]"),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")]
