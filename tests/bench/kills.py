"""Kills jobs at random moments, carries them on, and measures what the kills cost.

    python tests/bench/kills.py reviews.parquet --kills 60

Takes turns with each model, both together, one input and several. A job is killed (SIGKILL) and started again until it
ends; what it has written then has to be that of a job that nobody disturbed, byte for byte, with nothing beside it.
What a kill loses is the time since scores were last kept, or since the job began where there are none.
"""

from __future__ import annotations

import argparse
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

RECORD_HEADER = struct.Struct("<16sIII")  # of sentscore.jobs.journal: key, rows, model, scores
WORTH_TELLING_S = 1.5
WAYS = ((("lstm",), 1), (("gru",), 1), (("lstm", "gru"), 1), (("lstm",), 3), (("lstm", "gru"), 3))
"""The models and the number of inputs of a job."""


@dataclass(frozen=True)
class Kill:
    """What a kill did: when it came, what it lost, and how many scores were kept since the kill before."""

    after_s: float
    lost_s: float
    progress: int


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--rows", type=int, default=12_000, help="The rows of a job.")
    parser.add_argument("--between", type=float, nargs=2, default=(1.0, 10.0), metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    kills: list[Kill] = []
    different = 0
    with tempfile.TemporaryDirectory() as name:
        wholes: dict[object, Path] = {}
        number = 0
        while len(kills) < options.kills:
            models, inputs = WAYS[number % len(WAYS)]
            folder = Path(name) / str(number)
            tables = split_table(options.table, options.rows, inputs, Path(name))
            if (models, inputs) not in wholes:
                whole = wholes[models, inputs] = Path(name) / f"whole-{number}"
                whole.mkdir()
                subprocess.run(make_command(tables, models, whole), check=True, stderr=subprocess.DEVNULL)
            folder.mkdir()
            of_job = []
            command = make_command(tables, models, folder)
            while (kill := run_and_kill(command, folder, chance, options.between)) is not None:
                of_job.append(kill)
            kills += of_job
            same = read_folder(folder) == read_folder(wholes[models, inputs])
            different += not same
            stuck = sum(kill.progress <= 0 for kill in of_job)
            print(
                f"{'+'.join(models)}, {inputs} inputs: {len(of_job)} kills, {stuck} without progress, "
                f"worst {max((kill.lost_s for kill in of_job), default=0.0):.2f} s, "
                f"{'identical' if same else 'DIFFERENT: ' + str(sorted(read_folder(folder)))}",
                flush=True,
            )
            number += 1
    lost = np.array([kill.lost_s for kill in kills])
    print(f"{len(kills)} kills of {number} jobs, {different} ends differ")
    median, most = np.quantile(lost, [0.5, 0.95])
    print(f"lost by a kill: median {median:.2f} s, 95 % {most:.2f} s, worst {lost.max():.2f} s")


def split_table(table: Path, rows: int, parts: int, folder: Path) -> list[Path]:
    """Returns the first rows of a table as so many files."""
    content = pq.read_table(table).slice(0, rows)
    paths = []
    for number in range(parts):
        paths.append(folder / f"{number + 1}-of-{parts}.parquet")
        if not paths[-1].exists():
            size = -(-rows // parts)
            pq.write_table(content.slice(number * size, size), paths[-1])
    return paths


def make_command(tables: list[Path], models: tuple[str, ...], folder: Path) -> list[str]:
    """Returns the command of a job that leaves out what was finished before."""
    options = [option for model in models for option in ("--model", model)]
    return [
        *(sys.executable, "-m", "sentscore", "file", *map(str, tables), *options),
        *("--device", "cpu", "--skip-existing", "--output", str(folder)),
    ]


def run_and_kill(command: list[str], folder: Path, chance: random.Random, between: tuple[float, float]) -> Kill | None:
    """Runs a job and kills it at a random moment. Returns None if it was done before."""
    kept_before = count_kept(folder)
    began = time.time()
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    old_parts = set(folder.glob(".*.part"))
    part, saved = None, None  # the output at work, and since when scores would be lost
    end = began + chance.uniform(*between)
    while process.poll() is None and time.time() < end:
        new = set(folder.glob(".*.part")) - old_parts
        if new and part not in new:
            part, saved = new.pop(), time.time()
        time.sleep(0.005)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    killed = time.time()
    _, errors = process.communicate()
    if process.returncode != -signal.SIGKILL:
        if process.returncode:
            raise RuntimeError(errors.decode())
        return None
    kept = [path.stat().st_mtime for path in folder.glob(".*.scores")]
    kept += [path.stat().st_ctime for path in folder.glob("*.parquet")]  # when one got its name
    since = max([saved, *kept]) if saved is not None else killed
    kill = Kill(killed - began, killed - since, count_kept(folder) - kept_before)
    if kill.lost_s > WORTH_TELLING_S:
        begun_after_s = saved - began if saved is not None else 0.0
        print(f"output begun after {begun_after_s:.2f} s: {kill}", flush=True)
    return kill


def count_kept(folder: Path) -> int:
    """Returns how many scores lie in a folder, in outputs and journals."""
    kept = sum(2**40 for path in folder.glob("*.parquet"))  # a finished one counts more than any journal
    for path in folder.glob(".*.scores"):
        content = path.read_bytes()
        start = content.find(b"\n") + 1
        while start + RECORD_HEADER.size <= len(content):
            _, rows, _, count = RECORD_HEADER.unpack_from(content, start)
            start += RECORD_HEADER.size + (rows + 7) // 8 + 4 * count + 4
            if start <= len(content):
                kept += count
    return kept


def read_folder(folder: Path) -> dict[str, bytes]:
    """Returns the files of a folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


if __name__ == "__main__":
    main()
