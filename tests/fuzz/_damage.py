"""Generators of compressed files, and of files of every format that are cut off, changed or extended."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from _case import Case, Complaint, Ended, exits, random_text
from _checks import check_results, read_table
from _tables import random_type, random_value, write


def compressed_case(rng: random.Random, model: Path) -> Case:
    """A whole file in gzip or zstd, in one or several members."""
    if rng.random() < 0.3:
        return stdin_case(rng, model)
    kind, content, texts = _table(rng)
    ending = rng.choice(["gz", "zst"])
    data = pack(rng, content, ending)
    name, out = f"in.{kind}.{ending}", f"in.scored.{kind}.{ending}".encode()

    def check(ended: Ended) -> Iterator[Complaint]:
        _, rows = read_table(out, ended.files[out])
        yield from check_results(ended, texts, [row[-2] for row in rows], [row[-1] for row in rows])

    return Case(
        f"{kind}.{ending}", ("file", name, "-c", "text"), {name.encode(): data}, exits(0), frozenset([out]), check
    )


def stdin_case(rng: random.Random, _model: Path) -> Case:
    """A whole file on stdin, whose first bytes or `--format` tell the format; the output goes to stdout."""
    kind, content, texts = _table(rng)
    ending = rng.choice(["", "gz", "zst"])
    data = pack(rng, content, ending) if ending else content
    # Without a format, CSV looks like lines of text, and so does no text that begins with a brace.
    told = kind in {"csv", "tsv"} or (kind == "txt" and content.lstrip().startswith(b"{")) or rng.random() < 0.4
    options = ("--format", f"{kind}.{ending}".rstrip(".")) if told else ()

    def check(ended: Ended) -> Iterator[Complaint]:
        _, rows = read_table(f"o.{kind}".encode(), ended.stdout)
        yield from check_results(ended, texts, [row[-2] for row in rows], [row[-1] for row in rows])

    args = ("file", "-", *options, *(() if kind == "txt" else ("-c", "text")))
    return Case(f"stdin, {kind}.{ending}", args, {}, exits(0), check=check, stdin=data)


def damaged_case(rng: random.Random, _model: Path) -> Case:
    """A file that was damaged; where it still reads, no row may be missing."""
    kind, content, texts = _table(rng)
    ending = rng.choice(["", "", ".gz", ".zst"])
    whole = pack(rng, content, ending[1:]) if ending else content
    data, cut = damage(rng, whole)
    name, out = f"in.{kind}{ending}", f"in.scored.{kind}{ending}".encode()
    codes = exits(0, 2, 3)
    if data == b"" and (ending or kind in {"parquet", "csv", "tsv"}):
        codes = exits(3)
    elif data == whole:
        codes = exits(0)
    elif cut and data and (ending or kind == "parquet") and not _reads(data, ending):
        codes = exits(3)

    def check(ended: Ended) -> Iterator[Complaint]:
        _, rows = read_table(out, ended.files[out])
        if data == whole:
            yield from check_results(ended, texts, [row[-2] for row in rows], [row[-1] for row in rows])
        if ending == ".gz" and _reads(data, ending) and len(rows) != len(texts) and gzip.decompress(data) == content:
            yield "rows lost", f"{len(texts)} rows went in, {len(rows)} came out"
        if kind == "parquet" and not ending:
            promised = pq.ParquetFile(io.BytesIO(data)).metadata.num_rows
            if promised != len(rows):
                yield "rows lost", f"the footer has {promised} rows, {len(rows)} came out"

    args = ("file", name, "-c", "text", "--prefix", rng.choice(["", "p_"]))
    return Case(
        f"{kind}{ending}, {'cut off' if cut else 'changed'}",
        args,
        {name.encode(): data},
        codes,
        frozenset([out]),
        check,
    )


def damage(rng: random.Random, data: bytes) -> tuple[bytes, bool]:
    """Returns the data, damaged in one of several ways, and whether its end was cut off."""
    way = rng.randrange(7)
    at = rng.randrange(len(data) + 1)
    if way == 0:
        return data[:at], True
    if way == 1:
        return data[: max(0, len(data) - rng.randrange(1, 12))], True
    if way == 2:
        return data + rng.choice([b"\0" * 5, rng.randbytes(9), b"\n", data]), False
    if way == 3:
        return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:], False
    if way == 4:
        return data[:at] + data[at + rng.randrange(1, 30) :], False
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 8])):
        if changed:
            # The end of a Parquet file is its footer, where most harm can be done.
            place = rng.randrange(len(changed)) if way == 5 else -1 - rng.randrange(min(len(changed), 600))
            changed[place] ^= 1 << rng.randrange(8) if rng.random() < 0.5 else rng.randrange(1, 256)
    return bytes(changed), False


def pack(rng: random.Random, content: bytes, ending: str) -> bytes:
    """Returns the content compressed, in one or more members."""
    at = rng.randrange(len(content) + 1)
    parts = rng.choice([[content], [content], [content[:at], content[at:]], [b"", content, b""]])
    if ending == "gz":
        return b"".join(gzip.compress(part, mtime=0) for part in parts)
    return b"".join(_zstd(part) for part in parts)


def _zstd(content: bytes) -> bytes:
    target = io.BytesIO()
    with pa.CompressedOutputStream(pa.PythonFile(target, mode="w"), "zstd") as stream:
        stream.write(content)
        stream.flush()
        inner = target  # Arrow closes the file that it writes to
        target.close = lambda: None  # type: ignore[method-assign]
    return inner.getvalue()


def _reads(data: bytes, ending: str) -> bool:
    try:
        if ending == ".gz":
            gzip.decompress(data)
        elif ending == ".zst":
            pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
        else:
            pq.ParquetFile(io.BytesIO(data)).read()
    except (OSError, EOFError, pa.ArrowException, ValueError):
        return False
    except Exception:
        return False
    return True


def _table(rng: random.Random) -> tuple[str, bytes, list[str | None]]:
    texts: list[str | None] = [random_text(rng, breaks=False, nul=False) for _ in range(rng.choice([1, 2, 6, 20]))]
    texts = [str(text).replace('"', "'").replace("\\", "/").replace("\t", " ").replace("\ufeff", "") for text in texts]
    texts = ["".join(sign for sign in str(text) if sign.isprintable()) for text in texts]
    kind = rng.choice(["parquet", "parquet", "csv", "tsv", "jsonl", "txt"])
    if kind == "parquet":
        other = random_type(rng)
        values = [random_value(rng, other) for _ in texts]
        while True:
            content = write(rng, pa.table({"x": pa.array(values, other), "text": pa.array(texts)}))
            if _reads(content, "") and pq.ParquetFile(io.BytesIO(content)).read().num_rows == len(texts):
                return kind, content, texts
            values, other = [None] * len(texts), pa.int32()
    if kind == "txt":
        return kind, "".join(f"{text}\n" for text in texts).encode(), texts
    if kind == "jsonl":
        return kind, "".join(f'{{"n": 1, "text": "{text}"}}\n' for text in texts).encode(), texts
    separator = "," if kind == "csv" else "\t"
    return (
        kind,
        "".join(f'{a}{separator}"{b}"\n' for a, b in [("n", "text"), *((1, text) for text in texts)]).encode(),
        texts,
    )
