from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError, UsageError
from sentscore.formats import parse_file_name
from sentscore.sources import Source, open_source

Read = Callable[..., tuple[list[str | None], Source]]
Compress = Callable[[bytes, str], bytes]
SetStdin = Callable[[bytes], None]


def test_stdin_is_detected_by_its_first_bytes(ending: str, read: Read, compress: Compress, set_stdin: SetStdin) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), out)
    for content, kind in (
        (out.getvalue(), "parquet"),
        (b'\n {"text": "a"}\n', "jsonl"),
        (b"a\n", "txt"),
    ):
        set_stdin(compress(content, ending))
        texts, source = read("-")
        assert source.kind == kind
        assert texts == ["a"]


def test_an_empty_file_has_no_rows(tmp_path: Path, ending: str, read: Read, compress: Compress) -> None:
    for name in ("a.txt", "a.jsonl"):
        path = tmp_path / f"{name}{ending}"
        path.write_bytes(compress(b"", ending))
        assert read(path)[0] == []


def test_format_option_decides_for_stdin(read: Read, set_stdin: SetStdin) -> None:
    set_stdin(b"id,text\n1,a\n")
    assert read("-", format="csv")[0] == ["a"]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_cut_off_or_damaged_compressed_data_is_reported(
    tmp_path: Path, ending: str, kind: str, read: Read, compress: Compress
) -> None:
    path = tmp_path / f"a.{kind}{ending}"
    lines = [f'{{"text": "{n * 7919 % 10007}"}}' for n in range(5_000)]
    content = compress("\n".join(lines if kind == "jsonl" else ["text", *lines]).encode(), ending)
    path.write_bytes(content[:-20])
    with pytest.raises(InputError, match=r"(gzip|zstd) data is cut off|not a whole Parquet"):
        read(path, keep_json=True)
    path.write_bytes(b"not compressed")
    with pytest.raises(InputError, match=r"(gzip|zstd) data is damaged"):
        read(path, keep_json=True)


def test_a_taken_name_is_reported_when_the_input_is_opened(tmp_path: Path, read: Read) -> None:
    contents = {"a.csv": "text,score\n", "a.jsonl": json.dumps({"text": "a", "score": 1})}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        for keep_json in (True, False):
            with pytest.raises(UsageError, match="has a column 'score' already: give the new ones a `prefix`"):
                read(tmp_path / name, added=["sentiment", "score"], keep_json=keep_json)


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.txt", "a\u00e4\n", {}),
        ("a.csv", "text\na\u00e4\n", {}),
        ("a.jsonl", '{"text": "a\u00e4"}\n', {"keep_json": True}),
        ("a.jsonl", '{"text": "a\u00e4"}\n', {"keep_json": False}),
        ("a.parquet", None, {}),
    ],
)
def test_every_kind_gives_texts_of_one_type(
    tmp_path: Path, name: str, content: str | None, options: dict[str, bool]
) -> None:
    if content is None:
        pq.write_table(pa.table({"text": ["a\u00e4"]}), tmp_path / name)
    else:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with open_source(str(tmp_path / name), format=parse_file_name(name), **options) as source:
        [window] = source.windows
    assert window.texts.equals(pa.array(["a\u00e4"], pa.large_string()))


@pytest.mark.parametrize("keep_json", [True, False])
@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_a_column_asked_for_by_a_name_that_is_not_utf_8(tmp_path: Path, kind: str, keep_json: bool, read: Read) -> None:
    (tmp_path / f"a.{kind}").touch()
    with pytest.raises(UsageError, match=r"`column` caf\\udce9: is not UTF-8"):
        read(tmp_path / f"a.{kind}", column="caf\udce9", keep_json=keep_json)
