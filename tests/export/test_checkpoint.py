from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sentscore import InputError
from sentscore_export.checkpoint import read_checkpoint
from sentscore_train.training import checkpoint


def test_a_folder_without_a_checkpoint_is_an_input_error(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no best\.json in it"):
        read_checkpoint(tmp_path)


def test_files_that_do_not_fit_each_other_are_an_input_error(make_run, tmp_path) -> None:
    run = Path(shutil.copytree(make_run("lstm"), tmp_path / "run"))
    content = json.loads((run / "best.json").read_text())
    checkpoint.write_json(run / "best.json", {**content, "architecture": {**content["architecture"], "hidden_size": 9}})
    with pytest.raises(InputError, match="do not fit each other"):
        read_checkpoint(run)
    (run / "best.safetensors").write_bytes(b"\x00" * 40)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_checkpoint(run)


def test_a_vocabulary_of_another_size_is_an_input_error(make_run, tmp_path) -> None:
    run = Path(shutil.copytree(make_run("lstm"), tmp_path / "run"))
    content = json.loads((run / "vocab.json").read_text())
    (run / "vocab.json").write_text(json.dumps({**content, "tokens": content["tokens"][:-1]}))
    with pytest.raises(InputError, match="has 35 tokens, the weights 36"):
        read_checkpoint(run)
