from __future__ import annotations

import os
from pathlib import Path

from sentscore.formats import Format, Kind
from sentscore.sinks import Target


def test_a_target_has_the_name_of_its_path_or_of_stdout() -> None:
    assert Target(Path("a.csv"), Format(Kind.CSV)).name == "a.csv"
    assert Target(None, None).name == "stdout"


def test_a_target_exists_where_a_file_does(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "none")
    assert Target(tmp_path / "a", None).exists
    assert not Target(tmp_path / "link", None).exists
    assert not Target(Path(os.devnull), None, device=True).exists
    assert not Target(None, None).exists
