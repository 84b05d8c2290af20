"""Ends a command: every error becomes one line on stderr and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import typer
from typer.core import TyperCommand

from sentscore.errors import INTERRUPTED, OutputError, SentscoreError, UsageError


class GuardedCommand(TyperCommand):
    """A command whose errors and interrupts become a line and an exit code; Typer handles wrong options itself."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the type depends on Typer's version
        """Runs the command."""
        root = ctx.find_root()
        with guarded(program=root.info_name or "sentscore", debug=bool(root.params.get("debug"))):
            return super().invoke(ctx)


def require(*packages: str, extra: str) -> None:
    """Checks that packages of an extra are installed, without importing them.

    Raises:
        UsageError: A package is not installed.
    """
    from importlib.util import find_spec

    for package in packages:
        if find_spec(package) is None:
            raise UsageError(f"{package} is not installed: pip install 'sentscore[{extra}]'")


@contextmanager
def guarded(*, program: str, debug: bool) -> Iterator[None]:
    """Turns whatever is raised inside into one line on stderr and an exit code.

    Args:
        program: The program's name, with which the line begins.
        debug: Whether to show the traceback too.

    Raises:
        typer.Exit: Something was raised inside.
    """
    with _interrupt_on_signals():
        try:
            yield
        except (typer.Exit, typer.Abort):
            raise
        except BrokenPipeError as error:
            # The reader of stdout has closed it, like `| head`, which is no error to report.
            _silence_stdout()
            raise typer.Exit(OutputError.exit_code) from error
        except SentscoreError as error:
            _print_error(program, _append_notes(str(error), error), debug=debug)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            _print_error(program, _append_notes("interrupted", error), debug=debug)
            raise typer.Exit(INTERRUPTED) from error
        except Exception as error:
            hint = "" if debug else f"; {program} --debug … shows where"
            _print_error(
                program, _append_notes(f"unexpected {type(error).__name__}: {error}{hint}", error), debug=debug
            )
            raise typer.Exit(SentscoreError.exit_code) from error


def _append_notes(message: str, error: BaseException) -> str:
    return "; ".join([message, *getattr(error, "__notes__", [])])


def _print_error(program: str, message: str, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    typer.echo(f"{program}: error: {' '.join(message.split())}", err=True)


@contextmanager
def _interrupt_on_signals() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP, unless they are ignored, interrupt like Ctrl-C, so that outputs are cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    kinds = [getattr(signal, name) for name in names]
    replaced = {kind: signal.getsignal(kind) for kind in kinds if signal.getsignal(kind) is signal.SIG_DFL}
    for kind in replaced:
        signal.signal(kind, _interrupt)
    try:
        yield
    finally:
        for kind, handler in replaced.items():
            signal.signal(kind, handler)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _silence_stdout() -> None:
    # The rest of the buffer would be written at exit, and fail again.
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
