"""What a long run reports while it goes on; the command line draws it, the library never prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One report.

    Attributes:
        phase: what is being done, for example `epoch 2/4`.
        done: reviews (or other items) finished in this phase.
        total: of them in this phase.
        loss: mean over what is done so far; None where there is none.
        accuracy: share right of what is done so far; None where there is none.
    """

    phase: str
    done: int
    total: int
    loss: float | None = None
    accuracy: float | None = None


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Reports nothing."""
