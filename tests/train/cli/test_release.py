from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sentscore.model.artifact import find_artifacts
from sentscore_train.cli import app
from sentscore_train.release import RUNS


def test_the_commands_can_be_looked_at(tmp_path) -> None:
    result = CliRunner().invoke(app, ["release", str(tmp_path / "out"), "--work-dir", str(tmp_path / "w"), "--dry-run"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert len(lines) == 2 * len(RUNS)
    assert lines[0].startswith(f"sentscore-train {RUNS[0].cell} --run-dir {tmp_path}/w/{RUNS[0].name} --data-dir data ")
    assert " --test data/aclImdb_v1.tar.gz --purpose " in lines[-1]
    assert not (tmp_path / "w").exists()


def test_the_tables_go_to_every_training_and_those_with_test_rows_to_the_last_measurement(tmp_path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    body = "".join(f"Text {number}.,{number % 2},{'test' if number > 250 else ''}\n" for number in range(300))
    first.write_text("text,label,split\n" + body)
    second.write_text("text,label\nNo.,0\n")
    options = ["--table", str(first), "--table", str(second), "--dry-run"]
    result = CliRunner().invoke(app, ["release", str(tmp_path / "out"), *options])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    trainings = [line for line in lines if line.startswith("sentscore-train")]
    assert len(trainings) == len(RUNS)
    assert all(f" --table {first} --table {second} --data-dir data " in line for line in trainings)
    assert (
        f" --precision fp16 --test {first} --purpose " in lines[-1]
    )  # nothing of IMDB, and the second has no test rows


def test_test_rows_have_to_be_found_by_the_export_too(tmp_path) -> None:
    table = tmp_path / "t.csv"
    body = "".join(f"Text {number}.,a,{number % 2},{'test' if number > 250 else ''}\n" for number in range(300))
    table.write_text("what,else,label,split\n" + body)
    arguments = ["release", str(tmp_path / "out"), "--table", str(table), "--text", "what", "--dry-run"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3
    assert "several columns hold text" in result.stderr


@pytest.mark.parametrize(
    ("earlier", "code", "message"),
    [
        ("artifacts", 2, "--earlier artifacts: this release would replace them: copy them out of it first"),
        ("none", 3, "--earlier none: no model in it: name the folder that the models' folders are in"),
    ],
)
def test_an_earlier_release_must_be_there_and_stay(tmp_path, monkeypatch, earlier, code, message) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["release", "artifacts", "--earlier", earlier, "--dry-run"])
    assert result.exit_code == code
    assert message in result.stderr


def test_a_release_starts_from_the_models_of_an_earlier_one(tmp_path) -> None:
    shipped = find_artifacts()[0].parent
    result = CliRunner().invoke(app, ["release", str(tmp_path / "out"), "--earlier", str(shipped), "--dry-run"])
    assert result.exit_code == 0, result.output
    trainings = {
        line.split("--run-dir ")[1].split()[0].split("/")[-1]: line for line in result.stdout.splitlines()[::2]
    }
    assert f" --start {shipped}/lstm --teacher " in trainings["lstm"]
    assert f" --start {shipped}/gru --teacher " in trainings["gru"]
    assert [name for name, line in trainings.items() if "--pretrain" in line] == ["gru-labelled"]
    assert [name for name, line in trainings.items() if "--start" in line] == ["lstm", "gru"]
    assert all(f"--teacher {shipped}/lstm" in trainings[name] for name in ("lstm", "gru", "lstm-small", "gru-small"))


@pytest.mark.parametrize("command", [["lstm"], ["release", "out"]])
@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--imdb", "none"], 3, "none: not found: check the path"),
        (
            ["--imdb", "t.csv"],
            3,
            "t.csv: is a table, and --imdb takes the aclImdb archive or folder: name a table with",
        ),
        (["--table", "none.csv"], 3, "none.csv"),
        (["--table", "t.csv", "--text", "no"], 3, "t.csv: no column 'no'; it has 'text', 'label'"),
        (["--table", "t.csv"], 3, "t.csv: 3 labelled reviews, at least 200 are needed"),
        (["--text", "body"], 2, "need a table: name a --table"),
        (["--table", "t.csv", "--negative-to", "4"], 2, "--negative-to 4 is not below --positive-from 4"),
    ],
)
def test_what_is_wrong_with_the_reviews_is_found_before_torch_is_imported(
    tmp_path, command, options, code, message
) -> None:
    (tmp_path / "t.csv").write_text("text,label\na,0\nb,1\nc,1\n")
    script = "import sys; from sentscore_train.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    found = subprocess.run(
        [sys.executable, "-c", script, *command, *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == code, found.stderr
    assert message in found.stderr
    assert len([line for line in found.stderr.splitlines() if "error" in line]) == 1
