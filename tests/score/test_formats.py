from __future__ import annotations

import pytest

from sentscore.errors import UsageError
from sentscore.formats import (
    Compression,
    Format,
    Kind,
    converted_name,
    detect_kind,
    parse_file_name,
    parse_format,
    scored_name,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.parquet", Format(Kind.PARQUET)),
        ("a.PQ", Format(Kind.PARQUET)),
        ("a.csv", Format(Kind.CSV)),
        ("a.b.tsv.gz", Format(Kind.TSV, Compression.GZIP)),
        ("a.jsonl.zst", Format(Kind.JSONL, Compression.ZSTD)),
        ("a.ndjson", Format(Kind.JSONL)),
        ("a.Txt.GZ", Format(Kind.TXT, Compression.GZIP)),
        ("a.gz", None),
        ("a.xlsx", None),
        ("csv", None),
        ("a", None),
    ],
)
def test_a_name_stands_for_a_format(name: str, expected: Format | None) -> None:
    assert parse_file_name(name) == expected


@pytest.mark.parametrize("value", ["csv.gz", ".csv.gz", "CSV.GZ"])
def test_format_option_is_read_like_a_name(value: str) -> None:
    assert parse_format(value) == Format(Kind.CSV, Compression.GZIP)


@pytest.mark.parametrize("value", ["xlsx", "", "gz", "csv.bz2"])
def test_unknown_format_option_is_a_usage_error(value: str) -> None:
    with pytest.raises(UsageError, match="--format"):
        parse_format(value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reviews.csv.gz", "reviews.scored.csv.gz"),
        ("reviews.parquet", "reviews.scored.parquet"),
        ("2024.01.txt", "2024.01.scored.txt"),
        ("odd.dat", "odd.scored.dat"),
        ("bare", "bare.scored"),
        (".txt", ".txt.scored"),
    ],
)
def test_default_output_name(name: str, expected: str) -> None:
    assert scored_name(name) == expected


@pytest.mark.parametrize(
    ("name", "to", "converted", "scored"),
    [
        ("reviews.csv.gz", "parquet", "reviews.parquet", "reviews.scored.parquet"),
        ("reviews.PQ", "csv.zst", "reviews.csv.zst", "reviews.scored.csv.zst"),
        ("2024.01.dat", "tsv", "2024.01.dat.tsv", "2024.01.dat.scored.tsv"),
        ("part-0", "jsonl.gz", "part-0.jsonl.gz", "part-0.scored.jsonl.gz"),
    ],
)
def test_a_name_in_another_format(name: str, to: str, converted: str, scored: str) -> None:
    assert converted_name(name, parse_format(to)) == converted
    assert scored_name(name, parse_format(to)) == scored


def test_the_option_of_an_unknown_format_is_named() -> None:
    with pytest.raises(UsageError, match="--to xls: not a known format"):
        parse_format("xls", option="--to")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"PAR1\x15\x04", Kind.PARQUET),
        (b'{"a": 1}', Kind.JSONL),
        (b'\xef\xbb\xbf \n\t{"a": 1}', Kind.JSONL),
        (b"[1]", Kind.TXT),
        (b"good film", Kind.TXT),
        (b"PAR", Kind.TXT),
        (b"", Kind.TXT),
    ],
)
def test_kind_is_detected_by_the_first_bytes(head: bytes, expected: Kind) -> None:
    assert detect_kind(head) is expected
