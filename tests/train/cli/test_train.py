from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sentscore import InputError, Scorer
from sentscore_export.cli import app as export_app
from sentscore_train.cli import app
from sentscore_train.notebook.train import NotebookConfig


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_reviews_become_an_artifact_that_scores(imdb, tmp_path, kind) -> None:
    run_dir, out_dir = tmp_path / "run", tmp_path / "artifact"
    arguments = ["--imdb", str(imdb), "--data-dir", str(tmp_path / "data"), "--run-dir", str(run_dir)]
    arguments += ["--allow-partial", "--epochs", "1", "--precision", "fp32", "--device", "cpu", "--threads", "1"]
    result = CliRunner().invoke(app, [kind, *arguments])
    assert result.exit_code == 0, result.output
    assert f"{kind}, preset default, on cpu, in {run_dir}" in result.stderr
    assert result.stdout.startswith("epoch 1: train loss ")
    assert (run_dir / "curves.svg").read_text().count("<svg") == 1
    history = json.loads((run_dir / "history.json").read_text())
    assert [entry["epoch"] for entry in history] == [1]

    again = CliRunner().invoke(app, [kind, *arguments])
    assert again.exit_code == 2
    assert "holds a run already: carry it on with --resume" in again.stderr
    resumed = CliRunner().invoke(app, [kind, *arguments, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stdout == result.stdout

    exported = CliRunner().invoke(export_app, [str(run_dir), str(out_dir), "--parity-batches", "3"])
    assert exported.exit_code == 0, exported.output
    assert f"{out_dir}: {out_dir.name}," in exported.stdout
    assert "over 3 batches" in exported.stdout
    assert (out_dir / "plots" / "curves.svg").exists()
    scores = Scorer.load(out_dir, device="cpu").score(["A great film.", ""])
    assert 0 < scores[0] < 1
    assert np.isnan(scores[1])


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ([], {"hidden_size": 128, "epochs": 4, "learning_rate": 2e-3}),
        (["--hidden-size", "256"], {"hidden_size": 256, "epochs": 4}),
        (["--teacher", "gru", "--teacher", "lstm"], {"teachers": ("gru", "lstm"), "epochs": 5, "learning_rate": 2e-3}),
        (["--teacher", "gru", "--start", "a"], {"teachers": ("gru",), "start": "a", "epochs": 1}),
        (
            ["--teacher", "gru", "--start", "gru"],
            {"model": "gru", "start": "", "epochs": 1, "documents": None, "convolution": None},
        ),
        (["--teacher", "gru", "--epochs", "7", "--learning-rate", "0.01"], {"epochs": 7, "learning_rate": 0.01}),
        (["--num-layers", "1"], {"num_layers": 1, "language_model": None}),
        (["--pretrain", "3", "--seed", "5"], {"language_model.epochs": 3, "language_model.seed": 5}),
        (["--source-share", "1"], {"source_shares": (1.0,)}),
        (["--seed", "5"], {"seed": 5, "vectors.seed": 5, "documents.seed": 5, "convolution.seed": 5}),
    ],
)
def test_the_options_make_the_recipe(options, changed, imdb, tmp_path, monkeypatch) -> None:
    seen = {}

    def prepared(cell, config, *_: object, **__: object) -> None:
        seen["config"] = config
        assert cell == "lstm"
        raise InputError("far enough")

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "best.json").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sentscore_train.training.prepare.prepare", prepared)
    arguments = ["--run-dir", "run", "--imdb", str(imdb), "--allow-partial"]
    result = CliRunner().invoke(app, ["lstm", *arguments, *options])
    assert result.exit_code == 3, result.output
    for name, value in changed.items():
        assert attrgetter(name)(seen["config"]) == value, name


