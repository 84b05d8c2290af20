from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sentscore.errors import InputError
from sentscore.sources import Source

Read = Callable[..., tuple[list[str | None], Source]]
Compress = Callable[[bytes, str], bytes]


def test_text_lines(tmp_path: Path, ending: str, read: Read, compress: Compress) -> None:
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(compress("gut\n\nschön\r\nlast".encode(), ending))
    assert read(path)[0] == ["gut", "", "schön", "last"]


def test_only_line_feeds_end_a_line(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("a\u2028b\x85c\x0bd\x0ce\rf\r\r\ng".encode())
    assert read(path)[0] == ["a\u2028b\x85c\x0bd\x0ce\rf\r", "g"]


def test_the_column_is_named_text(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a\n")
    assert read(path, column="text")[0] == ["a"]
    with pytest.raises(InputError, match="no column 'review'; it has 'text'"):
        read(path, column="review")
