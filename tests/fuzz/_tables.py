"""Generators of Parquet files: schemas of any types, tiny pages and row groups, and texts that are not UTF-8."""

from __future__ import annotations

import datetime
import decimal
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from _case import Case, Complaint, Ended, exits, random_name, random_text
from _checks import check_results, kind_of, read_table

_EPOCH = datetime.datetime(1970, 1, 1)
_TEXTS = (pa.string(), pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
_CODECS = ("none", "snappy", "gzip", "brotli", "zstd", "lz4")


def parquet_case(rng: random.Random, _model: Path) -> Case:
    """A table of any types around a column of texts."""
    rows = rng.choice([0, 1, 2, 3, 5, 17, 40])
    texts = [None if rng.random() < 0.1 else random_text(rng) for _ in range(rows)]
    flavour = "plain"
    fields: list[tuple[pa.Field, pa.Array]] = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 6])):
        kind = random_type(rng)
        values = [random_value(rng, kind) for _ in range(rows)]
        nullable = rng.random() < 0.9 or None in values or pa.types.is_null(kind)
        metadata = {"k": "v\u00e9"} if rng.random() < 0.1 else None
        name = random_name(rng)
        if name in {"sentiment", "score", "text"}:
            name += "_"
        fields.append((pa.field(name, kind, nullable=nullable, metadata=metadata), pa.array(values, kind)))
    at = rng.randrange(len(fields) + 1)
    kind = rng.choice(_TEXTS)
    fields.insert(at, (pa.field("text", kind), _text_array(texts, kind)))
    schema = pa.schema([field for field, _ in fields], metadata={"note": "\u00e9"} if rng.random() < 0.3 else None)
    table = pa.Table.from_arrays([array for _, array in fields], schema=schema)
    content = write(rng, table)
    try:
        stored = pq.ParquetFile(io.BytesIO(content)).read()
    except (pa.ArrowException, OSError):
        stored = None
    if stored is None or stored.num_rows != rows:
        flavour, stored = "unreadable by pyarrow", None
    output = rng.choice(["in.scored.parquet"] * 6 + ["o.csv", "o.jsonl", "o.tsv", "o.txt", "o.parquet.gz", "o.csv.zst"])
    args = ["file", "in.parquet", "--column", "text"]
    if output != "in.scored.parquet":
        args += ["-o", output]
    converted = kind_of(output.encode()) != "parquet"
    codes = exits(0, 3) if converted or stored is None else exits(0)
    name = output.encode()

    def check(ended: Ended) -> Iterator[Complaint]:
        yield from _check_table(ended, name, content, texts, stored)

    return Case(
        f"{flavour}, {'converted' if converted else 'kept'}",
        tuple(args),
        {b"in.parquet": content},
        codes,
        frozenset([name]),
        check,
    )


def choice_case(rng: random.Random, _model: Path) -> Case:
    """Columns of texts among which one has to be chosen, with names that may be taken or there twice."""
    usual = ("text", "Review", "CONTENT", "body", "comment", "sentence")
    names = rng.choices(["a", "b", "a b", *usual], k=rng.randrange(1, 5))
    if rng.random() < 0.15:
        names.append(rng.choice(["sentiment", "score"]))
    kinds = [pa.string() if name in usual or rng.random() < 0.5 else pa.int64() for name in names]
    columns = [pa.array(["good", "bad"] if kind == pa.string() else [1, 2]) for kind in kinds]
    content = write(rng, pa.Table.from_arrays(columns, names=names))
    texts = [name for name, kind in zip(names, kinds, strict=True) if kind == pa.string()]
    decided = len(texts) == 1 or sum(name in usual for name in texts) == 1
    args, codes = ["file", "in.parquet"], {0} if decided else {3}
    if rng.random() < 0.4:
        wanted = rng.choice([*names, "nowhere"])
        args += ["-c", wanted]
        codes = {0} if names.count(wanted) == 1 and wanted in texts else {3}
    if {"sentiment", "score"} & set(names):
        codes = {2} if codes == {0} else {2, 3}
    return Case("choice", tuple(args), {b"in.parquet": content}, frozenset(codes), frozenset([b"in.scored.parquet"]))


