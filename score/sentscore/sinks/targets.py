"""Where an output goes: a file, a device or stdout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sentscore.formats import Format

STDOUT: Final = "-"
"""The name that stands for stdout as an output, and for stdin as an input."""


@dataclass(frozen=True)
class Target:
    """Where an output goes.

    Attributes:
        path: the file; None for stdout.
        format: its format; None for that of the input, which may not be known yet.
        device: whether the path is a device or a pipe, which is written to and never replaced.
    """

    path: Path | None
    format: Format | None
    device: bool = False

    @property
    def name(self) -> str:
        """The output as messages name it."""
        return "stdout" if self.path is None else str(self.path)

    @property
    def exists(self) -> bool:
        """Whether it is a file that is there already; not where a link leads to one that is not."""
        return self.path is not None and not self.device and self.path.exists()
