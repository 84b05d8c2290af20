from __future__ import annotations

import subprocess
import sys

import pytest

from sentscore import __version__

HEAVY = ("torch", "spacy", "onnxruntime", "numpy", "pyarrow", "sentscore.model.artifact")


@pytest.mark.parametrize(
    "statement",
    [
        "import sentscore.cli.commands",
        "from sentscore.cli import app; app(['--help'])",
        "from sentscore.cli import app; app(['file', '--help'])",
    ],
)
def test_neither_the_import_nor_help_loads_anything_heavy(statement: str) -> None:
    script = f"import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n{statement}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "typer" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert "rich" not in loaded


def test_the_module_runs() -> None:
    done = subprocess.run([sys.executable, "-m", "sentscore", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"sentscore {__version__}\n"


@pytest.mark.parametrize("name", ["", "file", "text", "explain", "report", "models", "doctor", "bench"])
def test_every_command_has_help(name: str, invoke) -> None:
    result = invoke(*name.split(), "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")


def test_no_command_shows_help(invoke) -> None:
    assert "Commands:" in invoke().output
