from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError
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


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()])
def test_views_inside_structs_come_back(tmp_path: Path, kind: pa.DataType) -> None:
    rows = 3_000
    values = pa.array([None if row % 7 == 0 else str(row) * 9 for row in range(rows)]).cast(kind)
    fields = [pa.field("a", kind, metadata={"about": "a"}), pa.field("n", pa.int64(), nullable=False)]
    structs = pa.StructArray.from_arrays([values, pa.array(range(rows))], fields=fields)
    columns = {
        "text": values.cast(pa.string()),
        "struct": structs,
        "list": pa.ListArray.from_arrays(list(range(rows + 1)), structs),
        "large": pa.LargeListArray.from_arrays(list(range(rows + 1)), structs),
        "fixed": pa.FixedSizeListArray.from_arrays(structs, 1),
        "map": pa.MapArray.from_arrays(list(range(rows + 1)), pa.array(range(rows)), values),
        "flat": values,
    }
    table = pa.table(columns, metadata={"owner": "night shift"})
    shape = Shape(table.schema, text=0, results=0)
    with open_sink(Target(tmp_path / "a.parquet", parse_file_name("a.parquet")), Kind.PARQUET, shape) as sink:
        for batch in table.to_batches(max_chunksize=1_000):
            sink.write(batch)
    found = pq.read_table(tmp_path / "a.parquet")
    assert found.equals(table)
    # pyarrow always gives the entries of a map another name.
    assert found.drop_columns("map").schema.equals(table.drop_columns("map").schema, check_metadata=True)


def test_a_type_that_pyarrow_cannot_write_is_reported(tmp_path: Path) -> None:
    batch = pa.record_batch({"text": ["a"], "x": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    shape = Shape(batch.schema, text=0, results=0)
    with (
        pytest.raises(InputError, match=r"month_day_nano_interval.*: write to another format"),
        open_sink(Target(tmp_path / "a.parquet", parse_file_name("a.parquet")), Kind.PARQUET, shape) as sink,
    ):
        sink.write(batch, ends_group=True)


def test_a_large_dictionary_makes_no_small_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 20_000)
    path = tmp_path / "a.parquet"
    batch = pa.record_batch({"text": pa.array([f"{n:0100}" for n in range(100)]).dictionary_encode()})
    shape = Shape(batch.schema, text=0, results=0)
    with open_sink(Target(path, parse_file_name("a.parquet")), Kind.PARQUET, shape) as sink:
        for start in range(0, 100, 10):
            sink.write(batch.slice(start, 10))
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    assert pq.read_table(path)["text"].to_pylist() == batch["text"].to_pylist()
