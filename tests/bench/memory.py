"""Measures the peak memory of `sentscore file` on a table and on a larger one, as a Markdown table.

    python tests/bench/memory.py REVIEWS.parquet [--model lstm] [--rows 10000] [--times 20] [--characters 200]
    python tests/bench/memory.py REVIEWS.parquet --rows 200000 --times 10 --sample 200 --runs 1

The tables repeat the reviews of a column `text`, each time with another suffix, so that no text comes twice. Two
options make the larger table a matter of minutes: `--characters` cuts the texts, and with `--sample 200` the model runs
only on every 200th batch, and the others get a score of 0.5. The peak memory is the operating system's figure for the
process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROW_GROUP = 10_000

SAMPLED = """
import sys, threading
import numpy as np
from sentscore.model.session import Session

real, every, batches, lock = Session.run, int(sys.argv.pop(1)), 0, threading.Lock()

def run(self, token_ids, lengths):
    global batches
    with lock:
        batches += 1
        sampled = batches % every == 1
    half = np.full(len(lengths), 0.5, np.float32)
    return real(self, token_ids, lengths) if sampled else (half, half)

Session.run = run
from sentscore.cli import main
main()
"""


def repeat_texts(texts: pa.ChunkedArray, rows: int) -> Iterator[pa.Table]:
    """Yields tables of the texts again and again, up to that many rows, each time with another suffix."""
    for repeat in count():
        for start in range(0, len(texts), ROW_GROUP):
            part = texts.slice(start, min(ROW_GROUP, rows))
            yield pa.table({"text": pc.binary_join_element_wise(part, f"#{repeat}", " ")})
            rows -= len(part)
            if not rows:
                return


def measure_scoring(table: Path, model: str, options: Sequence[str] = (), sample: int = 1) -> tuple[float, float]:
    """Scores a table in a process of its own and returns its peak resident memory in MiB and its wall seconds."""
    arguments = ["file", str(table), "--model", model, "--force", "--device", "cpu", *options]
    program = ["-m", "sentscore"] if sample == 1 else ["-c", SAMPLED, str(sample)]
    command = [sys.executable, *program, *arguments]
    started = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"sentscore {' '.join(arguments)}: exit code {process.returncode}")
    return usage.ru_maxrss / 1024, time.monotonic() - started


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--characters", type=int)
    parser.add_argument("--sample", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()

    texts = pq.read_table(args.reviews, columns=["text"])["text"]
    if args.characters:
        texts = pc.utf8_slice_codeunits(texts, 0, args.characters)
    with tempfile.TemporaryDirectory() as folder:
        peaks: dict[int, list[float]] = {args.rows: [], args.rows * args.times: []}
        for rows in peaks:
            with pq.ParquetWriter(Path(folder) / f"{rows}.parquet", pa.schema([("text", texts.type)])) as writer:
                for table in repeat_texts(texts, rows):
                    writer.write_table(table)
        for _ in range(args.runs):
            for rows, found in peaks.items():
                peak, seconds = measure_scoring(Path(folder) / f"{rows}.parquet", args.model, sample=args.sample)
                found.append(peak)
                print(f"{rows:,} rows: {peak:,.0f} MiB, {seconds:,.0f} s", file=sys.stderr)
    medians = {rows: statistics.median(found) for rows, found in peaks.items()}
    print(f"| rows | peak MiB, median of {args.runs} | ratio |\n|---|---|---|")
    for rows, median in medians.items():
        print(f"| {rows:,} | {median:,.0f} | {median / medians[args.rows]:.3f} |")


if __name__ == "__main__":
    main()
