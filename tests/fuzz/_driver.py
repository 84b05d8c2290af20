"""Starts workers and collects what they report: a worker that dies or hangs is a finding, and another goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from _case import CLASSES, HANG_S, Complaint
from _known import KNOWN, known_marks

_RUN = Path(__file__).with_name("run.py")


@dataclass(frozen=True)
class Failure:
    """A case that failed."""

    kind: str
    number: int
    flavour: str
    complaints: tuple[Complaint, ...]
    seed: int

    @property
    def command(self) -> str:
        """The command that repeats it."""
        return f"python tests/fuzz/run.py --kind {self.kind} --seed {self.seed} --case {self.number}"

    @property
    def marks(self) -> list[tuple[str, str, str]]:
        """The marks of known faults that say why it failed."""
        return known_marks(self.kind, self.flavour, [group for group, _ in self.complaints])

    def __str__(self) -> str:
        what = "; ".join(f"{group}: {' '.join(message.split())[:500]}" for group, message in self.complaints)
        return f"{self.kind} {self.number} ({self.flavour}): {what}\n    {self.command}"


@dataclass
class Report:
    """What came of a run: the cases of each kind, the failures, and those that are known."""

    cases: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    known: list[Failure] = field(default_factory=list)

    def table(self) -> str:
        """Returns a line a kind: its cases and its failures by class."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for failure in [*self.failures, *self.known]:
            found[failure.kind].update({group for group, _ in failure.complaints})
        lines = [f"{'kind':<12}{'cases':>8}" + "".join(f"{name:>12}" for name in CLASSES) + f"{'known':>8}"]
        for kind, cases in sorted(self.cases.items()):
            known = sum(failure.kind == kind for failure in self.known)
            counts = "".join(f"{found[kind][name]:>12}" for name in CLASSES)
            lines.append(f"{kind:<12}{cases:>8}{counts}{known:>8}")
        total = Counter(name for counts in found.values() for name in counts.elements())
        lines.append(f"{'all':<12}{sum(self.cases.values()):>8}" + "".join(f"{total[name]:>12}" for name in CLASSES))
        return "\n".join(lines)

    def unused_marks(self) -> list[str]:
        """Returns the marks of known faults that no case needed."""
        needed = {mark for failure in self.known for mark in failure.marks}
        return [f"{', '.join(mark)}: {why}" for mark, why in KNOWN.items() if mark not in needed]


def fuzz(
    kinds: Sequence[str],
    cases: int,
    seed: int,
    models: Path,
    *,
    first: int = 0,
    jobs: int = 1,
    installed_every: int = 100,
) -> Report:
    """Runs as many cases of each kind, in workers of a few thousand cases each."""
    step = 2_000  # a worker takes a second to start
    parts = [
        (kind, range(start, min(start + step, first + cases)))
        for start in range(first, first + cases, step)
        for kind in kinds
    ]
    report = Report()
    with ThreadPoolExecutor(jobs) as pool:
        done = pool.map(lambda part: _run_part(*part, seed, models, installed_every), parts)
        for (kind, numbers), failures in zip(parts, done, strict=True):
            report.cases[kind] += len(numbers)
            for failure in failures:
                known = bool(failure.marks)
                (report.known if known else report.failures).append(failure)
                print(f"{'known: ' if known else ''}{failure}", file=sys.stderr, flush=True)
    return report


def _run_part(
    kind: str, numbers: range, seed: int, models: Path, installed_every: int, *, again: bool = False
) -> list[Failure]:
    with folder_in_memory() as root:  # a worker that is killed cannot remove it
        return _run_workers(kind, numbers, seed, models, installed_every, root, again=again)


def _run_workers(
    kind: str, numbers: range, seed: int, models: Path, installed_every: int, root: str, *, again: bool
) -> list[Failure]:
    failures = []
    start = numbers.start
    while start < numbers.stop:
        command = [
            *(sys.executable, str(_RUN), "--worker", "--kind", kind, "--seed", str(seed), "--models", str(models)),
            *("--root", root),
            *("--first", str(start), "--cases", str(numbers.stop - start), "--installed-every", str(installed_every)),
        ]
        with (
            tempfile.TemporaryFile("w+") as stderr,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
        ):
            begun, flavour, ended = start, "", start - 1
            assert process.stdout is not None
            for line in process.stdout:
                told = json.loads(line)
                flavour = told["flavour"]
                begun = told.get("begun", begun)
                if "ended" in told:
                    ended = told["ended"]
                    if told["complaints"]:
                        failures.append(Failure(kind, ended, flavour, tuple(map(tuple, told["complaints"])), seed))
            code = process.wait()
            stderr.seek(0)
            said = stderr.read()
        if ended == numbers.stop - 1 and code == 0:
            return failures
        if ended == begun or not flavour:
            raise RuntimeError(f"a worker for {kind} from {start} ended with {code}: {said[-2000:]}")
        group = "hang" if "Timeout" in said else "crash"
        start = begun + 1
        if group == "hang" and not again:
            # A busy machine can stand still for as long. Only what takes as long again hangs.
            found = list(_run_part(kind, range(begun, start), seed, models, installed_every, again=True))
            print(f"{kind} {begun} was stopped after {HANG_S:g} s: {said[-1500:]}", file=sys.stderr, flush=True)
            failures += found
            continue
        failures.append(Failure(kind, begun, flavour, ((group, f"worker ended with {code}: {said[-1500:]}"),), seed))
    return failures


def folder_in_memory() -> tempfile.TemporaryDirectory[str]:
    """Returns a temporary folder, in memory where that can be."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(
        prefix="fuzz-", dir=memory if memory.is_dir() else None, ignore_cleanup_errors=True
    )


def jobs_of_machine() -> int:
    return max(1, len(os.sched_getaffinity(0)))
