"""The command line: `sentscore file`, `text`, `explain`, `report`, `models` and so on, one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentscore.cli.signals import run_program

if TYPE_CHECKING:
    import typer

    from sentscore.cli.commands import app

__all__ = ["app", "main"]


def main() -> None:
    """Runs the command line; the console script."""
    run_program("sentscore", _load_app)


def _load_app() -> typer.Typer:
    from sentscore.cli.commands import app  # imported here, where a signal during the import ends in order

    return app


def __getattr__(name: str) -> object:
    if name == "app":
        return _load_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
