from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sentscore.errors import InputError, UsageError
from sentscore.formats import parse_file_name
from sentscore.sources import Source, open_source
from sentscore.sources import source as source_module

Read = Callable[..., tuple[list[str | None], Source]]
Write = Callable[..., Path]
Compress = Callable[[bytes, str], bytes]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "a.jsonl") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_json_lines(tmp_path: Path, ending: str, read: Read, compress: Compress) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(compress(b'{"text": "a"}\n\n{"text": null}\r\n{"n": 1}', ending))
    assert read(path, keep_json=True)[0] == ["a", None, None]
    assert read(path)[0] == ["a", None, None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ('{"text": "a"} {"text": "b"}', "line 2 is not JSON"),
        ('["a"]', "line 2 is not a JSON object"),
        ('{"text": 3}', "'text' is a number and a string, not text"),
        ("[" * 100_000, "line 2 is not JSON"),
    ],
)
def test_lines_that_do_not_fit_are_reported(line: str, message: str, read: Read, write: Write) -> None:
    path = write('{"text": "a"}\n' + line)
    with pytest.raises(InputError, match=message):
        read(path, keep_json=True, column="text")


def test_a_later_line_is_checked_too(monkeypatch: pytest.MonkeyPatch, read: Read, write: Write) -> None:
    monkeypatch.setattr(source_module, "WINDOW_ROWS", 1)
    path = write('{"text": "a"}\n{"text": ["b"]}\n')
    with pytest.raises(InputError, match="line 2: 'text' holds an array, not text"):
        read(path, keep_json=True)
    path = write('{"text": "a"}\n{"text": "b", "score": 1}\n')
    with pytest.raises(UsageError, match="line 2: has a column 'score' already"):
        read(path, keep_json=True, added=["score"])


def test_half_a_surrogate_pair_is_mended_where_it_is_scored(read: Read, write: Write) -> None:
    path = write(r'{"text": "a\ud83d b\ud83d\ude00"}')
    assert read(path, keep_json=True)[0] == ["a\ufffd b😀"]


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00"])
def test_half_a_surrogate_pair_makes_no_table(half: str, read: Read, write: Write) -> None:
    with pytest.raises(InputError):
        read(write(f'{{"text": "a{half} b"}}'))


def test_a_table_keeps_strings_that_look_like_times(write: Write) -> None:
    path = write('{"text": "a", "day": "2024-01-02", "in": {"at": ["2024-01-02"]}, "no": null}\n')
    with open_source(str(path), format=parse_file_name("a.jsonl")) as source:
        rows = [row for each in source.windows for row in each.rows.to_pylist()]
    assert rows == [{"text": "a", "day": "2024-01-02", "in": {"at": ["2024-01-02"]}, "no": None}]


@pytest.mark.parametrize(
    "line", ['{"text": "b", "new": 1}', '{"text": 5}', '{"text": "b", "n": 1.5}', '{"text": "a"}{"text": "b"}']
)
def test_a_table_refuses_lines_unlike_the_first_window(
    line: str, monkeypatch: pytest.MonkeyPatch, read: Read, write: Write
) -> None:
    monkeypatch.setattr(source_module, "WINDOW_ROWS", 1)
    path = write('{"text": "a", "n": 1}\n' + line)
    with pytest.raises(InputError, match=r"a\.jsonl: lines 2 to 2 do not make a table .*write \.jsonl"):
        read(path)


def test_mixed_types_do_not_make_a_table(read: Read, write: Write) -> None:
    with pytest.raises(InputError, match="lines 1 to 2 do not make a table"):
        read(write('{"text": "a", "n": 1}\n{"text": "a", "n": "x"}\n'))
