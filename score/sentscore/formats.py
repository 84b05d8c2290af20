"""File formats: which one a file's name or first bytes stand for, and the name that a scored file gets.

A format is a kind of table (Parquet, CSV, ...) and a compression around it, as in `reviews.csv.gz`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from sentscore.errors import UsageError


class Kind(StrEnum):
    """A kind of table: how rows are laid out in a file."""

    PARQUET = "parquet"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    TXT = "txt"


class Compression(StrEnum):
    """A compression around a file, by Arrow's name for it."""

    GZIP = "gzip"
    ZSTD = "zstd"


@dataclass(frozen=True)
class Format:
    """A kind of table and the compression around the file, if any."""

    kind: Kind
    compression: Compression | None = None

    @property
    def ending(self) -> str:
        """The ending of a file's name that stands for this format, such as `.csv.gz`."""
        return f".{self.kind}" + (_ENDINGS[self.compression] if self.compression else "")


DELIMITERS: Final = {Kind.CSV: ",", Kind.TSV: "\t"}
"""The character between the fields of a row."""

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
_ENDINGS = {compression: ending for ending, compression in _COMPRESSIONS.items()}
_MAGIC = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}

KNOWN_FORMATS = ".parquet, .csv, .tsv, .jsonl or .txt, each also with .gz or .zst"
"""The endings that stand for a format, for messages and help texts."""


def split_name(name: str) -> tuple[str, str]:
    """Splits a file name into its stem and its ending: `reviews.csv.gz` into `reviews` and `.csv.gz`.

    The ending is the last suffix, or the last two where the last one stands for a compression.
    """
    path = Path(name)
    if path.suffix.lower() in _COMPRESSIONS:
        inner = Path(path.stem)
        return inner.stem, inner.suffix + path.suffix
    return path.stem, path.suffix


def parse_file_name(name: str) -> Format | None:
    """Returns the format that a file name stands for, None if its ending is unknown."""
    path = Path(name)
    compression = parse_compression(name)
    kind = _KINDS.get(Path(path.stem).suffix.lower() if compression else path.suffix.lower())
    return Format(kind, compression) if kind else None


def parse_compression(name: str) -> Compression | None:
    """Returns the compression that a file name stands for, None if it stands for none."""
    return _COMPRESSIONS.get(Path(name).suffix.lower())


def parse_format(value: str, *, option: str = "--format") -> Format:
    """Returns the format that an option's value stands for: `csv`, `.csv` or `csv.gz`.

    Raises:
        UsageError: The value is not a known format.
    """
    found = parse_file_name("x." + value.lstrip("."))
    if found is None:
        raise UsageError(f"{option} {value}: not a known format; give {KNOWN_FORMATS}")
    return found


def detect_compression(head: bytes) -> Compression | None:
    """Returns the compression of a file with these first bytes (at least 4), None if it has none."""
    return next((found for magic, found in _MAGIC.items() if head.startswith(magic)), None)


def detect_kind(head: bytes) -> Kind:
    """Returns the probable kind of an uncompressed stream with these first bytes.

    `PAR1` stands for Parquet, a brace for JSON lines, everything else for text lines. CSV looks like text lines.
    """
    if head.startswith(b"PAR1"):
        return Kind.PARQUET
    return Kind.JSONL if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else Kind.TXT


def scored_name(name: str, to: Format | None = None) -> str:
    """Returns the default name of a scored file: `reviews.scored.csv.gz` for `reviews.csv.gz`, or in another format."""
    if to is not None:
        name = converted_name(name, to)
    stem, ending = split_name(name)
    return f"{stem}.scored{ending}"


def converted_name(name: str, to: Format) -> str:
    """Returns a file's name in another format: `reviews.csv.gz` for `reviews.parquet`. An unknown ending stays."""
    return (split_name(name)[0] if parse_file_name(name) else name) + to.ending
