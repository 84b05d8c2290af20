from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sentscore.model.session import Session
from sentscore_export import export, parity
from sentscore_export.cli import app
from sentscore_export.parity import Parity, ParityConfig


def test_without_a_checkpoint_the_error_is_one_line_and_exit_code_3(tmp_path) -> None:
    result = CliRunner().invoke(app, [str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code == 3
    assert "no best.json in it" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_export_in_every_precision_says_what_each_costs(make_run, tmp_path) -> None:
    arguments = ["--name", "mine", "--precision", "int8", "--precision", "fp16", "--parity-batches", "5"]
    result = CliRunner().invoke(app, [str(make_run("gru")), str(tmp_path / "out"), *arguments])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'out'}: mine, 0.0 MB, worst logit difference ")
    assert lines[0].split("over ")[1].startswith("5 batches of ")
    assert [line.partition(":")[0] for line in lines[1:]] == ["int8", "fp16", "validation"]


@pytest.mark.parametrize(("further", "expected"), [([], 40), (["--test", "{table}"], 500)])
def test_a_model_that_is_measured_on_test_reviews_is_compared_on_more_batches(
    make_run, tmp_path, monkeypatch, further, expected
) -> None:
    table = tmp_path / "test.parquet"
    pq.write_table(pa.table({"text": ["a great film", "too long"], "label": [1, 0]}), table)
    found: list[int] = []

    def compare(*_: object, config: ParityConfig, **__: object) -> Parity:
        found.append(config.batches)
        return Parity(config.batches, 0, 0, 0.0, 0.0)

    monkeypatch.setattr(export, "compare", compare)
    arguments = [str(make_run("lstm")), str(tmp_path / "out"), *(each.format(table=table) for each in further)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert found == [expected]


def test_a_model_that_agrees_with_torch_passes_the_check(tiny_artifact) -> None:
    result = CliRunner().invoke(app, ["--check", str(tiny_artifact), "--parity-batches", "6"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{tiny_artifact}: worst logit difference ")
    assert "worst probability difference" in result.stdout
    assert "over 6 batches of " in result.stdout


def test_a_model_that_differs_from_torch_is_exit_code_4(tiny_artifact, monkeypatch) -> None:
    run = Session.run
    shifted = {"run": lambda *arguments: (run(*arguments)[0] + 1e-3, run(*arguments)[1])}
    monkeypatch.setattr(parity, "Session", type("Shifted", (Session,), shifted))
    result = CliRunner().invoke(app, ["--check", str(tiny_artifact), "--parity-batches", "6"])
    assert result.exit_code == 4, result.output
    assert f"error: {tiny_artifact}: a logit of the graph is 1.00e-03 off torch's, 1e-05 is allowed" in result.stderr


def test_a_model_that_is_not_there_is_exit_code_4() -> None:
    result = CliRunner().invoke(app, ["--check", "bert"])
    assert result.exit_code == 4
    assert "no such model" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--check", "lstm", "run"], "--check lstm cannot be combined with CHECKPOINT: leave one of them out"),
        (["--check", "lstm", "run", "out"], "--check lstm cannot be combined with CHECKPOINT, OUT_DIR: leave one"),
        (["--check", "lstm", "--force", "--precision", "int8"], "cannot be combined with --precision, --force: leave"),
        ([], "CHECKPOINT and OUT_DIR are missing: name a run folder and a folder to write, or a model with --check"),
        (["run"], "OUT_DIR is missing"),
    ],
)
def test_arguments_that_do_not_fit_together_are_exit_code_2(arguments, message) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["none", "out"], 3, "none: no best.json in it: name the --run-dir of a training that finished an epoch"),
        (["run", "there"], 6, "there: exists already: replace it with --force or name another folder"),
        (["run", "out", "--test", "none.csv"], 3, "none.csv: not found: name a table of test reviews"),
    ],
)
def test_files_are_looked_at_before_torch_is_imported(tmp_path, arguments, code, message) -> None:
    for name in ("run", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "run" / "best.json").touch()
    script = (
        "import sys; from sentscore_export.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == code, found.stderr
    assert message in found.stderr
    assert len(found.stderr.splitlines()) == 1
