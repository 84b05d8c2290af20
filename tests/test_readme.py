"""README's commands: those of `sentscore` are run as they stand there, and the options of the others are looked up."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
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

NOT_INSTALLED = "import (airflow|deltalake)|from (airflow|deltalake)"  # heavier than what they show is worth

# These change the shell, or need a GPU or a store: their options are looked up.
_NOT_RUN = re.compile(r"--install-completion|--device cuda|--model models/|s3://")


def _blocks(language: str) -> list[str]:
    """Returns the fenced blocks of a language, which is empty for the shell's."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


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
    subprocess.run(["cp", "-r", str(folder), str(work)], check=True)
    for output in re.findall(r"(?:-o|--output) (\S+)", command):  # each command finds its outputs' places free
        if (work / output).is_file():
            (work / output).unlink()
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


@pytest.mark.parametrize("language", ["cron", "ini", "dockerfile", "yaml"])
def test_what_is_for_other_programs_names_options_that_exist(language: str) -> None:
    [block] = _blocks(language)
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"^RUN.*", "", block, flags=re.MULTILINE)))
    assert [each for each in options if not re.search(rf"{each}\b", _help_of("sentscore", "file"))] == []
    assert language == "dockerfile" or "--incremental" in options


def test_the_container_installs_what_the_core_needs() -> None:
    core = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    needed = {re.match(r"[\w-]+", each)[0] for each in core} - {"onnxruntime-gpu"}  # type: ignore[index]
    assert needed <= set(re.findall(r"[\w-]+", _blocks("dockerfile")[0]))


@pytest.mark.parametrize("code", [code for code in _blocks("python") if re.search(NOT_INSTALLED, code)])
def test_python_for_packages_that_tests_do_not_install_can_be_read(code: str) -> None:
    compile(code, "README.md", "exec", dont_inherit=True)
    options = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", code)
    assert [each for each in options if not re.search(rf"{each}\b", _help_of("sentscore", "file"))] == []


@pytest.mark.parametrize("code", [code for code in _blocks("python") if not re.search(NOT_INSTALLED, code)])
def test_python_works_as_it_stands(code: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder / "lake", tmp_path / "lake.scored")
    for path in tmp_path.rglob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.append_column("score", [[0.5] * 4]).append_column("sentiment", [["positive"] * 4]), path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"frame": {"review": TEXTS}, "table": pa.table({"text": TEXTS})}
    if "import Scorer" not in code:
        names["scorer"] = Scorer.load("lstm")
    exec(compile(code, "README.md", "exec", flags=0, dont_inherit=True), names)
