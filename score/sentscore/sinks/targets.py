"""Where an output goes: a file, a device or stdout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sentscore.formats import Format
from sentscore.stores import Place

STDOUT: Final = "-"
"""The name that stands for stdout among the outputs, and for stdin among the inputs."""


@dataclass(frozen=True)
class Target:
    """Where an output goes.

    Attributes:
        path: The file, here or in a store; None for stdout.
        format: The output's format; None for that of the input, which may not be known yet.
        device: Whether the path is a device or a pipe, which is written to and never replaced.
        replace: Whether a file that is there is replaced.
        in_tree: Whether it is one of many in a folder: the folders above it are made, and whoever writes the tree
            removes what killed processes have left there, a folder at a time.
    """

    path: Place | None
    format: Format | None
    device: bool = False
    replace: bool = False
    in_tree: bool = False

    @property
    def name(self) -> str:
        """The output's name in messages."""
        return "stdout" if self.path is None else str(self.path)

    @property
    def exists(self) -> bool:
        """Whether the output is a file that exists. A link to a file that does not exist is none."""
        return self.path is not None and not self.device and self.path.exists()
