from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sentscore.errors import InputError, UsageError
from sentscore.sources import Source
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
        ("[" * 100_000, "line 2 is nested too deeply"),
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


@pytest.mark.parametrize(
    ("escaped", "mended"),
    [
        (r"\ud800", "\ufffd"),
        (r"\udc00", "\ufffd"),
        (r"\ud800\ud800x\udc00", "\ufffd\ufffdx\ufffd"),
        (r"\udc00\ud800", "\ufffd\ufffd"),
        (r"\ufeff\ud83d\ude00\ud83d", "\ufeff😀\ufffd"),
    ],
)
@pytest.mark.parametrize("keep_json", [True, False])
def test_half_a_surrogate_pair_is_mended_where_it_is_scored(
    escaped: str, mended: str, keep_json: bool, read: Read, write: Write
) -> None:
    assert read(write(f'{{"text": "a{escaped} b"}}'), keep_json=keep_json)[0] == [f"a{mended} b"]


@pytest.mark.parametrize("keep_json", [True, False])
def test_an_integer_of_thousands_of_digits_is_called_too_long(keep_json: bool, read: Read, write: Write) -> None:
    with pytest.raises(InputError, match=r"line 1 holds an integer of 5,000 digits, which is too long"):
        read(write(f'{{"text": "a", "n": {"9" * 5_000}}}'), keep_json=keep_json)


@pytest.mark.parametrize("keep_json", [True, False])
def test_what_is_nested_too_deeply_is_reported(keep_json: bool, read: Read, write: Write) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    with pytest.raises(InputError, match=r"line 1 is nested too deeply"):
        read(write(f'{{"text": "a", "n": {deep}}}'), keep_json=keep_json)


def test_only_the_white_space_of_json_is_a_blank_line(read: Read, write: Write) -> None:
    assert read(write('{"text": "a"}\n \t\r\n\n'), keep_json=True)[0] == ["a"]
    for character in "\u00a0\x0b\x1c\u2028":
        with pytest.raises(InputError, match="line 2 is not JSON"):
            read(write(f'{{"text": "a"}}\n{character}\n'), keep_json=True)
