from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sentscore.formats import Kind, parse_file_name
from sentscore.sinks import Shape, Target, open_sink


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """Three rows with results, the second of which has no text."""
    return pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int64()),
            "text": pa.array(["a, b", None, "\u2028 'x' \"y\"\n"]),
            "sentiment": pa.array(["positive", None, "negative"]),
            "score": pa.array([0.9731, None, 1e-7], pa.float32()),
        }
    )


@pytest.fixture(scope="session")
def written(table: pa.Table) -> Callable[..., bytes]:
    """Writes a table, the one above by default, to a file, and gives the file's content."""
    default = table

    def written(path: Path, table: pa.Table = default, **shape: Any) -> bytes:
        options = Shape(table.schema, text=1, results=2, **shape)
        with open_sink(Target(path, parse_file_name(path.name)), Kind.CSV, options) as sink:
            for batch in table.to_batches():
                sink.write(batch, ends_group=True)
        return path.read_bytes()

    return written
