"""Inputs: any supported file or stdin, as windows of rows with the texts to be scored."""

from __future__ import annotations

from sentscore.sources.open import open_source
from sentscore.sources.source import Source, Window
from sentscore.sources.streams import STDIN, open_stream
from sentscore.sources.whole import whole_files

__all__ = ["STDIN", "Source", "Window", "open_source", "open_stream", "whole_files"]