def test_a_run_starts_from_a_shipped_model(imdb, tmp_path) -> None:
    arguments = ["gru", "--start", "gru", "--teacher", "lstm", "--seed", "1234"]
    arguments += ["--imdb", str(imdb), "--data-dir", str(tmp_path / "data"), "--run-dir", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*arguments, "--allow-partial", "--device", "cpu", "--threads", "1"])
    assert result.exit_code == 0, result.output
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert (best["recipe"]["model"], best["recipe"]["epochs"], best["data"]["start"]["name"]) == ("gru", 1, "gru")
    assert set(best["data"]["teacher_validation_accuracy"]) == {"nb-svm", "lstm", "all"}


def test_layers_that_start_from_a_run_are_not_pretrained() -> None:
    result = CliRunner().invoke(app, ["gru", "--start", "runs/a", "--pretrain", "1"])
    assert result.exit_code == 2
    assert "--pretrain does not go with --start" in result.stderr


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("default", ["--glove", "glove.6B.zip"]),
        ("default", ["--glove-dim", "100"]),
        ("default", ["--stop-after", "0"]),
        ("notebook", ["--learning-rate", "0"]),
        ("notebook", ["--hidden-size", "256"]),
        ("notebook", ["--start", "runs/a"]),
        ("notebook", ["--teacher", "gru"]),
        ("notebook", ["--table", "t.csv"]),
        ("notebook", ["--num-layers", "1"]),
        ("notebook", ["--pretrain", "1"]),
    ],
)
def test_an_option_of_the_other_preset_is_a_usage_error(preset, options) -> None:
    result = CliRunner().invoke(app, ["gru", "--preset", preset, *options])
    assert result.exit_code == 2
    assert f"error: {options[0]} does not go with --preset {preset}: leave it out" in result.stderr


def test_the_notebook_options_make_its_recipe(tmp_path, monkeypatch) -> None:
    seen = {}

    def run_notebook(cell, config, run_dir, **given: object) -> None:
        seen.update(given, cell=cell, config=config, run_dir=run_dir)
        raise InputError("far enough")

    monkeypatch.setattr("sentscore_train.notebook.train.run_notebook", run_notebook)
    options = ["--glove", "g.zip", "--glove-dim", "50", "--stop-after", "9", "--epochs", "2", "--threads", "1"]
    result = CliRunner().invoke(app, ["gru", "--preset", "notebook", "--run-dir", str(tmp_path), *options])
    assert result.exit_code == 3, result.output
    assert (seen["cell"], seen["run_dir"], seen["glove_source"]) == ("gru", tmp_path, Path("g.zip"))
    assert seen["config"] == NotebookConfig(dim=50, stop_after_s=9.0, epochs=2, threads=1)


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_model_is_trained_on_a_table_of_stars(tmp_path, kind) -> None:
    columns = {
        "body": [f"A {word} kettle, number {number}." for number in range(100) for word in ("bad", "dull", "good")],
        "stars": [1, 3, 5] * 100,
        "product": [f"p{number // 5}" for number in range(100) for _ in range(3)],
    }
    table, path = pa.table(columns), tmp_path / f"kettles.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    elif kind == "csv":
        pa.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    arguments = ["--table", str(path), "--text", "body", "--label", "stars", "--by", "product", "--epochs", "1"]
    arguments += ["--data-dir", str(tmp_path / "data"), "--run-dir", str(tmp_path / "run"), "--device", "cpu"]
    arguments += ["--hidden-size", "8", "--num-layers", "1", "--threads", "1"]
    result = CliRunner().invoke(app, ["gru", *arguments])
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "run" / "best.json").read_text())
    assert (content["architecture"]["hidden_size"], content["architecture"]["num_layers"]) == (8, 1)
    (source,) = content["data"]["sources"]
    assert (source["train"], source["validation"], source["unlabelled"]) == (180, 20, 0)
    assert (source["file"], source["grouped_by"]) == (path.name, "product")
    assert source["left_out"] == {"between": 100}
    assert source["labels"] == "numbers: up to 2 negative, from 4 positive"