def invalid_text_case(rng: random.Random, _model: Path) -> Case:
    """A column of strings whose bytes are not UTF-8: refused in the column of texts, and kept or refused beside it."""
    rows = rng.choice([1, 2, 9])
    values = [b"good" for _ in range(rows)]
    values[rng.randrange(rows)] = bytes(rng.choices(range(0x80, 0x100), k=rng.randrange(1, 5))) + b"\xff"
    binary = pa.array(values, pa.binary())
    strings = pa.StringArray.from_buffers(rows, binary.buffers()[1], binary.buffers()[2])
    in_text = rng.random() < 0.5
    other = pa.array(["fine"] * rows)
    columns = {"text": strings if in_text else other, "b": other if in_text else strings}
    content = write(rng, pa.table(columns))
    output = rng.choice(["in.scored.parquet", "o.csv", "o.jsonl"])
    args = ("file", "in.parquet", "-c", "text", *(() if output.startswith("in") else ("-o", output)))
    codes = exits(3) if in_text else exits(0, 3)
    return Case("not UTF-8", args, {b"in.parquet": content}, codes, frozenset([output.encode()]))


def write(rng: random.Random, table: pa.Table) -> bytes:
    """Returns the table as a Parquet file of random layout; a type that a layout cannot hold changes the layout."""
    while True:
        target = io.BytesIO()
        try:
            pq.write_table(
                table,
                target,
                row_group_size=rng.choice([1, 2, 3, 7, 100]),
                data_page_size=rng.choice([1, 16, 1024, None]),
                write_batch_size=rng.choice([1, 2, 1024]),
                use_dictionary=rng.random() < 0.5,
                dictionary_pagesize_limit=rng.choice([1, 64, 1 << 20]),
                compression=rng.choice(_CODECS),
                version=rng.choice(["1.0", "2.4", "2.6"]),
                data_page_version=rng.choice(["1.0", "2.0"]),
                write_statistics=rng.random() < 0.5,
                store_schema=rng.random() < 0.8,
                use_compliant_nested_type=rng.random() < 0.7,
                write_page_index=rng.random() < 0.3,
                allow_truncated_timestamps=True,
            )
        except (pa.ArrowException, OSError):
            if "duration" in str(table.schema) or rng.random() < 0.2:
                table = table.select([index for index, name in enumerate(table.schema.names) if name == "text"][:1])
            continue
        return target.getvalue()


def _check_table(
    ended: Ended, name: bytes, content: bytes, texts: list[str | None], stored: pa.Table | None
) -> Iterator[Complaint]:
    names, rows = read_table(name, ended.files[name])
    if len(rows) != len(texts):
        yield "rows lost", f"{len(texts)} rows went in, {len(rows)} came out"
        return
    yield from check_results(ended, texts, [row[-2] for row in rows], [row[-1] for row in rows])
    if kind_of(name) == "parquet" and name.endswith(b"parquet"):
        out = pq.ParquetFile(io.BytesIO(ended.files[name]))
        if stored is not None:
            yield from _check_columns(stored, out.read())
        before = pq.ParquetFile(io.BytesIO(content)).metadata
        groups = [
            [file.row_group(index).num_rows for index in range(file.num_row_groups)] for file in (before, out.metadata)
        ]
        if groups[0] != groups[1]:
            yield "values", f"row groups {groups[0]} became {groups[1]}"
    elif kind_of(name) in {"csv", "tsv"} and stored is not None:
        if names[:-2] != stored.schema.names:
            yield "values", f"columns {stored.schema.names} became {names[:-2]}"
        for index, field in enumerate(stored.schema):
            if pa.types.is_integer(field.type) or pa.types.is_string(field.type):
                right = ["" if value is None else str(value) for value in stored.column(index).to_pylist()]
                if right != [row[index] for row in rows]:
                    yield "values", f"column {field.name!r} of {field.type} became other values"


def _check_columns(stored: pa.Table, out: pa.Table) -> Iterator[Complaint]:
    width = stored.num_columns
    if out.schema.names[width:] != ["sentiment", "score"] or out.schema.field(width + 1).type != pa.float32():
        yield "values", f"the new columns are {out.schema.names[width:]}"
    for index, field in enumerate(stored.schema):
        if not out.schema.field(index).equals(field, check_metadata=True):
            yield "values", f"field {field} became {out.schema.field(index)}"
        elif repr(out.column(index).to_pylist()) != repr(stored.column(index).to_pylist()):
            yield "values", f"column {field.name!r} of {field.type} became other values"
    lost = {
        key
        for key in stored.schema.metadata or {}
        if (out.schema.metadata or {}).get(key) != stored.schema.metadata[key]
    }
    if lost:
        yield "values", f"schema metadata {lost} changed"


