"""Interrupts a job two or three times at random moments, and counts how it ends.

    python tests/bench/interrupts.py reviews.parquet --runs 200

Every run has to exit with 130 and one line, or with 0 if it was done before, and to leave no part of an output. The
first signal comes at a moment between the command's first line and its usual end, the others up to a second later.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GAPS_S = (0.0, 0.0, 0.001, 0.01, 0.05, 0.2, 1.0)

# A shell that runs this in the background has its children ignore some signals: undo that.
HEEDING = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from sentscore.cli import main
main()
"""
LINE = b"sentscore: error: interrupted"
GOOD_ENDS = ("130, one line", "done before")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-c", HEEDING, "file", str(options.table), "-o", f"{folder}/out.parquet"]
        command += ["--force", "-m", options.model, "--device", "cpu"]
        whole_s = time_whole_run(command)
        print(f"a whole run takes {whole_s:.1f} s")
        ends: Counter[str] = Counter()
        for number in range(options.runs):
            end = interrupt(command, folder, after_s=chance.uniform(0, whole_s), signals=draw_signals(chance))
            ends[end] += 1
            if end not in GOOD_ENDS:
                print(f"run {number}: {end}", flush=True)
        for end, count in ends.most_common():
            print(f"{count:5} {end}")


def draw_signals(chance: random.Random) -> list[tuple[signal.Signals, float]]:
    """Returns two or three signals, each with the seconds to wait after it."""
    return [(chance.choice(SIGNALS), chance.choice(GAPS_S)) for _ in range(chance.choice((2, 3)))]


def interrupt(command: list[str], folder: Path, *, after_s: float, signals: list[tuple[signal.Signals, float]]) -> str:
    """Runs a command that writes to a folder, sends it signals, and returns how it ended."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_handlers(process)
    time.sleep(after_s)
    for kind, gap_s in signals:
        process.send_signal(kind)
        time.sleep(gap_s)
    try:
        _, errors = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "hangs"
    parts = list(folder.glob(".*.part"))
    for part in parts:
        part.unlink()
    lines = errors.splitlines()
    if process.returncode == 130 and len(lines) == 1 and lines[0].startswith(LINE) and not parts:
        return GOOD_ENDS[0]
    if process.returncode == 0 and len(lines) == 1 and not parts:
        return GOOD_ENDS[1]
    shown = errors.decode(errors="replace")[-300:]
    return f"exit {process.returncode}, {len(lines)} lines, {len(parts)} parts: {shown!r}"


def time_whole_run(command: list[str]) -> float:
    """Returns the seconds from a command's first line to its end."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for_handlers(process)
    began = time.monotonic()
    process.communicate()
    return time.monotonic() - began


def wait_for_handlers(process: subprocess.Popen[bytes]) -> None:
    """Waits until a command handles SIGTERM: what comes before is the start of Python itself."""
    mask = 1 << signal.SIGTERM - 1
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if int(status.split("SigCgt:")[1].split()[0], 16) & mask:
            return
        time.sleep(0.001)


if __name__ == "__main__":
    main()
