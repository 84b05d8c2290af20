from __future__ import annotations

import csv
import datetime
import decimal
import gzip
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError, OutputError, UsageError
from sentscore.formats import Compression, Format, Kind, parse_file_name
from sentscore.jobs import Job, plan_jobs, plan_whole
from sentscore.sinks import Shape, Target, open_sink
from sentscore.sinks import parquet as parquet_sink
from sentscore.sinks.values import to_cells, to_json_values

NOBODY = 65_534

TABLE = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "text": pa.array(["a, b", None, "\u2028 'x' \"y\"\n"]),
        "sentiment": pa.array(["positive", None, "negative"]),
        "score": pa.array([0.9731, None, 1e-7], pa.float32()),
    }
)


def written(path: Path, table: pa.Table = TABLE, **shape: Any) -> bytes:
    """What a table becomes as a file."""
    options = Shape(table.schema, text=1, results=2, **shape)
    with open_sink(Target(path, parse_file_name(path.name)), Kind.CSV, options) as sink:
        for batch in table.to_batches():
            sink.write(batch, ends_group=True)
    return path.read_bytes()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestText:
    def test_csv(self, tmp_path: Path) -> None:
        content = written(tmp_path / "a.csv").decode()
        assert content == (
            'id,text,sentiment,score\n1,"a, b",positive,0.9731\n2,,,\n3,"\u2028 \'x\' ""y""\n",negative,1e-7\n'
        )
        assert np.float32(float("1e-7")) == np.float32(1e-7)

    def test_tsv(self, tmp_path: Path) -> None:
        rows = list(csv.reader(io.StringIO(written(tmp_path / "a.tsv").decode(), newline=""), "excel-tab"))
        assert rows[1] == ["1", "a, b", "positive", "0.9731"]

    @pytest.mark.parametrize("value", ["\r", "a\rb", "\r\n", "\n", '"', "", " ", ",", "\ufeff", "\0"])
    def test_csv_cells_come_back_exactly(self, tmp_path: Path, value: str) -> None:
        table = pa.table({"id": [value], "text": [value], "sentiment": [value], "score": [value]})
        content = written(tmp_path / "a.csv", table).decode()
        assert list(csv.reader(io.StringIO(content, newline=""), strict=True))[1] == [value] * 4

    def test_json_lines(self, tmp_path: Path) -> None:
        lines = written(tmp_path / "a.jsonl").decode().splitlines(keepends=False)
        assert lines[0] == '{"id": 1, "text": "a, b", "sentiment": "positive", "score": 0.9731}'
        assert json.loads(lines[1]) == {"id": 2, "text": None, "sentiment": None, "score": None}

    def test_text_lines(self, tmp_path: Path) -> None:
        content = written(tmp_path / "a.txt").decode()
        assert content == "a, b\tpositive\t0.9731\n\t\t\n\u2028 'x' \"y\" \tnegative\t1e-7\n"

    def test_raw_json_lines_keep_their_text(self, tmp_path: Path) -> None:
        lines = ['{"b":1,  "text":"\\u00e9 }"}', "{ }", '{"a": {"c": {}} }\r', '\t{"a": "{"}  ']
        table = pa.table(
            {
                "line": pa.array(lines, pa.large_string()),
                "sentiment": ["positive", None, "negative", "negative"],
                "score": pa.array([0.75, None, 0.1, 0.5], pa.float32()),
            }
        )
        content = written(tmp_path / "a.jsonl", table, raw_json=True).decode()
        assert content.split("\n") == [
            '{"b":1,  "text":"\\u00e9 }", "sentiment": "positive", "score": 0.75}',
            '{"sentiment": null, "score": null }',
            '{"a": {"c": {}}, "sentiment": "negative", "score": 0.1 }\r',
            '\t{"a": "{", "sentiment": "negative", "score": 0.5}  ',
            "",
        ]

    def test_two_columns_of_one_name_are_no_json(self, tmp_path: Path) -> None:
        table = pa.Table.from_arrays([TABLE["id"], TABLE["text"], TABLE["id"]], ["n", "text", "n"])
        with pytest.raises(InputError, match="two columns are named 'n'"):
            written(tmp_path / "a.jsonl", table)
        assert files(tmp_path) == []


