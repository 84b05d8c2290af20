from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from sentscore import InputError
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.training import checkpoint


def test_the_last_state_is_read_and_older_ones_are_gone(tmp_path) -> None:
    assert checkpoint.read_resume(tmp_path) is None
    for step in (1, 2):
        checkpoint.write_resume(tmp_path, step, {"epoch": step}, {"w": torch.full((2,), float(step))})
    state, tensors = checkpoint.read_resume(tmp_path) or ({}, {})
    assert (state["epoch"], state["step"]) == (2, 2)
    assert tensors["w"].tolist() == [2.0, 2.0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resume-00000002.safetensors", "resume.json"]


def test_a_kill_between_the_two_files_leaves_the_older_state(tmp_path, monkeypatch) -> None:
    checkpoint.write_resume(tmp_path, 1, {}, {"w": torch.zeros(1)})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.write_resume(tmp_path, 2, {}, {"w": torch.ones(1)})
    state, tensors = checkpoint.read_resume(tmp_path) or ({}, {})
    assert state["step"] == 1
    assert tensors["w"].tolist() == [0.0]


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_json_that_is_no_checkpoint_is_an_input_error(tmp_path, content) -> None:
    (tmp_path / "best.json").write_text(content)
    with pytest.raises(InputError, match=r"best\.json: not a readable checkpoint"):
        checkpoint.read_json(tmp_path / "best.json")


def test_another_format_version_is_an_input_error(tmp_path) -> None:
    (tmp_path / "best.json").write_text(json.dumps({"format_version": 7}))
    with pytest.raises(InputError, match="format version 7, 1 is read here"):
        checkpoint.read_json(tmp_path / "best.json")


def test_validation_reviews_go_out_and_come_back(tmp_path) -> None:
    assert len(checkpoint.read_validation(tmp_path)) == 0
    encoded = EncodedTexts(np.array([4, 5, 6], np.int32), np.array([0, 1, 1, 3]))
    checkpoint.write_validation(tmp_path, LabelledTexts(encoded, np.array([1, 0, 1], np.int8)))
    found = checkpoint.read_validation(tmp_path)
    assert [found.encoded[index].tolist() for index in range(3)] == [[4], [], [5, 6]]
    assert found.labels.tolist() == [1, 0, 1]


def test_texts_to_quote_from_come_back_and_go_with_the_next_run_that_has_none(tmp_path) -> None:
    assert checkpoint.read_quotable(tmp_path) == []
    checkpoint.write_quotable(tmp_path, ["", "naïve"])
    assert checkpoint.read_quotable(tmp_path) == ["", "naïve"]
    checkpoint.write_quotable(tmp_path, ["", ""])
    assert checkpoint.read_quotable(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_files_have_the_rights_of_any_new_file(tmp_path) -> None:
    (tmp_path / "plain").write_text("")
    checkpoint.write_tensors(tmp_path / "w.safetensors", {"w": torch.zeros(1)})
    assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_one_line_and_exit_code_6(tmp_path) -> None:
    script = f"""
import resource, sys
from pathlib import Path
import torch
from sentscore.cli.guard import guarded
from sentscore_train.training import checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with guarded(program="sentscore-train", debug=False):
        checkpoint.write_resume(Path({str(tmp_path)!r}), 1, {{}}, {{"w": torch.zeros(10_000)}})
except Exception as error:
    sys.exit(error.exit_code)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == (
        f"sentscore-train: error: {tmp_path / 'resume-00000001.safetensors'}: cannot be written (File too large): "
        "free space there or choose another place\n"
    )
    assert done.returncode == 6
    assert list(tmp_path.iterdir()) == []
