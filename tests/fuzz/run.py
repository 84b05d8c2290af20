"""Attacks the command with generated input, by hand and for long: `python tests/fuzz/run.py --cases 100000`.

Each case's kind, seed and number decide it, so a failing case is repeated by the command that it prints. What failed is
written to a folder.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from _driver import Report, folder_in_memory, fuzz, jobs_of_machine
from _model import make_models
from _worker import KINDS, Runner, make_case, work, write_files


def main() -> int:
    """Runs what the arguments say; returns 1 if a case failed that is not known to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=12_000, help="how many cases in all, shared by the kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="may be repeated; all if not given")
    parser.add_argument("--case", type=int, help="run this one case, in this process, and keep its folder")
    parser.add_argument("--first", type=int, default=0, help="the number of each kind's first case")
    parser.add_argument("--jobs", type=int, default=jobs_of_machine(), help="workers at a time")
    parser.add_argument(
        "--installed-every", type=int, default=100, help="how often to run the installed command; 0: never"
    )
    parser.add_argument("--models", type=Path, help="a folder of the artifacts lstm and gru; tiny ones if not given")
    parser.add_argument("--out", type=Path, default=Path("fuzz-failures"), help="where failing cases are written")
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    kinds = chosen.kind or list(KINDS)
    if chosen.worker:
        numbers = range(chosen.first, chosen.first + chosen.cases)
        work(kinds[0], chosen.seed, numbers, chosen.models, chosen.root, chosen.installed_every)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        models = chosen.models or Path(folder)
        if chosen.models is None:
            make_models(models)
        if chosen.case is not None:
            return _repeat(kinds[0], chosen.seed, chosen.case, models, chosen.out)
        share = -(-chosen.cases // len(kinds))
        report = fuzz(
            kinds,
            share,
            chosen.seed,
            models,
            first=chosen.first,
            jobs=chosen.jobs,
            installed_every=chosen.installed_every,
        )
        keep_failures(report, models, chosen.out)
    print(report.table())
    for mark in report.unused_marks():
        print(f"no case needed the mark {mark}")
    return 1 if report.failures else 0


def keep_failures(report: Report, models: Path, out: Path) -> None:
    """Writes the files, the command line and the complaints of each failure into a folder of its own."""
    for failure in report.failures:
        place = out / f"{failure.kind}-{failure.seed}-{failure.number}"
        case = make_case(failure.kind, failure.seed, failure.number, models)
        write_files(place / "files", case)
        (place / "case.txt").write_text(f"{failure}\n\nsentscore {shlex.join(case.args)}\n", errors="backslashreplace")


def _repeat(kind: str, seed: int, number: int, models: Path, out: Path) -> int:
    case = make_case(kind, seed, number, models)
    place = out / f"{kind}-{seed}-{number}"
    write_files(place, case)
    print(f"{case.flavour}: sentscore {shlex.join(case.args)!a} in {place}, exit code {sorted(case.exits)} is right")
    with folder_in_memory() as root:
        complaints = Runner(models, Path(root)).run(case)
    for group, message in complaints:
        print(f"{group}: {message}")
    if not complaints:
        shutil.rmtree(place)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
