"""What long work reports while it goes on; the command line draws it, the library never prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One report.

    Attributes:
        phase: What is being done: the input that is scored, or a phase of a training such as `epoch 2/4`.
        done: The number of rows, reviews or other items that are done.
        total: How many there are; None where only the end can tell.
        position: The bytes of the input that are done.
        size: The bytes of the input; None where they are not known.
        kept: The number of items done whose scores an earlier run had left.
        loss: The mean loss over what is done so far; None where there is none.
        accuracy: The share right of what is done so far; None where there is none.
    """

    phase: str
    done: int
    total: int | None = None
    position: int = 0
    size: int | None = None
    kept: int = 0
    loss: float | None = None
    accuracy: float | None = None


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Reports nothing."""