def test_every_source_needs_its_share(imdb, tmp_path) -> None:
    arguments = ["--imdb", str(imdb), "--allow-partial", "--data-dir", str(tmp_path), "--run-dir", str(tmp_path / "r")]
    result = CliRunner().invoke(app, ["lstm", *arguments, "--source-share", "1", "--source-share", "2"])
    assert result.exit_code == 2
    assert "--source-share 1, 2: there are 1 sources: give one share for each" in result.stderr
    for share, message in (("inf", "--source-share inf: is no number"), ("nan", "--source-share")):
        result = CliRunner().invoke(app, ["lstm", *arguments, "--source-share", share])
        assert result.exit_code == 2
        assert message in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--run-dir", "old"], 2, "old: holds a run already: carry it on with --resume or name another folder"),
        (["--start", "none"], 4, "model 'none': no such model: use one of gru, lstm"),
        (["--start", "empty"], 3, "empty: no best.json and no manifest.json in it: name an exported model, or the"),
        (["--teacher", "empty"], 4, "empty"),
    ],
)
def test_folders_are_looked_at_before_the_reviews_are_read(options, code, message, imdb, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("old", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "old" / "resume.json").touch()
    monkeypatch.setattr("sentscore_train.cli.options.imdb_source", None)
    result = CliRunner().invoke(app, ["lstm", "--imdb", str(imdb), "--run-dir", "new", *options])
    assert result.exit_code == code, result.output
    assert message in result.stderr


def test_torchtext_is_needed_by_the_preset_notebook_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torchtext" else name)
    result = CliRunner().invoke(app, ["lstm", "--preset", "notebook"])
    assert result.exit_code == 2
    assert result.stderr.endswith("error: torchtext is not installed: pip install 'sentscore[notebook]'\n")
    missing = ["--imdb", str(tmp_path / "none"), "--data-dir", str(tmp_path), "--run-dir", str(tmp_path / "r")]
    assert CliRunner().invoke(app, ["lstm", *missing]).exit_code == 3


def test_bf16_on_a_cpu_is_a_usage_error(imdb, tmp_path) -> None:
    arguments = ["--imdb", str(imdb), "--allow-partial", "--data-dir", str(tmp_path), "--run-dir", str(tmp_path / "r")]
    result = CliRunner().invoke(app, ["lstm", *arguments, "--device", "cpu", "--precision", "bf16"])
    assert result.exit_code == 2
    assert "precision bf16 on cpu: needs CUDA: use --precision fp32" in result.stderr


def test_a_source_that_is_missing_is_one_line_and_exit_code_3(tmp_path) -> None:
    result = CliRunner().invoke(
        app, ["lstm", "--imdb", str(tmp_path / "none"), "--data-dir", str(tmp_path), "--run-dir", str(tmp_path / "r")]
    )
    assert result.exit_code == 3
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].endswith("not found: check the path, or leave it out to download the reviews")
    assert not (tmp_path / "r").exists()


def test_a_device_that_is_not_known_is_one_line_and_exit_code_5(imdb, tmp_path) -> None:
    for device in ("tpu", "cuda:9"):
        result = CliRunner().invoke(app, ["lstm", "--imdb", str(imdb), "--device", device, "--data-dir", str(tmp_path)])
        assert result.exit_code == 5, result.output
        assert f"device {device}" in result.stderr


@pytest.mark.parametrize(
    ("program", "arguments", "extra"), [(app, ["lstm"], "train"), (export_app, ["run", "out"], "export")]
)
def test_without_its_extra_a_program_says_what_to_install(program, arguments, extra, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(program, arguments)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"error: torch is not installed: pip install 'sentscore[{extra}]'\n")


@pytest.mark.parametrize("program", [app, export_app])
def test_the_version_is_printed(program) -> None:
    result = CliRunner().invoke(program, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("sentscore ")
