"""Object stores and clusters' file systems: objects by their URIs, read in ranges, and written whole or not at all."""

from __future__ import annotations

from sentscore.stores.filesystems import Entry
from sentscore.stores.paths import Place, StorePath, is_uri, local_place, parse_store_path
from sentscore.stores.reading import open_object
from sentscore.stores.writing import check_writable, new_object

__all__ = [
    "Entry",
    "Place",
    "StorePath",
    "check_writable",
    "is_uri",
    "local_place",
    "new_object",
    "open_object",
    "parse_store_path",
]
