from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from sentscore.errors import OutputError, UsageError
from sentscore.formats import Compression, Format, Kind
from sentscore.sinks import Shape, Target, open_sink

Written = Callable[..., bytes]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt", "parquet"])
@pytest.mark.parametrize(("ending", "codec"), [(".gz", "gzip"), (".zst", "zstd")])
def test_the_name_tells_the_compression(tmp_path: Path, kind: str, ending: str, codec: str, written: Written) -> None:
    plain = written(tmp_path / f"a.{kind}")
    content = written(tmp_path / f"b.{kind}{ending}")
    assert pa.CompressedInputStream(pa.BufferReader(content), codec).read() == plain


def test_python_reads_the_gzip(tmp_path: Path, written: Written) -> None:
    assert gzip.decompress(written(tmp_path / "a.csv.gz")).startswith(b"id,text,")


def test_a_full_disk(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
import pyarrow as pa
from sentscore.errors import OutputError
from sentscore.formats import Kind, parse_file_name
from sentscore.sinks import Shape, Target, open_sink
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
table = pa.table({"text": [str(n * 7919) for n in range(100_000)]})
for name in sys.argv[1:]:
    try:
        with open_sink(Target(Path(name), parse_file_name(name)), Kind.CSV, Shape(table.schema, 0, 0)) as sink:
            for batch in table.to_batches(max_chunksize=10_000):
                sink.write(batch, ends_group=True)
        print("written")
    except OutputError as error:
        print(error)
"""
    names = [str(tmp_path / f"a.{ending}") for ending in ("csv", "csv.gz", "csv.zst", "parquet", "parquet.gz")]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *names], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"{name}: cannot be written (File too large): free space there or choose another place" for name in names
    ]
    assert done.stderr == ""
    assert files(tmp_path) == []


def test_a_device_is_written_to_and_stays(table: pa.Table) -> None:
    with open_sink(
        Target(Path(os.devnull), Format(Kind.CSV), device=True), Kind.CSV, Shape(table.schema, 1, 2)
    ) as sink:
        sink.write(table.to_batches()[0])
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("compression", [None, Compression.GZIP])
def test_a_full_device(kind: Kind, compression: Compression | None, table: pa.Table) -> None:
    target = Target(Path("/dev/full"), Format(kind, compression), device=True)

    def write() -> None:
        with open_sink(target, kind, Shape(table.schema, 1, 2)) as sink:
            sink.write(table.to_batches()[0])

    with pytest.raises(OutputError, match=r"/dev/full: cannot be written \(No space left on device"):
        write()


def test_stdout(capfdbinary: pytest.CaptureFixture[bytes], table: pa.Table) -> None:
    with open_sink(Target(None, None), Kind.TSV, Shape(table.schema, 1, 2)) as sink:
        sink.write(table.to_batches()[0].slice(0, 1))
    assert capfdbinary.readouterr().out == b"id\ttext\tsentiment\tscore\n1\ta, b\tpositive\t0.9731\n"


def test_parquet_is_kept_off_a_terminal(monkeypatch: pytest.MonkeyPatch, table: pa.Table) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with pytest.raises(UsageError, match="terminal: name an --output"):
        open_sink(Target(None, None), Kind.PARQUET, Shape(table.schema, 1, 2)).__enter__()
