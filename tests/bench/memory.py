"""Peak memory of `sentscore file` on a table and on one 20 times as large, as a Markdown table.

    python tests/bench/memory.py REVIEWS.parquet [--model lstm] [--rows 10000] [--characters 200] [--runs 3]

The reviews (a column `text`) are cut to their first characters, so that the larger table takes minutes and not hours;
it holds the smaller one 20 times, in as many row groups. Peak memory is the operating system's own figure for the
finished process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TIMES = 20


def peak_mebibytes(table: Path, model: str) -> tuple[float, float]:
    """Peak resident memory in MiB and wall time in seconds of scoring a table in a process of its own."""
    command = [sys.executable, "-m", "sentscore", "file", str(table), "--model", model, "--force", "--device", "cpu"]
    started = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return usage.ru_maxrss / 1024, time.monotonic() - started


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--characters", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()

    texts = pq.read_table(args.reviews, columns=["text"])["text"].slice(0, args.rows)
    small = pa.table({"text": pc.utf8_slice_codeunits(texts, 0, args.characters)})
    with tempfile.TemporaryDirectory() as folder:
        peaks: dict[int, list[float]] = {1: [], TIMES: []}
        for times in peaks:
            with pq.ParquetWriter(Path(folder) / f"{times}.parquet", small.schema) as writer:
                for _ in range(times):
                    writer.write_table(small, row_group_size=small.num_rows)
        for _ in range(args.runs):
            for times, found in peaks.items():
                peak, seconds = peak_mebibytes(Path(folder) / f"{times}.parquet", args.model)
                found.append(peak)
                print(f"{small.num_rows * times:,} rows: {peak:,.0f} MiB, {seconds:,.0f} s", file=sys.stderr)
    medians = {times: statistics.median(found) for times, found in peaks.items()}
    print(f"| rows | peak MiB, median of {args.runs} | ratio |\n|---|---|---|")
    for times, median in medians.items():
        print(f"| {small.num_rows * times:,} | {median:,.0f} | {median / medians[1]:.3f} |")


if __name__ == "__main__":
    main()
