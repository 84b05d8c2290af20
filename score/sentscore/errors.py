"""The errors that sentscore raises on purpose, each with the exit code that the command line gives it.

    SentscoreError            1  unexpected
    ├── UsageError            2  options that do not fit together
    ├── InputError            3  an input that cannot be read
    │   └── StoreError        3  a store that does not answer, whatever the input
    ├── ArtifactError         4  a model folder that is missing, damaged or from another format
    ├── DeviceError           5  a device that was asked for and cannot be used
    └── OutputError           6  an output that cannot be written

Every message is one line and holds the value, the file and the remedy. A remedy that names an `Argument` has its
name in Python, and its option on the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

INTERRUPTED = 130
"""The exit code after an interrupt (Ctrl-C or SIGTERM)."""

DRIFT_FOUND: Final = 7
"""The exit code of a report that was asked to fail on drift, and has found it."""

_LONGEST_VALUE: Final = 100


@dataclass(frozen=True)
class Argument:
    """An argument that a remedy names, such as `batch_tokens`, which the command line calls `--batch-tokens`.

    Attributes:
        name: The argument's name in Python.
        value: The text to give for it; empty where that is for the reader to say.
    """

    name: str
    value: str = ""

    def __str__(self) -> str:
        return f"`{self.name}={self.value!r}`" if self.value else f"`{self.name}`"

    def to_option(self) -> str:
        """Returns how the command line names it."""
        return f"--{self.name.replace('_', '-')} {self.value}".rstrip()


class SentscoreError(Exception):
    """The base of every error raised on purpose.

    Args:
        parts: The parts of the message, put together as they are.

    Attributes:
        exit_code: The exit code of the command line.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, *parts: str | Argument) -> None:
        super().__init__(*parts)

    def __str__(self) -> str:
        return "".join(map(str, self.args))

    def to_command_line(self) -> str:
        """Returns the message with options in place of arguments."""
        return "".join(part.to_option() if isinstance(part, Argument) else str(part) for part in self.args)


class UsageError(SentscoreError):
    """Options or arguments that do not fit together."""

    exit_code = 2


class InputError(SentscoreError):
    """An input that is missing, damaged, not text, or without the column asked for."""

    exit_code = 3


class StoreError(InputError):
    """A store that does not answer, which is no fault of the input: the next one could not be read either."""


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
