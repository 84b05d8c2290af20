from __future__ import annotations

import json


def test_the_command_reports_each_model(tiny_artifact, tiny_gru_artifact, tmp_path, invoke) -> None:
    table = tmp_path / "reviews.csv"
    table.write_text("text\n" + "a wonderful film\n" * 60)
    models = ["--model", str(tiny_artifact), "--model", str(tiny_gru_artifact)]
    options = ["--repetitions", "1", "--warm-up", "0", "--device", "cpu"]
    result = invoke("bench", str(table), *models, *options)
    assert result.exit_code == 0
    assert "lstm in fp32 on cpu" in result.stdout
    assert "gru in fp32 on cpu" in result.stdout
    assert "GFLOP/s" in result.stdout
    result = invoke("bench", "--rows", "20", "--json", *models, *options)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["model"], line["rows"]) for line in lines] == [("lstm", 20), ("gru", 20)]
    assert lines[0]["reviews_per_s"]["median"] > 0


def test_the_input_may_be_left_out(invoke) -> None:
    assert invoke("bench", "--help").stdout.startswith("Usage: sentscore bench [OPTIONS] [INPUT]\n")
