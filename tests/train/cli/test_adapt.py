from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sentscore_train.cli import app

LABELS = {0: "negative", 1: "positive"}


def write_table(path: Path, count: int = 240, header: str = "body,verdict", positive: int = 2) -> Path:
    """A table in which every second review, or none, is positive."""
    rows = [f"review {number},{LABELS[int(number % positive == 0)]}" for number in range(1, count + 1)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def invoke(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["adapt", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result.exit_code, result.output


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "reviews.csv")


def test_what_cannot_be_learned_from_is_one_line(tiny_artifact, table, tmp_path) -> None:
    out = tmp_path / "mine"
    known = [tiny_artifact, "-o", out, "--table"]
    few = write_table(tmp_path / "few.csv", 50)
    alone = write_table(tmp_path / "alone.csv", positive=1000)
    cases = [
        ([*known, table], 3, "--label"),
        ([*known, table, "--label", "stars"], 3, "no column 'stars'"),
        ([*known, table, "--label", "verdict", "--text", "words"], 3, "no column 'words'"),
        ([*known, table, "--label", "verdict", "--by", "id"], 3, "no column 'id'"),
        ([*known, table, "--label", "body", "--text", "verdict"], 3, "review 1"),
        ([*known, few, "--label", "verdict"], 3, "50 labelled reviews, at least 200"),
        ([*known, alone, "--label", "verdict"], 3, "all 240 labelled reviews are negative"),
        ([*known, tmp_path / "none.csv"], 3, "none.csv"),
        ([*known, table, "--negative-to", "3", "--positive-from", "2"], 2, "--positive-from"),
        ([tiny_artifact, "-o", out], 2, "--table"),
        ([tmp_path / "nothing", "-o", out, "--table", table, "--label", "verdict"], 4, "nothing"),
        ([tiny_artifact, "-o", tmp_path, "--table", table], 6, "--force"),
    ]
    for arguments, code, message in cases:
        found, output = invoke(*arguments)
        assert (found, message in output) == (code, True), output
        assert len(output.strip().splitlines()) <= 2, output  # the last of which is the error
    assert not out.exists()


def test_errors_come_before_torch(tiny_artifact, tmp_path) -> None:
    few = write_table(tmp_path / "few.csv", 50)
    program = (
        "import sys; from sentscore_train.cli import app\n"
        f"try: app(['adapt', {str(tiny_artifact)!r}, '-o', 'out', '--table', {str(few)!r}, '--label', 'verdict'])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert result.stdout.split() == ["3", "False"], result.stderr


def test_what_is_given_is_what_is_done(tiny_artifact, table, tmp_path, monkeypatch) -> None:
    import sentscore_train.adapt.report
    import sentscore_train.adapt.run

    seen = []

    def adapt(job, labelled, unlabelled, config, **_: object) -> None:
        seen.append((job, labelled, unlabelled, config))

    monkeypatch.setattr(sentscore_train.adapt.run, "adapt", adapt)
    monkeypatch.setattr(sentscore_train.adapt.report, "change_report", lambda *_: "the table\n")
    more = write_table(tmp_path / "more.csv", 30)
    out = tmp_path / "mine"
    options = ["--label", "verdict", "--unlabelled", more, "--name", "shop", "--epochs", 3, "--seed", 7, "--resume"]
    code, output = invoke(tiny_artifact, "--table", table, "-o", out, *options)
    assert code == 0, output
    assert "reviews.csv: 120 negative, 120 positive" in output
    assert "the table" in output
    ((job, (labelled,), (unlabelled,), config),) = seen
    assert (job.output, job.run_dir, job.name, job.resume, job.force) == (
        out,
        tmp_path / "mine.run",
        "shop",
        True,
        False,
    )
    assert (len(labelled), len(unlabelled)) == (240, 30)
    assert (config.epochs, config.seed) == (3, 7)
