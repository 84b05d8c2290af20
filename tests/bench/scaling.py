"""Measures speed and peak memory of `sentscore file` by threads and by rows, as a Markdown table.

    python tests/bench/scaling.py REVIEWS.parquet [--model lstm] [--characters 100] [--rows 10000,100000,1000000]

The reviews of a column `text` are cut to their first characters, so that a million rows take minutes. They are repeated
with another suffix each time, so that no text comes twice. The smallest table is scored with one thread up to one a
processor, and the larger ones with one a processor. The times are those of whole commands: medians of `--runs` for
tables of up to 100,000 rows, and one run for larger ones.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from memory import measure_scoring, repeat_texts
from sentscore.model.cpu import available_cpus

MEDIAN_ROWS = 100_000


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--characters", type=int, default=100)
    parser.add_argument("--rows", default="10000,100000,1000000")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()

    texts = pc.utf8_slice_codeunits(pq.read_table(args.reviews, columns=["text"])["text"], 0, args.characters)
    cpus = available_cpus()
    first, *others = sorted(int(rows) for rows in args.rows.split(","))
    settings = [(first, threads) for threads in range(1, cpus + 1)] + [(rows, cpus) for rows in others]
    base = 0.0
    print("| rows | threads | seconds | rows/s | times the first | peak MiB |\n|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for rows, threads in settings:
            table = Path(folder) / f"{rows}.parquet"
            if not table.exists():
                with pq.ParquetWriter(table, pa.schema([("text", texts.type)])) as writer:
                    for part in repeat_texts(texts, rows):
                        writer.write_table(part)
            options = ["--precision", args.precision, "--threads", str(threads)]
            runs = args.runs if rows <= MEDIAN_ROWS else 1
            found = [measure_scoring(table, args.model, options) for _ in range(runs)]
            peak = statistics.median(peak for peak, _ in found)
            seconds = statistics.median(seconds for _, seconds in found)
            base = base or rows / seconds
            print(
                f"| {rows:,} | {threads} | {seconds:.1f} | {rows / seconds:,.0f} | {rows / seconds / base:.2f} | "
                f"{peak:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
