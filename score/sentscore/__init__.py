"""Batch sentiment scores for tables of reviews.

from sentscore import Scorer

scorer = Scorer.load("lstm")
scorer.score(["A quiet, lovely film.", "Two hours I won't get back."])  # float32 probabilities
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentscore._version import __version__
from sentscore.errors import (
    ArtifactError,
    DeviceError,
    InputError,
    OutputError,
    SentscoreError,
    UsageError,
)

if TYPE_CHECKING:
    from sentscore.scorer import Scorer

__all__ = [
    "ArtifactError",
    "DeviceError",
    "InputError",
    "OutputError",
    "Scorer",
    "SentscoreError",
    "UsageError",
    "__version__",
]


def __getattr__(name: str) -> object:
    # NumPy and Arrow take a while to import, and the command line's --help needs neither.
    if name == "Scorer":
        from sentscore.scorer import Scorer

        return Scorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