def _text_array(texts: list[str | None], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(texts, pa.string()).dictionary_encode()
    return pa.array(texts, kind)


def random_type(rng: random.Random, depth: int = 0) -> pa.DataType:
    """Returns any type that Parquet holds."""
    if depth < 3 and rng.random() < (0.35 if depth == 0 else 0.25):
        inner = random_type(rng, depth + 1)
        return rng.choice(
            [
                lambda: pa.list_(inner),
                lambda: pa.large_list(inner),
                lambda: pa.list_(inner, 2),
                lambda: pa.struct([("x", inner), ("y\u00e9", random_type(rng, depth + 1))]),
                lambda: pa.map_(pa.string(), inner),
            ]
        )()
    leaves = [
        *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(), pa.binary()),
        *(pa.large_binary(), pa.binary(3), pa.date32(), pa.date64(), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
        *(pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.timestamp("ns", "Europe/Berlin")),
        *(pa.duration("ms"), pa.decimal128(20, 4), pa.decimal256(40, 3), pa.decimal128(5, 0)),
    ]
    if depth == 0:
        leaves += [
            pa.null(),
            pa.dictionary(pa.int16(), pa.string()),
            pa.dictionary(pa.int32(), pa.string(), ordered=True),
        ]
        leaves += [pa.string_view(), pa.binary_view()]
    return rng.choice(leaves)


def random_value(rng: random.Random, kind: pa.DataType) -> Any:  # noqa: PLR0911 - a line a type
    """Returns a value of a type, sometimes None."""
    if pa.types.is_null(kind) or rng.random() < 0.15:
        return None
    if pa.types.is_integer(kind):
        low, high = (-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
        if pa.types.is_unsigned_integer(kind):
            low, high = 0, 2**kind.bit_width - 1
        return rng.choice([0, 1, low, high, rng.randint(low, high)])
    if pa.types.is_float16(kind):
        return rng.choice([0.0, 1.5, -2.25])
    if pa.types.is_floating(kind):
        return rng.choice([0.0, -0.0, 1.5, 0.1, 1e30, -1e-30, float("inf"), float("nan")])
    if pa.types.is_boolean(kind):
        return rng.random() < 0.5
    if pa.types.is_decimal(kind):
        return decimal.Decimal(rng.randint(-9999, 9999)).scaleb(-kind.scale)
    if pa.types.is_map(kind):
        return [(f"k{n}", random_value(rng, kind.item_type)) for n in range(rng.randrange(3))]
    if pa.types.is_struct(kind):
        return {field.name: random_value(rng, field.type) for field in kind}
    if pa.types.is_fixed_size_list(kind):
        return [random_value(rng, kind.value_type) for _ in range(kind.list_size)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [random_value(rng, kind.value_type) for _ in range(rng.choice([0, 1, 2, 5]))]
    return _random_scalar(rng, kind)


def _random_scalar(rng: random.Random, kind: pa.DataType) -> Any:  # noqa: PLR0911 - a line a type
    if pa.types.is_fixed_size_binary(kind):
        return rng.randbytes(3)
    if "binary" in str(kind):
        return rng.randbytes(rng.randrange(6))
    if pa.types.is_date(kind):
        return _EPOCH.date() + datetime.timedelta(days=rng.randrange(-20_000, 40_000))
    if pa.types.is_time(kind):
        return datetime.time(rng.randrange(24), rng.randrange(60), rng.randrange(60), rng.randrange(1000) * 1000)
    if pa.types.is_timestamp(kind):
        return _EPOCH + datetime.timedelta(seconds=rng.randrange(-(10**9), 4 * 10**9))
    if pa.types.is_duration(kind):
        return datetime.timedelta(milliseconds=rng.randrange(-(10**9), 10**9))
    return random_text(rng)


def any_parquet_case(rng: random.Random, model: Path) -> Case:
    return rng.choices([parquet_case, choice_case, invalid_text_case], [80, 15, 5])[0](rng, model)
