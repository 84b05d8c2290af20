"""Runs cases in this process, through the command's own functions, and every so often through the installed command.

A worker prints a line of JSON before and after each case, so that whoever started it knows which case ended it.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from _artifacts import artifact_case
from _case import HANG_S, Case, Complaint, Ended, Generator
from _checks import check_end
from _commands import command_case
from _damage import compressed_case, damaged_case
from _folders import folder_case, name_case
from _jsonl import any_jsonl_case
from _model import CELLS
from _tables import any_parquet_case
from _texts import csv_case, lines_case, text_case, tsv_case, whole_case

KINDS: dict[str, Generator] = {
    "parquet": any_parquet_case,
    "csv": csv_case,
    "tsv": tsv_case,
    "jsonl": any_jsonl_case,
    "txt": lines_case,
    "whole": whole_case,
    "text": text_case,
    "compressed": compressed_case,
    "damaged": damaged_case,
    "artifacts": artifact_case,
    "commands": command_case,
    "names": name_case,
    "folders": folder_case,
}
"""The generator of each kind of case."""


def make_case(kind: str, seed: int, number: int, models: Path) -> Case:
    """Returns a case, which its kind, the seed and its number decide, as they do the model and its precision."""
    chance = random.Random(f"{seed}:{kind}:{number}")
    model, precision = chance.choice(CELLS), chance.choice(["fp32", "int8"])
    return replace(KINDS[kind](chance, models / model), model=model, precision=precision)


class Runner:
    """Runs cases with tiny models, each in a folder under `root`, which the caller owns: a worker may be killed."""

    def __init__(self, models: Path, root: Path) -> None:
        import typer.main

        from sentscore.cli import app
        from sentscore.scorer import Scorer

        self._command = typer.main.get_command(app)
        self._models = models
        self._load = cache(
            lambda model, precision: Scorer.load(models / model, precision=precision, device="cpu", threads=1)
        )
        self._root = root

    def run(self, case: Case, *, installed: bool = False) -> list[Complaint]:
        """Returns what is wrong with a case's end."""
        folder = self._root / "case"
        write_files(folder, case)
        args = [*case.args]
        if not case.own_model:
            args[1:1] = [
                "--model",
                str(self._models / case.model),
                "--device",
                "cpu",
                *(["--threads=1"] if args[0] == "file" else []),
            ]
            if not any(arg.startswith("--precision") for arg in args):
                args[1:1] = ["--precision", case.precision]
        code, stdout, stderr = (run_installed if installed else self._run_here)(args, case.stdin, folder)
        scorer = self._load(case.model, case.precision)
        ended = Ended(code, stdout, stderr, _read_files(folder), lambda texts: scorer.score(texts).tolist())
        shutil.rmtree(folder)
        return list(check_end(case, ended))

    def _run_here(self, args: list[str], stdin: bytes, folder: Path) -> tuple[int, bytes, str]:
        stdout = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        before = Path.cwd()
        old_stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
        os.chdir(folder)
        code = 0
        try:
            with _captured_stderr() as captured, redirect_stdout(stdout):
                try:
                    self._command(args=args, prog_name="sentscore")
                except SystemExit as end:
                    code = end.code if isinstance(end.code, int) else 1
                except BaseException:
                    code = 1
                    traceback.print_exc()
        finally:
            sys.stdin = old_stdin
            os.chdir(before)
        stdout.flush()
        return code, stdout.buffer.getvalue(), captured[0]  # type: ignore[attr-defined]


def run_installed(args: list[str], stdin: bytes, folder: Path) -> tuple[int, bytes, str]:
    """Runs the command in a process of its own; a death by a signal has a negative code."""
    command = [sys.executable, "-m", "sentscore", *args]
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=folder, timeout=3 * HANG_S, check=False)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "backslashreplace")


def write_files(folder: Path, case: Case) -> None:
    """Makes the folder of a case."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in case.files.items():
        path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118 - names are bytes
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content)
    for name in case.fifos:
        os.mkfifo(os.path.join(os.fsencode(folder), name))  # noqa: PTH118


def _read_files(folder: Path) -> dict[bytes, bytes]:
    found = {}
    root = os.fsencode(folder)
    for parent, _, names in os.walk(root):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - names are bytes
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            with open(path, "rb") as file:  # noqa: PTH123
                found[os.path.relpath(path, root)] = file.read()
    return found


@contextmanager
def _captured_stderr() -> Iterator[list[str]]:
    """Catches what is written to stderr, by libraries in C too."""
    captured = [""]
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        os.dup2(file.fileno(), 2)
        old, sys.stderr = (
            sys.stderr,
            io.TextIOWrapper(
                io.FileIO(os.dup(file.fileno()), "w"), "utf-8", errors="backslashreplace", write_through=True
            ),
        )
        try:
            yield captured
        finally:
            sys.stderr.close()
            sys.stderr = old
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            captured[0] = file.read().decode("utf-8", "backslashreplace")


def work(kind: str, seed: int, numbers: range, models: Path, root: Path, installed_every: int) -> None:
    """Runs cases one after the other, and says on stdout what it begins and what came of it."""
    _limit_memory()
    runner = Runner(models, root)
    stderr = os.fdopen(os.dup(2), "w")
    out = os.fdopen(os.dup(1), "w")

    def tell(**values: Any) -> None:
        out.write(json.dumps(values) + "\n")
        out.flush()

    for number in numbers:
        case = make_case(kind, seed, number, models)
        installed = bool(installed_every) and number % installed_every == installed_every - 1
        tell(begun=number, flavour=case.flavour)
        faulthandler.dump_traceback_later(HANG_S * (4 if installed else 1), file=stderr, exit=True)
        try:
            complaints = runner.run(case, installed=installed)
        except subprocess.TimeoutExpired:
            complaints = [("hang", "the installed command did not end")]
        except Exception:
            complaints = [("values", f"the output could not be checked: {traceback.format_exc()[-900:]}")]
        faulthandler.cancel_dump_traceback_later()
        tell(ended=number, complaints=complaints, flavour=case.flavour)


def _limit_memory() -> None:
    """Makes a graph or an input that wants all memory fail in this process alone."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
