"""Outputs: a file, a device or stdout, in any supported format."""

from __future__ import annotations

from sentscore.sinks.open import Shape, Sink, open_sink
from sentscore.sinks.targets import Target

__all__ = ["Shape", "Sink", "Target", "open_sink"]
