from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sentscore.errors import InputError
from sentscore_train.notebook.archives import extract_zip_member


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("one.txt", b"1" * 5_000)
        file.writestr("two.txt", b"2")
    return tmp_path / "a.zip"


def test_one_member_of_a_zip_is_unpacked(zipped: Path, tmp_path: Path) -> None:
    extract_zip_member(zipped, "one.txt", tmp_path / "out" / "x.txt")
    assert (tmp_path / "out" / "x.txt").read_bytes() == b"1" * 5_000


def test_a_member_that_a_zip_lacks_lists_the_others(zipped: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds one\.txt, two\.txt, but no three\.txt"):
        extract_zip_member(zipped, "three.txt", tmp_path / "x.txt")


def test_a_damaged_member_leaves_nothing_behind(zipped: Path, tmp_path: Path) -> None:
    content = bytearray(zipped.read_bytes())
    content[40] ^= 0xFF  # inside the first member's compressed bytes
    zipped.write_bytes(content)
    with pytest.raises(InputError, match=r"one\.txt cannot be unpacked"):
        extract_zip_member(zipped, "one.txt", tmp_path / "x.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_truncated_zip_is_an_input_error(zipped: Path, tmp_path: Path) -> None:
    zipped.write_bytes(zipped.read_bytes()[:60])
    with pytest.raises(InputError, match=r"one\.txt cannot be unpacked"):
        extract_zip_member(zipped, "one.txt", tmp_path / "x.txt")
