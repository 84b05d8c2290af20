from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.formats import Kind, parse_file_name
from sentscore.sinks import Shape, Target, open_sink, parquet

Written = Callable[..., bytes]


def test_groups_are_kept_and_large_ones_are_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1_000)
    path = tmp_path / "a.parquet"
    batch = pa.record_batch({"text": ["x" * 10] * 10})  # 140 bytes
    shape = Shape(batch.schema, text=0, results=0)
    with open_sink(Target(path, parse_file_name("a.parquet")), Kind.PARQUET, shape) as sink:
        for number in range(20):
            sink.write(batch, ends_group=number in {2, 17})
    groups = pq.ParquetFile(path).metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [30, 80, 70, 20]


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
def test_the_codec_is_kept(tmp_path: Path, codec: str, written: Written) -> None:
    written(tmp_path / "a.parquet", codec=codec)
    column = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(1)
    assert column.compression == {"none": "UNCOMPRESSED"}.get(codec, codec.upper())


def test_no_rows(tmp_path: Path, written: Written, table: pa.Table) -> None:
    written(tmp_path / "a.parquet", table.slice(0, 0))
    assert pq.read_table(tmp_path / "a.parquet").equals(table.slice(0, 0))
