"""The options that several commands share, and how a shell completes their values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sentscore._version import __version__
from sentscore.cli.guard import GuardedGroup
from sentscore.model.options import Device, PrecisionChoice


def new_app(name: str, *, no_args_is_help: bool = True) -> typer.Typer:
    """Returns the command line of a program, with plain help; `guard` handles the errors of its commands."""
    return typer.Typer(
        name=name,
        cls=GuardedGroup,
        no_args_is_help=no_args_is_help,
        # The library that draws boxes around the help would take longer to import than everything else.
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


DEFAULT_MODELS = ("lstm",)
"""The models that score when no other is named."""


def complete_model(incomplete: str) -> list[str]:
    """Returns the shipped models and the artifact folders whose names begin with what was typed."""
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
        help="A shipped model, or the folder of an exported one. lstm@DIGEST refuses other weights. May be repeated.  "
        "[default: lstm]",
        autocompletion=complete_model,
    ),
]

ColumnOption = Annotated[
    str | None, typer.Option("--column", "-c", help="The column of texts.  [default: found by itself]")
]

DeviceOption = Annotated[
    Device,
    typer.Option("--device", help="What to run on. auto takes CUDA where it works, and the CPU otherwise."),
]

PrecisionOption = Annotated[
    PrecisionChoice,
    typer.Option(
        "--precision",
        help="What to compute in. auto takes int8 on a CPU if it is as accurate. tf32 and fp16 are for CUDA.",
    ),
]

ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="How many batches to score at a time.  [default: one for each processor it may use, two on CUDA]",
    ),
]

BatchTokensOption = Annotated[
    int | None,
    typer.Option("--batch-tokens", min=1, help="How many tokens a batch may have.  [default: by the device]"),
]

ExplainOption = Annotated[
    int | None,
    typer.Option(
        "--explain",
        metavar="K",
        min=1,
        max=100,
        help="Also write the K words of each row that moved its score most, and their effects. It takes about as many "
        "runs of the model as a text has words.",
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")]
