"""Random tables come back from a job as they were, or are refused in one of the ways that are promised."""

from __future__ import annotations

import csv
import decimal
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError

TEXTS = (
    "",
    " ",
    "good",
    "a film\nof \r\n'lines'",
    "é,\t\"'\ufeff!",
    "\u2028x",
    "\0",
    "\U0001d54f\U0010ffff",
    "null",
    "1.50",
)
ZONES = (None, "UTC", "Europe/Berlin", "+05:30")

LEAVES = (
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.null()),
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)),
    *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.duration("s"), pa.duration("ms"), pa.duration("us"), pa.duration("ns")),
    *(pa.decimal32(5, 2), pa.decimal64(15, 0), pa.decimal128(38, 10), pa.decimal256(60, 20)),
    *(pa.uuid(), pa.json_(), pa.bool8()),
)


def random_type(rng: random.Random, levels: int = 3) -> pa.DataType:  # noqa: PLR0911 - a case a type
    """Returns a type with at most so many levels of nesting."""
    if levels == 0 or rng.random() < 0.6:
        if rng.random() < 0.15:
            return pa.timestamp(rng.choice(["s", "ms", "us", "ns"]), rng.choice(ZONES))
        return rng.choice(LEAVES)
    if rng.random() < 0.25:
        values = rng.choice([pa.string(), pa.large_string(), pa.binary(), pa.int64(), pa.float64()])
        return pa.dictionary(rng.choice([pa.int8(), pa.int16(), pa.int32(), pa.int64()]), values)
    inner = random_field(rng, rng.choice(["item", "element", "x"]), levels - 1)
    match rng.randrange(5):
        case 0:
            return pa.list_(inner)
        case 1:
            return pa.large_list(inner)
        case 2:
            return pa.list_(inner, rng.randrange(1, 4))
        case 3:
            return pa.map_(rng.choice([pa.string(), pa.int32()]), inner.type)
        case _:
            names = rng.sample(["a", "b", "c.d", "", "é", "list"], rng.randrange(1, 4))
            return pa.struct([random_field(rng, name, levels - 1) for name in names])


def random_field(rng: random.Random, name: str, levels: int = 3) -> pa.Field:
    metadata = {"about": name} if rng.random() < 0.2 else None
    kind = random_type(rng, levels)
    return pa.field(name, kind, nullable=kind == pa.null() or rng.random() < 0.8, metadata=metadata)


