"""How signals end a command: the first one interrupts it, and no other one disturbs it while it cleans up.

An interrupt is a `KeyboardInterrupt`, so that outputs and threads are left in order. It is not raised just anywhere: in
the middle of `threading` it would leave locks behind that nobody opens, in the middle of a `with` statement's beginning
a file that nobody removes, and in an import a module that is only half there. There it waits for a moment.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from types import FrameType
from typing import Final, NoReturn, Protocol

from sentscore.errors import INTERRUPTED


class _Phase(Enum):
    NOTHING_BEGUN = auto()  # there is nothing to clean up: leave at once
    AT_WORK = auto()
    ENDING = auto()  # what was asked for is done, or its error is known


class _Interrupts:
    """What signals do to this process now, and whether one has come."""

    def __init__(self) -> None:
        self.program = "sentscore"
        self.stderr = 2
        self.message: bytes | None = None
        self.phase = _Phase.AT_WORK
        self.came_at: float | None = None
        self.raised = False


_now: Final = _Interrupts()

_KINDS: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_DELICATE_MODULES: Final = ("threading", "concurrent", "contextlib", "importlib", "multiprocessing", "queue", "weakref")
_DELICATE_FUNCTIONS: Final = ("__enter__", "__exit__", "__del__")
_RETRY_S: Final = 0.01
_PATIENCE_S: Final = 2.0  # then an interrupt is raised wherever the command is
_MOST_CLEANING_S: Final = 10.0  # then another signal ends the command whatever it is doing


class _App(Protocol):
    def __call__(self, *, prog_name: str) -> object: ...


def run_program(name: str, load_app: Callable[[], _App]) -> NoReturn:
    """Runs a program's command line from its imports to its exit; a signal ends it with 130 and one line.

    Args:
        name: The program's name.
        load_app: Imports and returns the command line.
    """
    _now.program = name
    with suppress(OSError):  # it may be closed
        _now.stderr = os.dup(2)  # where descriptor 2 leads to is changed while a library loads that prints
    _now.phase = _Phase.NOTHING_BEGUN
    heeded = [kind for kind in _KINDS if signal.getsignal(kind) in {signal.SIG_DFL, signal.default_int_handler}]
    for kind in heeded:
        signal.signal(kind, _handle)
    code: object = 0
    try:
        load_app()(prog_name=name)
    except SystemExit as end:
        code = end.code
    _now.phase = _Phase.ENDING
    for kind in heeded:  # or Python would give them back their usual meaning before it has ended
        signal.signal(kind, signal.SIG_IGN)
    sys.exit(INTERRUPTED if was_interrupted() else code)  # type: ignore[arg-type]


@contextmanager
def at_work() -> Iterator[None]:
    """Has signals interrupt the body with a `KeyboardInterrupt`. Behind it they do nothing any more."""
    _now.phase = _Phase.AT_WORK
    try:
        yield
    finally:
        _now.phase = _Phase.ENDING


@contextmanager
def nothing_begun() -> Iterator[None]:
    """Has signals end the command at once while the body runs, which must leave nothing to clean up."""
    before = _now.phase
    _now.phase = _Phase.NOTHING_BEGUN
    try:
        yield
    finally:
        _now.phase = before


def say_interrupted(message: bytes) -> None:
    """Sets the line that an interrupt prints where it ends the command at once."""
    _now.message = message


def was_interrupted() -> bool:
    """Returns whether a signal has interrupted the work: then other errors are what came of that."""
    return _now.raised


def _handle(number: int, frame: FrameType | None) -> None:
    if _now.phase is _Phase.NOTHING_BEGUN:
        _leave()
    if _now.phase is _Phase.ENDING:
        return
    if _now.came_at is None:
        _now.came_at = time.monotonic()
        _raise_when_safe(number, frame)
    elif time.monotonic() - _now.came_at > _MOST_CLEANING_S:
        _leave()


def _raise_when_safe(number: int, frame: FrameType | None) -> None:
    if _now.phase is _Phase.NOTHING_BEGUN:
        _leave()
    if _now.raised or _now.phase is _Phase.ENDING or _now.came_at is None:
        return
    patient = hasattr(signal, "setitimer") and time.monotonic() - _now.came_at < _PATIENCE_S
    if patient and _is_delicate(frame):
        signal.signal(signal.SIGALRM, _raise_when_safe)
        signal.setitimer(signal.ITIMER_REAL, _RETRY_S)
        return
    _now.raised = True
    raise KeyboardInterrupt


def _is_delicate(frame: FrameType | None) -> bool:
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module in _DELICATE_MODULES or frame.f_code.co_name in _DELICATE_FUNCTIONS:
            return True
        frame = frame.f_back
    return False


def _leave() -> NoReturn:
    _now.phase = _Phase.ENDING  # one more signal makes no second line
    with suppress(OSError):
        os.write(_now.stderr, (_now.message or f"{_now.program}: error: interrupted".encode()) + b"\n")
    os._exit(INTERRUPTED)
