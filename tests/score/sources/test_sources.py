from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sentscore.errors import InputError, UsageError
from sentscore.formats import Format, parse_file_name, parse_format
from sentscore.sources import Source, Window, open_source, streams, whole_files
from sentscore.sources import source as window

Compress = Callable[[bytes], bytes]


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


COMPRESSIONS: dict[str, Compress] = {"": bytes, ".gz": gzip.compress, ".zst": zstd}


def read(path: Path | str, *, format: str | None = None, **options: Any) -> tuple[list[str | None], Source]:
    """All texts of an input, and the source, spent."""
    chosen: Format | None = parse_format(format) if format else parse_file_name(str(path))
    with open_source(str(path), format=chosen, **options) as source:
        texts = [text for window in source.windows for text in window.texts.to_pylist()]
    return texts, source


def from_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def csv_bytes(rows: Sequence[Sequence[str]], **options: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out, **options).writerows(rows)
    return out.getvalue().encode()


@pytest.mark.parametrize("ending", COMPRESSIONS)
class TestEveryCompression:
    def test_text_lines(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"a.txt{ending}"
        path.write_bytes(COMPRESSIONS[ending]("gut\n\nschön\r\nlast".encode()))
        assert read(path)[0] == ["gut", "", "schön", "last"]

    def test_csv(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"a.csv{ending}"
        path.write_bytes(COMPRESSIONS[ending](csv_bytes([["id", "text"], ["007", 'a "b",\r\nc'], ["", ""]])))
        texts, source = read(path)
        assert texts == ['a "b",\r\nc', ""]
        assert source.schema.names == ["id", "text"]
        assert source.schema.types == [pa.string(), pa.string()]

    def test_json_lines(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"a.jsonl{ending}"
        path.write_bytes(COMPRESSIONS[ending](b'{"text": "a"}\n\n{"text": null}\r\n{"n": 1}'))
        assert read(path, keep_json=True)[0] == ["a", None, None]
        assert read(path)[0] == ["a", None, None]

    def test_parquet(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"a.parquet{ending}"
        out = io.BytesIO()
        pq.write_table(pa.table({"text": ["a", None, "b"], "n": [1, 2, 3]}), out)
        path.write_bytes(COMPRESSIONS[ending](out.getvalue()))
        texts, source = read(path)
        assert texts == ["a", None, "b"]
        assert source.rows == 3

    def test_stdin_is_told_by_its_first_bytes(self, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
        out = io.BytesIO()
        pq.write_table(pa.table({"text": ["a"]}), out)
        for content, kind in (
            (out.getvalue(), "parquet"),
            (b'\n {"text": "a"}\n', "jsonl"),
            (b"a\n", "txt"),
        ):
            from_stdin(monkeypatch, COMPRESSIONS[ending](content))
            texts, source = read("-")
            assert source.kind == kind
            assert texts == ["a"]

    def test_members_on_end_are_read_as_one(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / f"a.txt{ending}"
        path.write_bytes(COMPRESSIONS[ending](b"a\nb") + COMPRESSIONS[ending](b"c\nd\n"))
        assert read(path)[0] == ["a", "bc", "d"]

    def test_an_empty_file_has_no_rows(self, tmp_path: Path, ending: str) -> None:
        for name in ("a.txt", "a.jsonl"):
            path = tmp_path / f"{name}{ending}"
            path.write_bytes(COMPRESSIONS[ending](b""))
            assert read(path)[0] == []


class SlowPipe(io.RawIOBase):
    """Hands out a byte at a time, as a pipe may."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        block = self.content.read(1)
        buffer[: len(block)] = block
        return len(block)


def test_stdin_that_comes_in_single_bytes_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), out)
    stdin = io.TextIOWrapper(io.BufferedReader(SlowPipe(gzip.compress(out.getvalue()))))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert read("-")[0] == ["a"]


def test_stdin_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    from_stdin(monkeypatch, b"a\n")
    read("-")
    assert not sys.stdin.buffer.closed


def test_format_option_decides_for_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    from_stdin(monkeypatch, b"id,text\n1,a\n")
    assert read("-", format="csv")[0] == ["a"]


class TestLines:
    def test_only_line_feeds_end_a_line(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes("a\u2028b\x85c\x0bd\x0ce\rf\r\r\ng".encode())
        assert read(path)[0] == ["a\u2028b\x85c\x0bd\x0ce\rf\r", "g"]

    def test_byte_order_mark_is_no_text(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes("\ufeffa\n\ufeffb\n".encode())
        assert read(path)[0] == ["a", "\ufeffb"]

    def test_other_encodings_are_told_with_line_and_offset(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_bytes(b"fine\ncaf\xe9\n")
        with pytest.raises(InputError, match=r"a\.txt: line 2: byte 0xe9 at offset 8 .* iconv -f WINDOWS-1252"):
            read(path)

    def test_utf_16_is_recognised(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_bytes("id,text\n".encode("utf-16"))
        with pytest.raises(InputError, match=r"line 1: .* iconv -f UTF-16"):
            read(path)

    def test_a_line_without_end_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(streams, "MAX_LINE", 1 << 20)
        path = tmp_path / "a.txt"
        path.write_bytes(b"a\n" + b"x" * (1 << 20) + b"y\n")
        with pytest.raises(InputError, match=r"line 2 is over 1 MiB"):
            read(path)

    def test_the_column_is_named_text(self, tmp_path: Path) -> None:
        path = tmp_path / "a.txt"
        path.write_text("a\n")
        assert read(path, column="text")[0] == ["a"]
        with pytest.raises(InputError, match="no column 'review'; it has 'text'"):
            read(path, column="review")


class TestDelimited:
    def write(self, tmp_path: Path, content: bytes, name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    def test_a_field_may_be_long(self, tmp_path: Path) -> None:
        long = "word " * 100_000
        path = self.write(tmp_path, csv_bytes([["text"], [long]]))
        assert read(path)[0] == [long]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_any_line_end(self, tmp_path: Path, end: str) -> None:
        path = self.write(tmp_path, end.join(["id,text", "1,a", '2,"b\rc"', ""]).encode())
        assert read(path)[0] == ["a", "b\rc"]

    def test_tabs(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b'id\ttext\n1\ta,b\n2\t"c\td"\n', "a.tsv")
        assert read(path)[0] == ["a,b", "c\td"]

    def test_a_ragged_row_is_told_by_its_line(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b'id,text\n1,"a\nb"\n2,c,d\n')
        with pytest.raises(InputError, match=r"line 4 has 3 fields, the header 2"):
            read(path)

    def test_blank_lines_are_no_rows_beside_several_columns(self, tmp_path: Path) -> None:
        assert read(self.write(tmp_path, b"id,text\n\n1,a\n\n"))[0] == ["a"]

    def test_a_blank_line_is_an_empty_text_in_a_single_column(self, tmp_path: Path) -> None:
        assert read(self.write(tmp_path, b'text\na\n\n""\nb\n'))[0] == ["a", "", "", "b"]

    @pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
    def test_a_header_is_needed(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(InputError, match="no header"):
            read(self.write(tmp_path, content))

    @pytest.mark.parametrize("content", [b'text\n"a', b'text\n"a"b\n'])
    def test_broken_quotes_are_told(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(InputError, match=r"a\.csv: line 2: .*quotes"):
            read(self.write(tmp_path, content))

    def test_a_header_alone_has_no_rows(self, tmp_path: Path) -> None:
        assert read(self.write(tmp_path, b"id,text\n"))[0] == []


class TestJsonLines:
    def write(self, tmp_path: Path, content: str | bytes) -> Path:
        path = tmp_path / "a.jsonl"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

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
    def test_lines_that_do_not_fit_are_told(self, tmp_path: Path, line: str, message: str) -> None:
        path = self.write(tmp_path, '{"text": "a"}\n' + line)
        with pytest.raises(InputError, match=message):
            read(path, keep_json=True, column="text")

    def test_a_later_line_is_checked_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(window, "WINDOW_ROWS", 1)
        path = self.write(tmp_path, '{"text": "a"}\n{"text": ["b"]}\n')
        with pytest.raises(InputError, match="line 2: 'text' holds an array, not text"):
            read(path, keep_json=True)
        path = self.write(tmp_path, '{"text": "a"}\n{"text": "b", "score": 1}\n')
        with pytest.raises(UsageError, match="line 2: has a column 'score' already"):
            read(path, keep_json=True, added=["score"])

    def test_half_a_surrogate_pair_is_mended_where_it_is_scored(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, r'{"text": "a\ud83d b\ud83d\ude00"}')
        assert read(path, keep_json=True)[0] == ["a\ufffd b😀"]

    def test_a_table_keeps_strings_that_look_like_times(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, '{"text": "a", "day": "2024-01-02", "in": {"at": ["2024-01-02"]}, "no": null}\n')
        with open_source(str(path), format=parse_file_name("a.jsonl")) as source:
            rows = [row for each in source.windows for row in each.rows.to_pylist()]
        assert rows == [{"text": "a", "day": "2024-01-02", "in": {"at": ["2024-01-02"]}, "no": None}]

    @pytest.mark.parametrize(
        "line", ['{"text": "b", "new": 1}', '{"text": 5}', '{"text": "b", "n": 1.5}', '{"text": "a"}{"text": "b"}']
    )
    def test_a_table_refuses_lines_unlike_the_first_window(
        self, tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(window, "WINDOW_ROWS", 1)
        path = self.write(tmp_path, '{"text": "a", "n": 1}\n' + line)
        with pytest.raises(InputError, match=r"a\.jsonl: lines 2 to 2 do not make a table .*write \.jsonl"):
            read(path)

    def test_mixed_types_do_not_make_a_table(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="lines 1 to 2 do not make a table"):
            read(self.write(tmp_path, '{"text": "a", "n": 1}\n{"text": "a", "n": "x"}\n'))


STRING_TYPES = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}


def invalid_strings() -> pa.Array:
    """Three strings, the second of which is not UTF-8."""
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 1, 3, 4)))
    return pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"a\xff\xfeb")])


class TestParquet:
    @pytest.mark.parametrize("kind", STRING_TYPES)
    def test_every_type_of_text(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "a.parquet"
        values = ["a", None, "", "b", "a"]
        pq.write_table(pa.table({"n": range(5), "x": pa.array(values).cast(STRING_TYPES[kind])}), path)
        texts, source = read(path)
        assert texts == values
        assert source.schema.field("x").type == STRING_TYPES[kind]

    @pytest.mark.parametrize("kind", STRING_TYPES)
    def test_bytes_that_are_not_utf_8_are_told_by_their_row(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "a.parquet"
        column = invalid_strings()
        column = column.dictionary_encode() if kind == "dictionary" else column.cast(STRING_TYPES[kind], safe=False)
        table = pa.table({"text": pa.chunked_array([pa.array(["x"]).cast(column.type), column])})
        pq.write_table(table, path, row_group_size=1)
        with pytest.raises(InputError, match=r"column 'text', row 2 \(from 0\) is not UTF-8"):
            read(path)

    def test_rows_come_in_windows_bounded_in_rows_and_bytes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from sentscore.sources import parquet

        monkeypatch.setattr(parquet, "WINDOW_BYTES", 50_000)
        path = tmp_path / "a.parquet"
        # Repeated texts are stored once, so that their size shows only when they are read.
        pq.write_table(pa.table({"text": ["x" * 1_000] * 2_000}), path, row_group_size=1_500)
        with open_source(str(path), format=parse_file_name("a.parquet")) as source:
            windows = list(source.windows)
        assert max(each.rows.nbytes for each in windows) <= 50_000
        ends = [sum(len(each.texts) for each in windows[: i + 1]) for i, w in enumerate(windows) if w.ends_group]
        assert ends == [1_500, 2_000]

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 but nothing else PAR1", b"hello"])
    def test_what_is_no_parquet_file_is_told(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.parquet"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.parquet: not a whole Parquet file"):
            read(path)

    def test_a_truncated_file_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"text": [str(n) for n in range(1_000)]}), path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InputError, match="not a whole Parquet file"):
            read(path)

    def test_a_damaged_page_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        pq.write_table(
            pa.table({"text": [f"text {n}" for n in range(5_000)]}), path, compression="zstd", use_dictionary=False
        )
        content = bytearray(path.read_bytes())
        content[200:2_200] = b"\xff" * 2_000
        path.write_bytes(content)
        with pytest.raises(InputError, match="row group 0 is damaged"):
            read(path)

    def test_an_empty_table(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"text": pa.array([], pa.string())}), path)
        assert read(path)[0] == []


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
def test_cut_off_or_damaged_compressed_data_is_told(tmp_path: Path, ending: str, kind: str) -> None:
    path = tmp_path / f"a.{kind}{ending}"
    lines = [f'{{"text": "{n * 7919 % 10007}"}}' for n in range(5_000)]
    content = COMPRESSIONS[ending]("\n".join(lines if kind == "jsonl" else ["text", *lines]).encode())
    path.write_bytes(content[:-20])
    with pytest.raises(InputError, match=r"(gzip|zstd) data is cut off|not a whole Parquet"):
        read(path, keep_json=True)
    path.write_bytes(b"not compressed")
    with pytest.raises(InputError, match=r"(gzip|zstd) data is damaged"):
        read(path, keep_json=True)


class TestOpening:
    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"none\.csv: no such file"):
            read(tmp_path / "none.csv")

    def test_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").mkdir()
        with pytest.raises(InputError, match=r"a\.parquet: is a directory"):
            read(tmp_path / "a.parquet")

    def test_a_path_through_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="cannot be read: Not a directory"):
            read(tmp_path / "file" / "a.txt")


def test_a_taken_name_is_told_when_the_input_is_opened(tmp_path: Path) -> None:
    contents = {"a.csv": "text,score\n", "a.jsonl": json.dumps({"text": "a", "score": 1})}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
        for keep_json in (True, False):
            with pytest.raises(UsageError, match="has a column 'score' already: give the new ones a --prefix"):
                read(tmp_path / name, added=["sentiment", "score"], keep_json=keep_json)


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


def test_a_whole_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfab\nc\xff")
    with pytest.raises(InputError, match="line 2: byte 0xff at offset 7"):
        list(whole_files([str(tmp_path / "a")]).windows)


def test_windows_are_bounded_in_rows_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW_ROWS", 3)
    monkeypatch.setattr(window, "WINDOW_BYTES", 10)
    sizes = [1, 1, 1, 1, 9, 2, 30, 4, 4, 4]
    windows = list(window.gather(sizes, lambda size: size))
    assert windows == [[1, 1, 1], [1, 9], [2], [30], [4, 4], [4]]


def test_the_position_moves_through_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW_ROWS", 100_000)
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % (n * 7919 % 1_000_003) for n in range(1_000_000))))
    with open_source(str(path), format=parse_file_name("a.txt.gz")) as source:
        positions = [each.position for each in source.windows]
    assert source.size == path.stat().st_size
    assert positions == sorted(positions)
    assert positions[0] < source.size // 2
    assert positions[-1] == source.size


def test_a_window_says_nothing_of_groups_by_default() -> None:
    empty = pa.record_batch({"text": pa.array([], pa.string())})
    assert Window(empty, empty.column(0)) == Window(empty, empty.column(0), ends_group=False, position=0)