def random_array(rng: random.Random, kind: pa.DataType, rows: int, nulls: float = 0.2) -> pa.Array:  # noqa: PLR0911 - a case a type
    """Returns random values of a type, so many of them nulls."""
    if isinstance(kind, pa.BaseExtensionType):
        if kind == pa.json_():
            return pa.array(["{}"] * rows, pa.string()).cast(kind)
        storage = random_array(rng, kind.storage_type, rows, nulls)
        return pa.ExtensionArray.from_storage(kind, storage)
    is_null = [rng.random() < nulls for _ in range(rows)]
    mask = pa.array(is_null, pa.bool_())
    if pa.types.is_struct(kind):
        arrays = [random_array(rng, field.type, rows, nulls if field.nullable else 0.0) for field in kind]
        return pa.StructArray.from_arrays(arrays, fields=list(kind), mask=mask)
    if pa.types.is_dictionary(kind):
        values = random_array(rng, kind.value_type, 4, 0.0)
        indices = pa.array([None if null else rng.randrange(4) for null in is_null], kind.index_type)
        return pa.DictionaryArray.from_arrays(indices, values)
    if pa.types.is_fixed_size_list(kind):
        items = random_array(rng, kind.value_type, rows * kind.list_size, nulls if kind.value_field.nullable else 0.0)
        return pa.FixedSizeListArray.from_arrays(items, type=kind, mask=mask)
    if pa.types.is_map(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        lengths = [0 if null else rng.choice([0, 1, 1, 2, 5]) for null in is_null]
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(int)
        width = pa.int64() if pa.types.is_large_list(kind) else pa.int32()
        if pa.types.is_map(kind):
            keys = random_array(rng, kind.key_type, int(offsets[-1]), 0.0)
            items = random_array(rng, kind.item_type, int(offsets[-1]), nulls)
            made = pa.MapArray.from_arrays(pa.array(offsets, width), keys, items, type=kind, mask=mask)
            return made
        items = random_array(rng, kind.value_type, int(offsets[-1]), nulls if kind.value_field.nullable else 0.0)
        maker = pa.LargeListArray if pa.types.is_large_list(kind) else pa.ListArray
        return maker.from_arrays(pa.array(offsets, width), items, type=kind, mask=mask)
    return pa.array([None if null else _random_value(rng, kind) for null in is_null], kind)


def _random_value(rng: random.Random, kind: pa.DataType) -> Any:  # noqa: PLR0911 - a case a type
    if pa.types.is_null(kind):
        return None
    if pa.types.is_boolean(kind):
        return rng.random() < 0.5
    if pa.types.is_integer(kind):
        bits = kind.bit_width
        least = -(1 << (bits - 1)) if pa.types.is_signed_integer(kind) else 0
        return rng.choice([0, 1, least, least + (1 << bits) - 1, least + rng.randrange(1 << bits)])
    if pa.types.is_floating(kind):
        value = rng.choice([0.0, -0.0, 1.5, 1e-7, float("inf"), rng.random()])
        return np.float16(value) if pa.types.is_float16(kind) else value
    if pa.types.is_decimal(kind):
        digits = rng.randrange(10 ** rng.randrange(1, kind.precision))
        with decimal.localcontext(prec=100):
            return decimal.Decimal(digits).scaleb(-kind.scale) * rng.choice([1, -1])
    if pa.types.is_fixed_size_binary(kind):
        return rng.randbytes(kind.byte_width)
    if kind in {pa.binary(), pa.large_binary(), pa.binary_view()}:
        return rng.randbytes(rng.choice([0, 1, 20]))
    if pa.types.is_temporal(kind):
        most = {
            "time32[s]": 86_399,
            "time32[ms]": 86_399_999,
            "time64[us]": 86_399_999_999,
            "time64[ns]": 86_399 * 10**9,
        }
        if str(kind) in most:
            return rng.choice([0, most[str(kind)]])
        if kind == pa.date64():
            return 86_400_000 * rng.choice([0, -1, 20_000])
        # Old versions of Parquet have no nanoseconds.
        scale = 1_000 if str(kind).startswith("timestamp[ns") else 1
        return scale * rng.choice([0, -1, 20_000, rng.randrange(1 << 31), -(1 << 31)])
    return rng.choice(TEXTS)


def write_parquet(rng: random.Random, path: Path) -> None:
    """Writes a Parquet file with a column `text` and others of random types."""
    fields = [random_field(rng, name) for name in rng.sample(["a", "b.c", "", "é", "d", "e"], rng.randrange(0, 5))]
    kind = rng.choice([pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
    fields.insert(rng.randrange(len(fields) + 1), pa.field("text", kind, nullable=True))
    schema = pa.schema(fields, metadata={"owner": "x"} if rng.random() < 0.5 else None)
    options: dict[str, Any] = {
        "compression": rng.choice(["none", "snappy", "zstd", "gzip", "lz4", "brotli"]),
        "use_dictionary": rng.random() < 0.5,
        "data_page_size": rng.choice([1, 64, 1_000, None]),
        "data_page_version": rng.choice(["1.0", "2.0"]),
        "write_batch_size": rng.choice([1, 7, None]),
        "version": rng.choice(["1.0", "2.4", "2.6"]),
        "store_schema": rng.random() < 0.8,
        "use_compliant_nested_type": rng.random() < 0.5,
        "write_page_index": rng.random() < 0.3,
        "write_statistics": rng.random() < 0.5,
    }
    with pq.ParquetWriter(path, schema, **options) as writer:
        for _ in range(rng.randrange(4)):
            rows = rng.choice([0, 1, 2, 30, 200])
            arrays = [random_array(rng, field.type, rows, 0.2 if field.nullable else 0.0) for field in schema]
            writer.write_table(pa.table(arrays, schema=schema), row_group_size=rng.choice([1, 7, 1_000]))


def read_groups(path: Path) -> list[pa.Table] | None:
    """Reads a file's row groups one by one; None where pyarrow cannot, or reads fewer rows than the file promises."""
    file = pq.ParquetFile(path)
    try:
        tables = [file.read_row_group(group) for group in range(file.num_row_groups)]
    except (pa.ArrowException, OSError):
        return None
    return tables if sum(table.num_rows for table in tables) == file.metadata.num_rows else None


def decode(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns a column without its dictionary, which may differ where values do not."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def write_cells(rng: random.Random, rows: list[list[str]], delimiter: str) -> str:
    """Returns rows as CSV with needless quotes here and there, and with every line end."""
    lines = []
    for row in rows:
        fields = []
        for value in row:
            needs_quotes = any(character in value for character in f'{delimiter}"\r\n') or row == [""]
            quoted = '"' + value.replace('"', '""') + '"'
            fields.append(quoted if needs_quotes or rng.random() < 0.3 else value)
        lines.append(delimiter.join(fields) + rng.choice(["\n", "\r\n", "\r"]))
    text = "".join(lines)
    return text.rstrip("\r\n") if rng.random() < 0.3 and rows[-1][-1:] != [""] else text


NUMBERS = (
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "1.5",
    "0.1",
    "1e3",
    "1E-7",
    "9007199254740993",
    "12345678901234567890",
    "-" + "9" * 20,
)
LARGE = ("1e400", "1e-400", "1" + "0" * 400, "123456789012345678901234567890")


def random_json(rng: random.Random, levels: int = 3) -> Callable[[], str]:
    """Returns a function that writes values of one kind as JSON, which may be nested so deep."""
    kind = rng.randrange(7 if levels else 4)
    if kind <= 1:
        numbers = rng.choice(
            [NUMBERS[:4], NUMBERS, NUMBERS + LARGE, [str(n) for n in (2**63 - 1, -(2**63), 2**64 - 1)]]
        )
        return lambda: rng.choice(numbers)
    if kind == 2:
        return lambda: rng.choice(["true", "false"])
    if kind == 3:
        return lambda: json.dumps(rng.choice([*TEXTS, "\ud800"]), ensure_ascii=True)
    if kind == 4:
        item = random_json(rng, levels - 1)
        return lambda: "[" + " , ".join(rng.choice([item(), "null"]) for _ in range(rng.randrange(4))) + "]"
    if kind == 5:
        return lambda: rng.choice(["{}", "{ }"])
    inner = {
        key: random_json(rng, levels - 1) for key in rng.sample(["a", "b.c", "", "é", "\ud800x"], rng.randrange(1, 4))
    }
    return lambda: write_object(rng, inner)


def write_object(rng: random.Random, values: dict[str, Callable[[], str]]) -> str:
    """Returns an object as JSON, with its keys in any order and some of them left out."""
    keys = [key for key in rng.sample(sorted(values), len(values)) if key == "text" or rng.random() < 0.8]
    pairs = [f"{json.dumps(key)}{rng.choice([':', ' : '])}{values[key]()}" for key in keys]
    return "{" + rng.choice([",", " ,  "]).join(pairs) + "}"


def is_kept(value: Any, found: Any) -> bool:  # noqa: PLR0911 - a case a type
    """Returns whether a value of a table is that of the JSON that it was read from, whose numbers are `Decimal`s."""
    if isinstance(value, decimal.Decimal):
        if isinstance(found, float):
            return found == float(value)
        return not isinstance(found, bool) and decimal.Decimal(found) == value
    if value is None or isinstance(value, bool):
        return found is value
    if isinstance(value, str):
        return bool(found == value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    if isinstance(value, list):
        return len(value) == len(found) and all(map(is_kept, value, found))
    if isinstance(found, str):
        return value == {} and found == "{}"
    named = {key.replace("\ud800", "\ufffd"): item for key, item in value.items()}
    return named.keys() <= found.keys() and all(is_kept(named.get(key), item) for key, item in found.items())


@pytest.fixture(params=range(60))
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(request.param)


def test_parquet(tmp_path: Path, rng: random.Random, run) -> None:
    source = tmp_path / "a.parquet"
    write_parquet(rng, source)
    tables = read_groups(source)
    if tables is None:  # in pyarrow 26 some lists and pages are like this
        with pytest.raises(InputError, match=r"row group \d+ (is damaged|promises)"):
            run(source, column="text")
        return
    summary = run(source, column="text")
    scored = read_groups(tmp_path / "a.scored.parquet")
    assert scored is not None
    assert [table.num_rows for table in scored] == [table.num_rows for table in tables]
    assert summary.rows == sum(table.num_rows for table in tables)
    for before, after in zip(tables, scored, strict=True):
        for index, field in enumerate(before.schema):
            assert after.schema.field(index).equals(field, check_metadata=True)
            assert decode(after.column(index)).equals(decode(before.column(index))), field
    for ending in ("csv", "jsonl", "tsv", "txt"):
        try:
            run(source, tmp_path / f"b.{ending}", column="text")
        except InputError as error:
            assert "cannot be written as text" in str(error)  # noqa: PT017 - it need not be raised
            continue
        content = (tmp_path / f"b.{ending}").read_bytes().decode()
        if ending in {"csv", "tsv"}:
            found = list(
                csv.reader(io.StringIO(content, newline=""), delimiter="," if ending == "csv" else "\t", strict=True)
            )
            assert {len(row) for row in found} == {len(tables[0].schema) + 2 if tables else len(found[0])}
            assert len(found) == summary.rows + 1
        else:
            assert content.count("\n") == summary.rows


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_delimited(tmp_path: Path, kind: str, rng: random.Random, run) -> None:
    delimiter = "," if kind == "csv" else "\t"
    names = ["text", "", 'a"b', "c\rd", "é\n,\t"][: rng.randrange(1, 6)]
    values = [*TEXTS, "\r", "a\rb", "\n", "\r\n", '"', '""', "'", ",", "\t", delimiter * 3]
    rows = [[rng.choice(values) for _ in names] for _ in range(rng.randrange(30))]
    path = tmp_path / f"a.{kind}"
    path.write_bytes(write_cells(rng, [names, *rows], delimiter).encode())
    summary = run(path, column="text")
    content = (tmp_path / f"a.scored.{kind}").read_bytes().decode()
    found = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True))
    assert [row[:-2] for row in found] == [names, *rows]
    assert summary.rows == len(rows)
    run(path, tmp_path / "b.parquet", column="text")
    table = pq.read_table(tmp_path / "b.parquet")
    assert [list(row) for row in zip(*(table.column(i).to_pylist() for i in range(len(names))), strict=True)] == rows


def test_json_lines(tmp_path: Path, rng: random.Random, run) -> None:
    keys = {key: random_json(rng) for key in rng.sample(["a", "b.c", "", "é", "x\ud800"], rng.randrange(5))}
    keys["text"] = lambda: rng.choice(["null", json.dumps(rng.choice([*TEXTS, "\ud800"]))])
    lines = [write_object(rng, keys) for _ in range(rng.randrange(1, 30))]
    path = tmp_path / "a.jsonl"
    path.write_bytes("".join(line + rng.choice(["\n", "\r\n", "\n \n"]) for line in lines).encode())
    assert run(path, column="text").rows == len(lines)
    with (tmp_path / "a.scored.jsonl").open(newline="\n") as file:
        assert [line.startswith(before[:-1]) for line, before in zip(file, lines, strict=True)] == [True] * len(lines)
    assert run(path, tmp_path / "b.parquet", column="text").rows == len(lines)
    table = pq.read_table(tmp_path / "b.parquet").drop_columns(["score", "sentiment"])
    expected = [json.loads(line, parse_int=decimal.Decimal, parse_float=decimal.Decimal) for line in lines]
    with decimal.localcontext(Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, prec=1_000):
        assert all(map(is_kept, expected, table.to_pylist()))
    for ending in ("csv", "txt"):
        assert run(path, tmp_path / f"b.{ending}", column="text").rows == len(lines)
