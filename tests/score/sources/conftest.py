from __future__ import annotations

import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sentscore.formats import parse_file_name, parse_format
from sentscore.sources import Source, open_source

Read = Callable[..., tuple[list[str | None], Source]]


@pytest.fixture(scope="session")
def read() -> Read:
    """Reads all texts of an input; gives the source too, spent."""

    def read(path: Path | str, *, format: str | None = None, **options: Any) -> tuple[list[str | None], Source]:
        chosen = parse_format(format) if format else parse_file_name(str(path))
        with open_source(str(path), format=chosen, **options) as source:
            texts = [text for window in source.windows for text in window.texts.to_pylist()]
        return texts, source

    return read


@pytest.fixture(params=["", ".gz", ".zst"])
def ending(request: pytest.FixtureRequest) -> str:
    """What stands at the end of a file's name for each compression and for none."""
    return str(request.param)


@pytest.fixture(scope="session")
def compress() -> Callable[[bytes, str], bytes]:
    """Compresses content as the ending of a file's name says."""

    def compress(content: bytes, ending: str) -> bytes:
        if ending == ".zst":
            return bytes(pa.compress(content, codec="zstd", asbytes=True))
        return gzip.compress(content) if ending == ".gz" else content

    return compress


@pytest.fixture
def set_stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Puts content into stdin."""
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
