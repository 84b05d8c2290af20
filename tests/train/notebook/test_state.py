from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sentscore.errors import UsageError


def test_a_run_is_not_overwritten(run) -> None:
    run("run", replace(run.config, stop_after_s=0.0))
    with pytest.raises(UsageError, match="holds a run already: carry it on with --resume"):
        run("run")


def test_other_settings_or_data_are_not_mixed_into_a_run(run, tmp_path: Path) -> None:
    run("run", replace(run.config, stop_after_s=0.0))
    with pytest.raises(UsageError, match=r"trained with another dropout, seed|another seed, dropout"):
        run("run", replace(run.config, seed=1, dropout=0.1), resume=True)
    with pytest.raises(UsageError, match=r"trained with another kind \(lstm\)"):
        run("run", cell="gru", resume=True)
    (tmp_path / "aclImdb" / "train" / "pos" / "99_8.txt").write_text("great great great")
    with pytest.raises(UsageError, match="trained on other reviews"):
        run("run", resume=True)
