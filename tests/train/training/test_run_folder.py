from __future__ import annotations

from pathlib import Path

from sentscore_train.training import checkpoint
from sentscore_train.training.run_folder import holds_run


def test_a_folder_holds_a_run_from_its_first_checkpoint_on(tmp_path: Path) -> None:
    assert not holds_run(tmp_path / "missing")
    assert not holds_run(tmp_path)
    checkpoint.write_resume(tmp_path, 1, {}, {})
    assert holds_run(tmp_path)