class TestCompression:
    @pytest.mark.parametrize("kind", ["csv", "jsonl", "txt", "parquet"])
    @pytest.mark.parametrize(("ending", "codec"), [(".gz", "gzip"), (".zst", "zstd")])
    def test_the_name_tells_it(self, tmp_path: Path, kind: str, ending: str, codec: str) -> None:
        plain = written(tmp_path / f"a.{kind}")
        content = written(tmp_path / f"b.{kind}{ending}")
        assert pa.CompressedInputStream(pa.BufferReader(content), codec).read() == plain

    def test_python_reads_the_gzip(self, tmp_path: Path) -> None:
        assert gzip.decompress(written(tmp_path / "a.csv.gz")).startswith(b"id,text,")


class TestValues:
    def test_cells(self) -> None:
        berlin = pa.timestamp("ns", "Europe/Berlin")
        columns = {
            "bool": (pa.array([True, None]), ["true", None]),
            "double": (pa.array([0.1, 1e300]), ["0.1", "1e+300"]),
            "float": (pa.array([0.1, math.nan], pa.float32()), ["0.1", "nan"]),
            "decimal": (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
            "date": (pa.array([datetime.date(2024, 1, 2)]), ["2024-01-02"]),
            "time": (pa.array([0], berlin), ["1970-01-01 01:00:00.000000000+0100"]),
            "list": (pa.array([["é", None], None]), ['["é", null]', None]),
            "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), ['[["k", 1]]']),
            "binary": (pa.array([b"\xff\x00"]), ["/wA="]),
            "dictionary": (pa.array(["x", None]).dictionary_encode(), ["x", None]),
            "null": (pa.nulls(1), [None]),
        }
        assert {name: to_cells(name, column) for name, (column, _) in columns.items()} == {
            name: expected for name, (_, expected) in columns.items()
        }

    def test_json_values(self) -> None:
        moment = datetime.datetime(2024, 1, 2, 3, 4, 5)
        struct = {"at": moment, "n": decimal.Decimal("1.5"), "f": math.inf, "b": b"a", "d": datetime.timedelta(1)}
        columns = {
            "int": (pa.array([2**63 - 1, None]), [2**63 - 1, None]),
            "float": (pa.array([0.9731, math.nan], pa.float32()), [0.9731, None]),
            "bool": (pa.array([True]), [True]),
            "decimal": (pa.array([decimal.Decimal("1.50")]), ["1.50"]),
            "struct": (
                pa.array([struct]),
                [{"at": "2024-01-02T03:04:05", "n": "1.5", "f": None, "b": "YQ==", "d": "1 day, 0:00:00"}],
            ),
        }
        assert {name: to_json_values(name, column) for name, (column, _) in columns.items()} == {
            name: expected for name, (_, expected) in columns.items()
        }

    @pytest.mark.parametrize("convert", [to_cells, to_json_values])
    def test_what_has_no_text_is_told(self, convert: Any) -> None:
        interval = pa.array([None, (1, 2, 3)], pa.month_day_nano_interval())
        with pytest.raises(InputError, match=r"column 'x' of type month_day_nano_interval .*\.parquet"):
            convert("x", interval)

    @pytest.mark.parametrize("convert", [to_cells, to_json_values])
    def test_invalid_utf_8_is_told(self, convert: Any) -> None:
        text = pa.Array.from_buffers(
            pa.string(), 1, [None, pa.py_buffer(bytes(4) + b"\1\0\0\0"), pa.py_buffer(b"\xff")]
        )
        for column in (text, pa.StructArray.from_arrays([text], ["in"])):
            with pytest.raises(InputError, match=r"column 'x' .* cannot be written as text"):
                convert("x", column)

    @pytest.mark.parametrize("value", [0.9731, 1e-30, 1.0, 0.0, 0.5, 1 / 3, 1e-7, 0.99999994])
    def test_a_float32_comes_back_from_its_text(self, value: float) -> None:
        column = pa.array([value], pa.float32())
        for text in (to_cells("x", column)[0], json.dumps(to_json_values("x", column)[0])):
            assert np.float32(float(str(text))) == np.float32(value)
            assert len(str(text)) <= 14


class TestParquet:
    def test_groups_are_as_told_and_large_ones_are_split(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet_sink, "GROUP_BYTES", 1_000)
        path = tmp_path / "a.parquet"
        batch = pa.record_batch({"text": ["x" * 10] * 10})  # 140 bytes
        shape = Shape(batch.schema, text=0, results=0)
        with open_sink(Target(path, parse_file_name("a.parquet")), Kind.PARQUET, shape) as sink:
            for number in range(20):
                sink.write(batch, ends_group=number in {2, 17})
        groups = pq.ParquetFile(path).metadata
        assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [30, 80, 70, 20]

    @pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
    def test_the_codec_is_kept(self, tmp_path: Path, codec: str) -> None:
        written(tmp_path / "a.parquet", codec=codec)
        column = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(1)
        assert column.compression == {"none": "UNCOMPRESSED"}.get(codec, codec.upper())

    def test_no_rows(self, tmp_path: Path) -> None:
        written(tmp_path / "a.parquet", TABLE.slice(0, 0))
        assert pq.read_table(tmp_path / "a.parquet").equals(TABLE.slice(0, 0))


class TestFullDisk:
    def test_a_full_disk(self, tmp_path: Path) -> None:
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


class TestDevices:
    def test_a_device_is_written_to_and_stays(self) -> None:
        [job] = plan_jobs(["a.csv"], output=os.devnull, format=None, force=True)
        assert job.target == Target(Path(os.devnull), Format(Kind.CSV), device=True)
        with open_sink(job.target, Kind.CSV, Shape(TABLE.schema, 1, 2)) as sink:
            sink.write(TABLE.to_batches()[0])
        assert Path(os.devnull).is_char_device()

    @pytest.mark.parametrize("kind", Kind)
    @pytest.mark.parametrize("compression", [None, Compression.GZIP])
    def test_a_full_device(self, kind: Kind, compression: Compression | None) -> None:
        target = Target(Path("/dev/full"), Format(kind, compression), device=True)

        def write() -> None:
            with open_sink(target, kind, Shape(TABLE.schema, 1, 2)) as sink:
                sink.write(TABLE.to_batches()[0])

        with pytest.raises(OutputError, match=r"/dev/full: cannot be written \(No space left on device"):
            write()

    def test_stdout(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        with open_sink(Target(None, None), Kind.TSV, Shape(TABLE.schema, 1, 2)) as sink:
            sink.write(TABLE.to_batches()[0].slice(0, 1))
        assert capfdbinary.readouterr().out == b"id\ttext\tsentiment\tscore\n1\ta, b\tpositive\t0.9731\n"

    def test_parquet_is_kept_off_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
        with pytest.raises(UsageError, match="terminal: name an --output"):
            open_sink(Target(None, None), Kind.PARQUET, Shape(TABLE.schema, 1, 2)).__enter__()


class TestPlans:
    def plan(self, *inputs: Path | str, output: Path | str | None = None, **options: Any) -> list[Job]:
        given = {"format": None, "force": False, **options}
        return plan_jobs([str(name) for name in inputs], output=None if output is None else str(output), **given)

    def targets(self, jobs: list[Job]) -> list[tuple[Path | None, Format | None]]:
        return [(job.target.path, job.target.format) for job in jobs]

    def test_beside_each_input_by_default(self, tmp_path: Path) -> None:
        jobs = self.plan(tmp_path / "a.csv.gz", tmp_path / "b.pq")
        assert self.targets(jobs) == [
            (tmp_path / "a.scored.csv.gz", Format(Kind.CSV, Compression.GZIP)),
            (tmp_path / "b.scored.pq", Format(Kind.PARQUET)),
        ]

    def test_stdin_goes_to_stdout(self) -> None:
        assert self.targets(self.plan("-")) == [(None, None)]
        assert self.targets(self.plan("-", format=Format(Kind.CSV, Compression.GZIP))) == [(None, Format(Kind.CSV))]

    def test_the_format_follows_the_output(self, tmp_path: Path) -> None:
        assert self.targets(self.plan("a.csv", output=tmp_path / "b.parquet")) == [
            (tmp_path / "b.parquet", Format(Kind.PARQUET))
        ]
        assert self.targets(self.plan("a.csv.gz", output="-")) == [(None, Format(Kind.CSV))]

    def test_several_into_a_folder(self, tmp_path: Path) -> None:
        jobs = self.plan("x/a.csv", "y/b.txt", output=tmp_path)
        assert [job.target.path for job in jobs] == [tmp_path / "a.scored.csv", tmp_path / "b.scored.txt"]

    def test_an_odd_name_takes_the_format_option(self, tmp_path: Path) -> None:
        [job] = self.plan(tmp_path / "a.dat", format=Format(Kind.CSV))
        assert job.target == Target(tmp_path / "a.scored.dat", Format(Kind.CSV))

    @pytest.mark.parametrize(
        ("inputs", "output", "message"),
        [
            (["a.csv", "a.csv"], None, "a.csv: given twice"),
            (["a.dat"], None, "a.dat: its name does not tell a format .* give --format"),
            (["a.csv"], "b.dat", "--output b.dat: its name does not tell a format"),
            (["a.csv", "b.csv"], "c.csv", "2 inputs need a folder"),
            (["a.csv", "b.csv"], "-", "2 inputs need a folder"),
            (["x/a.csv", "y/a.csv"], ".", "x/a.csv and y/a.csv would both go there"),
            (["-"], ".", "stdin have no name there"),
            (["a.csv"], "a.csv", "a.csv: is the input itself"),
            (["a.csv"], "x/../a.csv", "is the input itself"),
        ],
    )
    def test_what_does_not_fit_together(
        self, inputs: list[str], output: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name in ("x", "y"):
            (tmp_path / name).mkdir()
        (tmp_path / "a.dat").touch()
        with pytest.raises(UsageError, match=message):
            self.plan(*inputs, output=output, force=True)

    @pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
    def test_an_output_that_is_a_link_to_the_input(self, tmp_path: Path, link: Any) -> None:
        (tmp_path / "a.csv").write_text("text\n")
        link(tmp_path / "b.csv", tmp_path / "a.csv")
        with pytest.raises(UsageError, match=r"b\.csv: is the input itself"):
            self.plan(tmp_path / "a.csv", output=tmp_path / "b.csv", force=True)

    def test_an_existing_output_needs_force(self, tmp_path: Path) -> None:
        (tmp_path / "a.scored.csv").touch()
        with pytest.raises(OutputError, match=r"a\.scored\.csv: exists already: give --force"):
            self.plan(tmp_path / "a.csv")
        assert len(self.plan(tmp_path / "a.csv", force=True)) == 1

    def test_an_output_without_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match=r"there is no folder .*: make it first"):
            self.plan("a.csv", output=tmp_path / "no" / "b.csv")

    def test_a_folder_in_the_place_of_an_output(self, tmp_path: Path) -> None:
        (tmp_path / "a.scored.csv").mkdir()
        with pytest.raises(OutputError, match="is a folder"):
            self.plan(tmp_path / "a.csv", force=True)

    def test_whole_files_go_to_stdout_as_csv_or_to_one_output(self, tmp_path: Path) -> None:
        assert plan_whole(["a", "b"], output=None, force=False).target == Target(None, Format(Kind.CSV))
        path = tmp_path / "c.parquet"
        assert plan_whole(["a", "b"], output=str(path), force=False).target == Target(path, Format(Kind.PARQUET))
        path.touch()
        with pytest.raises(OutputError, match="exists already"):
            plan_whole(["a", "b"], output=str(path), force=False)
