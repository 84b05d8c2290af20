from __future__ import annotations

from typer.testing import CliRunner

from sentscore_train.cli import app


def test_the_commands_can_be_looked_at(tmp_path) -> None:
    result = CliRunner().invoke(app, ["release", str(tmp_path / "out"), "--work-dir", str(tmp_path / "w"), "--dry-run"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == 12
    assert lines[0].startswith(f"sentscore-train gru --run-dir {tmp_path}/w/gru-labelled ")
    assert not (tmp_path / "w").exists()
