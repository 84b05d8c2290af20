from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sentscore.cli import app


@pytest.fixture(scope="session")
def invoke() -> Callable[..., Result]:
    """Runs the command line in this process."""

    def invoke(*arguments: object, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)

    return invoke


@pytest.fixture(scope="session")
def assert_one_line() -> Callable[[Result, int, str], None]:
    """Checks that a command ended with an exit code and one line on stderr, which matches a pattern."""

    def assert_one_line(result: Result, code: int, message: str) -> None:
        assert (result.exit_code, result.stdout) == (code, "")
        assert re.fullmatch(rf"sentscore: error: .*{message}.*\n", result.stderr), result.stderr

    return assert_one_line


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_text("id,review\n1,a wonderful film\n2,awful and boring\n3,\n")
    return path


@pytest.fixture
def shipped(tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with one model, whose files a test may change."""
    folder = tmp_path / "shipped" / tiny_artifact.name
    shutil.copytree(tiny_artifact, folder)
    monkeypatch.setattr("sentscore.model.artifact.find_artifacts", lambda: [folder])
    return folder
