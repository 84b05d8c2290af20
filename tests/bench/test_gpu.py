from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gpu
from _gpu_parity import compare


def test_the_rehearsal_on_a_cpu(tmp_path: Path, tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    texts = ["a great film " * (number % 9 + 1) for number in range(20)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "reviews.parquet")
    arguments = [tmp_path / "reviews.parquet", "--device", "cpu", "--rows", 30, "--model", tiny_artifact]
    monkeypatch.setattr(sys, "argv", ["gpu.py", *map(str, arguments), "--output", str(tmp_path / "gpu.json")])
    gpu.main()
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert (found["device"], found["rows"]) == ("cpu", 30)
    cases = {entry["case"] for entry in found["parity"]}
    assert cases == {
        "20 reviews", "random ids, lengths in no order", "random ids, 1,320 texts of 2 tokens",
        "random ids, texts of 8,192 tokens",
    }  # fmt: skip
    for entry in found["parity"]:
        assert entry["worst"] == 0  # the same session in float32, whatever the batches and threads
        assert entry["threads_agree"]
    assert {entry["threads"] for entry in found["parity"]} == {1, 2, 4}
    assert len(found["sweep"]) == 4 * 5 * 2
    assert all(entry["reviews_per_s"] > 0 for entry in found["sweep"])
    [profiled] = found["profile"]
    assert any(name.startswith("LSTM on CPU") for name in profiled["milliseconds"])
    [command] = found["commands"]
    assert set(command["stages"]) >= {"read", "encode", "wait", "write"}
    assert found["ceiling"]["rows_per_s"] > 0
    assert found["cold_start_s"] > 0
    assert capsys.readouterr().out == ""


def test_logits_are_compared() -> None:
    first, second = np.array([1.0, 2.0], np.float32), np.array([1.0, 2.5], np.float32)
    assert compare([first, second], first) == {"worst": 0.5, "mean": 0.125, "threads_agree": False}
    assert compare([first, first], first) == {"worst": 0.0, "mean": 0.0, "threads_agree": True}
