"""README's commands: those of `sentscore` are run as they stand there, and the options of the others are looked up."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from sentscore import Scorer

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = ["A quiet, lovely film.", "Two hours that I will not get back.", "", "It has its moments."]
PROGRAMS = ("sentscore", "sentscore-train", "sentscore-export")
NAMED = {f"sentscore {name}" for name in ("file", "text", "bench", "explain", "report")}  # they need arguments

# These change the shell, or need a GPU: their options are looked up.
_NOT_RUN = re.compile(r"--install-completion|--device cuda|--model models/")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def _commands() -> Iterator[str]:
    """Yields the lines of shell blocks, and what stands in a sentence and has arguments."""
    for block in _blocks(""):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"\s+#.*", "", line).strip()
            if any(program in command for program in PROGRAMS):
                yield command
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE).replace("\n", " ")
    for command in re.findall(r"`(sentscore(?:-\w+)? [^`]+)`", prose):
        if "…" not in command and command not in NAMED:
            yield re.sub(r"\s+", " ", command)


COMMANDS = list(dict.fromkeys(_commands()))
RUN = [command for command in COMMANDS if re.search(r"(^|\| )sentscore ", command) and not _NOT_RUN.search(command)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that README names."""
    folder = tmp_path_factory.mktemp("readme")
    table = pa.table({"id": range(4), "date": ["2026-11-24"] * 4, "text": TEXTS, "product": ["a", "a", "b", "b"]})
    pq.write_table(table, folder / "reviews.parquet")
    with gzip.open(folder / "reviews.csv.gz", "wb") as file:
        pc.write_csv(table.rename_columns(["id", "date", "body", "product"]), file)
    for name in ("a", "b"):
        lines = "".join(f'{{"text": "{text}"}}\n' for text in TEXTS).encode()
        (folder / f"{name}.jsonl.zst").write_bytes(pa.compress(lines, codec="zstd", asbytes=True))
    for day in (24, 25):
        (folder / f"lake/dt=2026-11-{day}").mkdir(parents=True)
        pq.write_table(table, folder / f"lake/dt=2026-11-{day}/part-0.parquet")
    times = pa.array(["2026-11-24T21:05:00"] * 4).cast(pa.timestamp("s"))
    scored = pa.Table.from_batches(Scorer.load("lstm").score_batches(table.append_column("created_at", times)))
    for name in ("scored", "last-night"):
        pq.write_table(scored, folder / f"{name}.parquet")
    (folder / "reviews.txt").write_text("\n".join(TEXTS) + "\n")
    (folder / "reviews.txt.gz").write_bytes(gzip.compress((folder / "reviews.txt").read_bytes()))
    (folder / "letters").mkdir()
    (folder / "letters/one.txt").write_text(TEXTS[0])
    return folder


def test_readme_has_commands() -> None:
    assert len(RUN) >= 15
    assert any("--whole" in command for command in RUN)


@pytest.mark.parametrize("command", RUN)
def test_a_command_works_as_it_stands(command: str, folder: Path, tmp_path: Path) -> None:
    shown = dict.fromkeys(("PATH", "HOME"), "") | dict(os.environ)
    environment = {**shown, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{shown['PATH']}"}
    work = tmp_path / "work"
    subprocess.run(["cp", "-r", str(folder), str(work)], check=True)  # each command finds its outputs' places free
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout or set(work.rglob("*")) != set(folder.rglob("*"))


@cache
def _help_of(program: str, command: str) -> str:
    module = program.replace("-", "_")
    arguments = [sys.executable, "-m", module, *([command] if command else []), "--help"]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in RUN])
def test_the_options_of_other_commands_exist(command: str) -> None:
    part = next(part for part in re.split(r"&&|\|", command) if part.strip().startswith(PROGRAMS))
    program, *words = shlex.split(part)
    subcommand = words[0] if program != "sentscore-export" and not words[0].startswith("-") else ""
    known = _help_of(program, subcommand)
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    assert [option for option in options if not re.search(rf"{re.escape(option)}\b", known)] == []


@pytest.mark.parametrize("code", _blocks("python"))
def test_python_works_as_it_stands(code: str) -> None:
    names: dict[str, object] = {"frame": {"review": TEXTS}, "table": pa.table({"text": TEXTS})}
    if "import Scorer" not in code:
        names["scorer"] = Scorer.load("lstm")
    exec(compile(code, "README.md", "exec", flags=0, dont_inherit=True), names)
