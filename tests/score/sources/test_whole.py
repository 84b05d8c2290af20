from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sentscore.errors import InputError
from sentscore.sources import streams, whole_files


def test_whole_files_are_a_row_each(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(b"\xef\xbb\xbffirst\nsecond\r\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"zipped"))
    (tmp_path / "c").write_bytes(b"")
    paths = [str(tmp_path / name) for name in ("a.html", "b.txt.gz", "c")]
    [window] = whole_files(paths).windows
    assert window.rows.column("file").to_pylist() == paths
    assert window.texts.to_pylist() == ["first\nsecond\r\n", "zipped", ""]


def test_a_file_name_that_is_not_utf_8_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.txt"
    path.write_text("good")
    [window] = whole_files([str(path)]).windows
    assert window.rows.column("file").to_pylist() == [f"{tmp_path}/caf\ufffd.txt"]


def test_a_whole_file_that_is_not_utf_8_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfab\nc\xff")
    with pytest.raises(InputError, match="line 2: byte 0xff at offset 7"):
        list(whole_files([str(tmp_path / "a")]).windows)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_text_is_bounded(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 1 << 20)
    path = tmp_path / f"a.txt{ending}"
    for size in (1 << 20, (1 << 20) + 1):
        path.write_bytes(gzip.compress(b"x" * size) if ending else b"x" * size)
        if size == 1 << 20:
            [window] = whole_files([str(path)]).windows
            assert len(window.texts[0].as_py()) == size
        else:
            with pytest.raises(InputError, match=r"a\.txt.*: is over 1 MiB: is it one text\? Split it"):
                list(whole_files([str(path)]).windows)
