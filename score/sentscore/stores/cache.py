"""The user's cache folder, which holds what belongs to outputs in a store and cannot lie beside them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """Returns the folder, which need not exist: `sentscore` in XDG_CACHE_HOME, or else in `~/.cache`."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path("~/.cache").expanduser()  # as the XDG standard says
    return base / "sentscore"


def digest_name(*parts: str) -> str:
    """Returns 32 digits that stand for some text in the name of a file."""
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
