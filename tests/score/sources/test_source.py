from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from sentscore.formats import parse_file_name
from sentscore.sources import Window, open_source
from sentscore.sources import source as source_module
from sentscore.sources.source import gather


def test_windows_are_bounded_in_rows_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "WINDOW_ROWS", 3)
    monkeypatch.setattr(source_module, "WINDOW_BYTES", 10)
    sizes = [1, 1, 1, 1, 9, 2, 30, 4, 4, 4]
    windows = list(gather(sizes, lambda size: size))
    assert windows == [[1, 1, 1], [1, 9], [2], [30], [4, 4], [4]]


def test_the_position_moves_through_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "WINDOW_ROWS", 100_000)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % (n * 7919 % 1_000_003) for n in range(1_000_000))))
    with open_source(str(path), format=parse_file_name("a.txt.gz")) as source:
        positions = [each.position for each in source.windows]
    assert source.size == path.stat().st_size
    assert positions == sorted(positions)
    assert positions[0] < source.size // 2
    assert positions[-1] == source.size


def test_a_window_says_nothing_of_groups_by_default() -> None:
    empty = pa.record_batch({"text": pa.array([], pa.string())})
    assert Window(empty, empty.column(0)) == Window(empty, empty.column(0), ends_group=False, position=0)
