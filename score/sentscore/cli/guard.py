"""Ends a command: every error becomes one line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from sentscore.cli.json_log import format_event, log_event
from sentscore.cli.lines import clean_line, echo_line
from sentscore.cli.signals import at_work, nothing_begun, say_interrupted, was_interrupted
from sentscore.errors import INTERRUPTED, OutputError, SentscoreError, UsageError


class GuardedGroup(TyperGroup):
    """A program whose errors about wrong options show names as they are."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the type depends on Typer's version
        """Reads the options before the command's name."""
        with _clean_usage_errors():
            return super().parse_args(ctx, args)


class GuardedCommand(TyperCommand):
    """A command whose errors and interrupts become a line and an exit code; Typer handles wrong options itself."""

    cleans_up: ClassVar[bool] = True
    """Whether an interrupt has to leave the command in order. Otherwise it leaves at once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the type depends on Typer's version
        """Reads the command's options."""
        with _clean_usage_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the type depends on Typer's version
        """Runs the command."""
        root = ctx.find_root()
        program, debug = root.info_name or "sentscore", bool(root.params.get("debug"))
        as_json = ctx.params.get("log_format") == "json"
        if as_json:
            say_interrupted(format_event("error", level="error", message="interrupted", exit_code=INTERRUPTED))
        with (
            guarded(program=program, debug=debug, as_json=as_json),
            nullcontext() if self.cleans_up else nothing_begun(),
        ):
            return super().invoke(ctx)


class ShowingCommand(GuardedCommand):
    """A guarded command that only shows something, and makes no file."""

    cleans_up = False


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
def guarded(*, program: str, debug: bool, as_json: bool = False) -> Iterator[None]:
    """Turns whatever is raised inside into one line on stderr and an exit code.

    Args:
        program: The program's name, with which the line begins.
        debug: Whether to show the traceback too.
        as_json: Whether the line is a JSON object.

    Raises:
        typer.Exit: Something was raised inside.
    """
    try:
        with at_work():
            yield
    except (typer.Exit, typer.Abort):
        raise
    except BaseException as error:
        code = _report(error, program, debug=debug, as_json=as_json)
        if code is None:
            raise
        raise typer.Exit(code) from error


def explain_error(error: BaseException) -> tuple[str | None, int]:
    """Returns an error's message on one line and its exit code; None for a closed pipe, which is no error to tell."""
    if was_interrupted() or isinstance(error, KeyboardInterrupt):
        message, code = "interrupted", INTERRUPTED  # whatever the error is, it came of that
    elif isinstance(error, BrokenPipeError):
        return None, OutputError.exit_code  # the reader of stdout has closed it, like `| head`
    elif isinstance(error, SentscoreError):
        message, code = error.to_command_line(), error.exit_code
    else:
        message, code = f"unexpected {type(error).__name__}: {error}", SentscoreError.exit_code
    return " ".join("; ".join([message, *getattr(error, "__notes__", [])]).split()), code


def _report(error: BaseException, program: str, *, debug: bool, as_json: bool) -> int | None:
    """Prints an error's line and returns its exit code; None where it is none, like `SystemExit`."""
    if not isinstance(error, (Exception, KeyboardInterrupt)) and not was_interrupted():
        return None
    message, code = explain_error(error)
    if message is None:
        _silence_stdout()
    elif as_json:
        traced = {"traceback": traceback.format_exc()} if debug else {}
        log_event("error", level="error", message=message, exit_code=code, **traced)
    else:
        hint = "" if debug or code != SentscoreError.exit_code else f"; {program} --debug … shows where"
        _print_error(program, message + hint, debug=debug)
    return code


@contextmanager
def _clean_usage_errors() -> Iterator[None]:
    """Cleans the message of Typer's own errors, which Typer prints itself."""
    try:
        yield
    except Exception as error:
        if isinstance(getattr(error, "message", None), str):
            error.message = clean_line(error.message)  # type: ignore[attr-defined]
        raise


def _print_error(program: str, message: str, *, debug: bool) -> None:
    if debug:
        for line in traceback.format_exc().splitlines():
            echo_line(line, err=True)
    echo_line(f"{program}: error: {message}", err=True)


def _silence_stdout() -> None:
    # The rest of the buffer would be written at exit, and fail again.
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
