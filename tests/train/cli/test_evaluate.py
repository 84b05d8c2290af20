from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sentscore import Scorer
from sentscore_train.cli import app

TEXTS = ["a great film", "awful , boring", "i loved this story !", "too long", "a great movie", "not good at all"]
BARE = [text.replace(" ,", "") for text in TEXTS]
LABELS = [1, 0, 1, 0, 0, 1]
ON_CPU = ["--device", "cpu", "--threads", "1"]


@pytest.fixture
def table(tmp_path) -> str:
    path = tmp_path / "reviews.parquet"
    pq.write_table(pa.table({"text": TEXTS, "label": pa.array(LABELS, pa.int8())}), path)
    return str(path)


def score_texts(folder) -> np.ndarray:
    return Scorer.load(folder, device="cpu").score(TEXTS)


def test_a_model_is_evaluated_on_a_table(tiny_artifact, table) -> None:
    result = CliRunner().invoke(app, ["evaluate", str(tiny_artifact), "--table", table, *ON_CPU])
    assert result.exit_code == 0, result.output
    accuracy = 100 * ((score_texts(tiny_artifact) >= 0.5) == LABELS).mean()
    lines = result.stdout.splitlines()
    assert lines[0] == f"{tiny_artifact} in fp32 on cpu: 6 reviews, {table}"
    assert any(line.split() == ["accuracy", f"{accuracy:.2f}", "%"] for line in lines)
    assert any(line.split() == ["temperature", "1.2500", "1.0000"] for line in lines)
    assert any(line.split()[:5] == ["1", "to", "25", "tokens", "6"] for line in lines)
    assert lines[-1].startswith("Accuracy: 95 % interval ")
    assert ", bootstrap of 10,000 resamples. Temperature: fitted on validation. By chance: " in lines[-1]
    assert "scoring with lstm in fp32 6/6" in result.stderr


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_names_with_odd_signs_reach_neither_a_terminal_nor_the_formulas_of_a_plot(
    command, tiny_artifact, table, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    odd = "m\x1b[31m\n$_{[]$"
    shutil.copytree(tiny_artifact, odd)
    shutil.copytree(tiny_artifact, "plain")
    models = [odd, *(["plain"] if command == "compare" else [])]
    result = CliRunner().invoke(app, [command, *models, "--table", table, "--output", "out", *ON_CPU])
    assert result.exit_code == 0, result.output
    assert r"m\x1b[31m\n$_{[]$" in result.stdout
    assert "\x1b" not in result.output


def test_json_and_files_are_the_same_from_run_to_run(tiny_artifact, table, tmp_path) -> None:
    outputs = []
    for name in ("a", "b"):
        arguments = ["evaluate", str(tiny_artifact), "--table", table, "--output", str(tmp_path / name), "--json"]
        result = CliRunner().invoke(app, [*arguments, *ON_CPU])
        assert result.exit_code == 0, result.output
        outputs.append(result.stdout)
    found = json.loads(outputs[0])
    assert outputs[0] == outputs[1]
    assert found["metrics"]["reviews"] == 6
    assert sum(found["metrics"]["confusion"].values()) == 6
    assert json.loads((tmp_path / "a/evaluation.json").read_text()) == found
    names = ["accuracy-by-length.svg", "evaluation.json", "reliability.svg", "roc.svg"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    reliability = (tmp_path / "a/reliability.svg").read_text()
    assert "temperature 1<" in reliability
    assert "temperature 1.25<" in reliability


def test_validation_is_the_default_and_test_is_named(tiny_artifact, imdb, tmp_path) -> None:
    arguments = ["evaluate", str(tiny_artifact), "--imdb", str(imdb), "--allow-partial", "--data-dir", str(tmp_path)]
    for split, name, reviews in (([], "IMDB validation", 10), (["--split", "test"], "IMDB test", 40)):
        result = CliRunner().invoke(app, [*arguments, *split, "--json", *ON_CPU])
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert (found["source"], found["metrics"]["reviews"]) == (name, reviews)


def test_the_columns_of_a_table_are_named_and_the_results_told_apart_by_one(tiny_artifact, tmp_path) -> None:
    path = tmp_path / "shop.csv"
    rows = [
        f"{text},{5 * label},{'ab'[number % 2]}" for number, text, label in zip(range(6), BARE, LABELS, strict=True)
    ]
    path.write_text("\n".join(["body,rating,kind", *rows]))
    scale = ["--negative-to", "1", "--positive-from", "5"]
    columns = ["--text", "body", "--label", "rating", "--by", "kind", *scale]
    result = CliRunner().invoke(
        app, ["evaluate", str(tiny_artifact), "--table", str(path), *columns, "--json", *ON_CPU]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    right = (Scorer.load(tiny_artifact, device="cpu").score(BARE) >= 0.5) == LABELS
    assert found["metrics"]["accuracy"] == right.mean()
    assert {name: each["accuracy"] for name, each in found["by"]["kind"].items()} == {
        "a": right[::2].mean(),
        "b": right[1::2].mean(),
    }


def test_two_models_become_a_markdown_table(tiny_artifact, tiny_gru_artifact, table, tmp_path) -> None:
    arguments = ["compare", str(tiny_artifact), str(tiny_gru_artifact), "--table", table]
    result = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "out"), *ON_CPU])
    assert result.exit_code == 0, result.output
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in result.stdout.splitlines()[:4]]
    assert rows[0] == ["model", "accuracy", "95 % interval", "AUC", "log loss", "ECE", "MB", "reviews/s"]
    assert {len(row) for row in rows} == {8}
    for row, folder in zip(rows[2:4], (tiny_artifact, tiny_gru_artifact), strict=True):
        assert row[0] == f"{folder}, fp32"
        assert row[1] == f"{100 * ((score_texts(folder) >= 0.5) == LABELS).mean():.2f} %"
    same = (score_texts(tiny_artifact) >= 0.5) == (score_texts(tiny_gru_artifact) >= 0.5)
    assert f"- {100 * same.mean():.2f} % get the same sentiment from both." in result.stdout
    names = ["accuracy-by-length.svg", "comparison.json", "reliability.svg", "roc.svg"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert f"{tiny_gru_artifact}<" in (tmp_path / "out/roc.svg").read_text()


def test_a_comparison_is_json_too(tiny_artifact, tiny_gru_artifact, table) -> None:
    arguments = ["compare", str(tiny_artifact), str(tiny_gru_artifact), "--table", table, "--json"]
    result = CliRunner().invoke(app, [*arguments, *ON_CPU])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [each["model"] for each in found["models"]] == [str(tiny_artifact), str(tiny_gru_artifact)]
    assert 0 < found["agreement"]["mcnemar_p"] <= 1


def test_torch_is_not_needed(tiny_artifact, tiny_gru_artifact, table, tmp_path) -> None:
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'torchtext', 'safetensors', 'onnx'):\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from sentscore_train.cli import main\n"
        "main()\n"
    )
    arguments = [str(tiny_artifact), str(tiny_gru_artifact), "--table", table, "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", *arguments, *ON_CPU], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| model | accuracy |")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["evaluate", "none", "--table", "{table}"], 4, "model 'none': no such model: use one of gru, lstm, or"),
        (["evaluate", "{model}", "--table", "none.parquet"], 3, "none.parquet: "),
        (["evaluate", "{model}", "--imdb", "none"], 3, "none: not found: check the path"),
        (
            ["evaluate", "{model}", "--table", "{table}", "--imdb", "none"],
            2,
            "takes the place of IMDB: leave out --imdb",
        ),
        (["evaluate", "{model}", "--table", "{table}", "--split", "test"], 3, "{table}: no column 'split' says which"),
        (["evaluate", "{model}", "--table", "{table}", "--by", "kind"], 3, "{table}: no column 'kind'; it has 'text'"),
        (["evaluate", "{model}", "--by", "domain"], 2, "--positive-from are of a table: name a --table"),
        (["evaluate", "{model}", "--table", "{table}", "--precision", "int8"], 2, "has no int8 graph"),
        (["evaluate", "{model}", "--table", "{table}", "--output", "{table}"], 6, "{table}: cannot be written (File"),
        (["compare", "{model}", "{model}", "--table", "{table}"], 2, "is one model: name two"),
        (["compare", "{model}", "none", "--table", "{table}"], 4, "model 'none': no such model"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(tiny_artifact, table, arguments, code, message) -> None:
    fill = {"model": str(tiny_artifact), "table": table}
    result = CliRunner().invoke(app, [each.format(**fill) for each in arguments])
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    errors = [line for line in result.stderr.splitlines() if "error: " in line]
    assert len(errors) == 1
    assert message.format(**fill) in errors[0]


def test_a_manifest_without_a_seed_is_exit_code_4(tiny_artifact, imdb, tmp_path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_artifact, folder)
    content = json.loads((folder / "manifest.json").read_text())
    del content["recipe"]["seed"]
    (folder / "manifest.json").write_text(json.dumps(content))
    result = CliRunner().invoke(app, ["evaluate", str(folder), "--imdb", str(imdb), "--allow-partial"])
    assert result.exit_code == 4
    assert "manifest.json: no recipe.seed, so its split cannot be made again: use --split test" in result.stderr


@pytest.mark.parametrize("command", [["evaluate", "lstm"], ["compare", "lstm", "gru"]])
def test_without_the_extra_it_is_said_what_to_install(command, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    assert result.stderr.endswith("error: sklearn is not installed: pip install 'sentscore[train]'\n")
