"""Tests that a scorer shared by threads gives every one of them the scores that one thread gets, bit for bit.

    python tests/bench/threads.py REVIEWS.parquet [--model lstm] [--precision int8] [--scorers 20] [--callers 8]

Each scorer is fresh when all its callers begin at once, and is tested again by one caller afterwards. Then follow the
speed and the most memory of one caller and of all, each in a process of its own. The exit code is 1 if a bit differs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from sentscore import Scorer
from sentscore.model.artifact import Artifact, load_artifact

Scores = npt.NDArray[np.float32]

SWITCH_S = 1e-4  # between two threads of Python: 50 times as often as usual, so that what can go wrong does


def score_together(scorer: Scorer, parts: Sequence[Sequence[str]]) -> list[Scores]:
    """Returns the scores of each part, scored by a thread each; all begin at once. NaN where a thread fails."""
    begin = threading.Barrier(len(parts))

    def score(texts: Sequence[str]) -> Scores:
        begin.wait()
        try:
            return scorer.score(texts)
        except Exception as error:
            print(f"a caller failed: {type(error).__name__}: {error}", flush=True)
            return np.full(len(texts), np.nan, np.float32)

    with ThreadPoolExecutor(len(parts)) as callers:
        return list(callers.map(score, parts))


def count_different(found: Scores, expected: Scores) -> int:
    """Returns how many scores differ in a bit."""
    return int((found.view(np.uint32) != expected.view(np.uint32)).sum())


def check(artifact: Artifact, precision: str, parts: Sequence[Sequence[str]], scorers: int) -> int:
    """Scores with fresh scorers, prints a row for all, and returns how many scores differ."""
    alone = Scorer.load(artifact, device="cpu", precision=precision, threads=1)
    expected = [alone.score(part) for part in parts]
    rest = [part[: max(1, len(part) // len(parts))] for part in parts]
    then = afterwards = 0
    for _ in range(scorers):
        scorer = Scorer.load(artifact, device="cpu", precision=precision)
        found = score_together(scorer, parts)
        then += sum(map(count_different, found, expected))
        for part, scores in zip(rest, expected, strict=True):
            [again] = score_together(scorer, [part])
            afterwards += count_different(again, scores[: len(part)])
    texts, texts_again = (scorers * sum(map(len, each)) for each in (parts, rest))
    print(
        f"{artifact.name} {precision}: {scorers} fresh scorers x {len(parts)} callers: {then:,} of {texts:,} scores "
        f"differ, afterwards {afterwards:,} of {texts_again:,}",
        flush=True,
    )
    return then + afterwards


def measure(scorer: Scorer, parts: Sequence[Sequence[str]]) -> None:
    """Prints the speed and the most memory of this process."""
    scorer.score(parts[0][:16])
    began = time.perf_counter()
    score_together(scorer, parts)
    seconds = time.perf_counter() - began
    texts = sum(map(len, parts))
    print(
        f"{scorer.name} {scorer.precision}: {len(parts)} callers of {len(parts[0])} texts: {texts / seconds:,.0f} "
        f"reviews/s, at most {read_peak():,.0f} MiB",
        flush=True,
    )


def read_peak() -> float:
    """Returns the most memory that this process has had resident, in MiB: Linux's own count, which begins with it."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))) / 1024


def main() -> None:
    """Runs the checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", action="append")
    parser.add_argument("--precision", action="append", choices=["fp32", "int8"])
    parser.add_argument("--scorers", type=int, default=20, help="0 measures speed and memory alone")
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--texts", type=int, default=200, help="of each caller")
    parser.add_argument("--measure", type=int, help="measure this many callers in this process, and nothing else")
    args = parser.parse_args()

    rows = pq.read_table(args.reviews, columns=["text"])["text"].to_pylist()[: args.callers * args.texts]
    models = args.model or ["lstm", "gru"]
    precisions = args.precision or ["fp32", "int8"]
    if args.measure:
        size = len(rows) // args.measure
        parts = [rows[start : start + size] for start in range(0, size * args.measure, size)]
        measure(Scorer.load(models[0], device="cpu", precision=precisions[0]), parts)
        return
    sys.setswitchinterval(SWITCH_S)
    parts = [rows[start : start + args.texts] for start in range(0, len(rows), args.texts)]
    differ = 0
    for model in models:
        artifact = load_artifact(model)
        for precision in precisions:
            differ += check(artifact, precision, parts, args.scorers) if args.scorers else 0
            for callers in (1, args.callers):
                again = [sys.executable, __file__, str(args.reviews), "--model", model, "--precision", precision]
                sizes = ["--callers", str(args.callers), "--texts", str(args.texts), "--measure", str(callers)]
                subprocess.run([*again, *sizes], check=True)
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
