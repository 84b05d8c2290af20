"""File formats: which one a name stands for, and the name that a scored file gets.

A format is a kind of table (Parquet, CSV, ...) and a compression around it, as in `reviews.csv.gz`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sentscore.errors import UsageError


class Kind(StrEnum):
    """How rows are laid out in a file."""

    PARQUET = "parquet"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    TXT = "txt"


class Compression(StrEnum):
    """A compression around a file, by the name that Arrow knows it under."""

    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True)
class Format:
    """A kind of table and the compression around the file, if any."""

    kind: Kind
    compression: Compression | None = None


_KINDS = {
    ".parquet": Kind.PARQUET,
    ".pq": Kind.PARQUET,
    ".csv": Kind.CSV,
    ".tsv": Kind.TSV,
    ".jsonl": Kind.JSONL,
    ".ndjson": Kind.JSONL,
    ".txt": Kind.TXT,
}
_COMPRESSIONS = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}
_MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}

KNOWN = ".parquet, .csv, .tsv, .jsonl or .txt, each also with .gz or .zst"
"""The names that stand for a format, for messages and help."""


def split_name(name: str) -> tuple[str, str]:
    """Splits a file name into its stem and its ending: `reviews.csv.gz` into `reviews` and `.csv.gz`.

    The ending is as much of the name as stands for a format; where nothing does, it is the last suffix.
    """
    path = Path(name)
    if path.suffix.lower() in _COMPRESSIONS:
        inner = Path(path.stem)
        return inner.stem, inner.suffix + path.suffix
    return path.stem, path.suffix


def format_of(name: str) -> Format | None:
    """Returns the format that a file name stands for; None where its ending is not a known one."""
    path = Path(name)
    compression = compression_of_name(name)
    kind = _KINDS.get(Path(path.stem).suffix.lower() if compression else path.suffix.lower())
    return Format(kind, compression) if kind else None


def compression_of_name(name: str) -> Compression | None:
    """Returns the compression that a file name stands for, whatever is inside."""
    return _COMPRESSIONS.get(Path(name).suffix.lower())


def parse_format(value: str) -> Format:
    """Reads the value of `--format`: `csv`, `.csv` or `csv.gz`.

    Raises:
        UsageError: The value is not a known format.
    """
    found = format_of("x." + value.lstrip("."))
    if found is None:
        raise UsageError(f"--format {value}: not a known format; give {KNOWN}")
    return found


def compression_of(head: bytes) -> Compression | None:
    """Returns the compression that a file's first bytes (at least 4) announce."""
    return next((found for magic, found in _MAGIC.items() if head.startswith(magic)), None)


def sniff(head: bytes) -> Kind:
    """Guesses the kind of an uncompressed stream without a name from its first bytes.

    `PAR1` is Parquet, a brace first is JSON lines, all else is text lines. CSV cannot be told from text.
    """
    if head.startswith(b"PAR1"):
        return Kind.PARQUET
    return Kind.JSONL if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else Kind.TXT


def scored_name(name: str) -> str:
    """Returns the default name of a scored file: `reviews.scored.csv.gz` for `reviews.csv.gz`."""
    stem, ending = split_name(name)
    return f"{stem}.scored{ending}"
