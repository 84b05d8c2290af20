"""Says whether a run folder holds a run, without torch, so that a command finds out before it imports that."""

from __future__ import annotations

from pathlib import Path
from typing import Final

RESUME: Final = "resume.json"
"""The file that names a run's last checkpoint."""


def holds_run(run_dir: Path) -> bool:
    """Returns whether there is a run in the folder that could be carried on."""
    return (run_dir / RESUME).exists()
