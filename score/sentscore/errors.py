"""The errors that sentscore raises on purpose, each with the exit code that the command line gives it.

    SentscoreError            1  unexpected
    ├── UsageError            2  options that do not fit together
    ├── InputError            3  an input that cannot be read
    ├── ArtifactError         4  a model folder that is missing, damaged or from another format
    ├── DeviceError           5  a device that was asked for and cannot be used
    └── OutputError           6  an output that cannot be written

Every message is one line and holds the value, the file and the remedy.
"""

from __future__ import annotations

from typing import ClassVar, Final

INTERRUPTED = 130
"""The exit code after an interrupt (Ctrl-C or SIGTERM)."""

_LONGEST_VALUE: Final = 100


class SentscoreError(Exception):
    """The base of every error raised on purpose.

    Attributes:
        exit_code: The exit code of the command line.
    """

    exit_code: ClassVar[int] = 1


class UsageError(SentscoreError):
    """Options or arguments that do not fit together."""

    exit_code = 2


class InputError(SentscoreError):
    """An input that is missing, damaged, not text, or without the column asked for."""

    exit_code = 3


class ArtifactError(SentscoreError):
    """A model artifact that is missing, changed, or of an unknown format version."""

    exit_code = 4


class DeviceError(SentscoreError):
    """A device that was asked for by name and cannot run the model."""

    exit_code = 5


class OutputError(SentscoreError):
    """An output that exists already, is read-only, or cannot be written to its end."""

    exit_code = 6


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or the name of its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def shorten(value: object) -> str:
    """Returns a value from outside as it may stand in a message: as Python writes it, at most 100 characters."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
