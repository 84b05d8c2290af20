from __future__ import annotations

import io
import os
import random

import pyarrow as pa
import pytest
from pyarrow.fs import FileInfo, FileSelector, FileType

from sentscore.errors import InputError
from sentscore.stores import open_object, reading
from sentscore.stores.filesystems import Store
from sentscore.stores.reading import ObjectFile
from sentscore.stores.retries import Retries


def test_an_object_is_read_as_a_file_is(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BLOCK", 1000)
    content = random.Random(0).randbytes(10_500)
    uri = s3.put("a b/ü%20.bin", content)
    with open_object(uri) as file:
        assert file.size == len(content)
        assert file.read(3) + file.read(1) == content[:4]
        assert file.read(5000) == content[4:5004]
        for place, size in ((9_990, 20), (0, 10), (10_499, 10), (10_500, 1), (4_000, 3_000)):
            assert file.seek(place) == place
            assert file.read(size) == content[place : place + size]
        assert file.seek(-4, io.SEEK_END) == 10_496
        assert file.read() == content[-4:]
        file.seek(0)
        assert io.BufferedReader(file, 700).read() == content


def test_dropped_connections_are_no_end(s3, dropping_proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(1).randbytes(50_000)
    uri = s3.put("a.bin", content)
    monkeypatch.setattr(reading, "_BLOCK", 2000)
    proxy = dropping_proxy(5)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    with open_object(uri) as file:
        assert file.read(25_000) + file.read(25_000) == content
        for place in range(0, 48_000, 1_999):
            file.seek(place)
            assert file.read(10) == content[place : place + 10]
    assert proxy.dropped > 2


def test_what_is_not_there(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    for uri, message in ((f"{s3.uri}/none.csv", "none.csv: no such object"), ("s3://none-such/a", "check the URI")):
        with pytest.raises(InputError, match=message), open_object(uri):
            pass
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"cannot be read .*: check the URI, the credentials, and the endpoint"):
        open_object(f"{s3.uri}/a.csv").__enter__()


def test_an_object_that_changes_while_it_is_read(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BLOCK", 10)
    uri = s3.put("a.csv", os.urandom(100))
    with open_object(uri) as file:
        file.read(10)
        s3.put("a.csv", os.urandom(50))
        file.seek(80)
        with pytest.raises(InputError, match=r"a\.csv: (has changed while it was read|cannot be read)"):
            file.read(10)


class CutStore:
    """A store of one object, whose first answer to each question is cut off in its headers."""

    def __init__(self) -> None:
        self.asked = 0

    def get_file_info(self, what: str | FileSelector) -> FileInfo | list[FileInfo]:
        self.asked += 1
        whole = FileInfo("b/lake/a.txt", FileType.File, size=4, mtime_ns=1)
        if isinstance(what, FileSelector):
            return [] if self.asked == 1 else [whole]
        return FileInfo("b/lake/a.txt", FileType.File, size=0, mtime_ns=1) if self.asked == 1 else whole

    def open_input_file(self, path: str) -> pa.NativeFile:
        self.asked += 1
        return pa.BufferReader(b"" if self.asked in {1, 3} else b"film")


def test_an_answer_that_is_cut_off_is_no_empty_store() -> None:
    assert [entry.name for entry in Store("s3://b", CutStore(), "b").list_folder("lake")] == ["a.txt"]
    found = Store("s3://b", CutStore(), "b").find("lake/a.txt")
    assert found is not None
    assert found.size == 4


def test_an_object_whose_size_is_cut_off_is_not_empty() -> None:
    store = Store("s3://b", CutStore(), "b")
    store.retries = Retries("s3://b", pause=lambda seconds: None)
    with ObjectFile("s3://b/lake/a.txt", store, "lake/a.txt") as file:
        file._drop()  # as after an error
        assert (file.size, file.read()) == (4, b"film")


def test_what_is_empty_stays_so() -> None:
    class Nothing(CutStore):
        def get_file_info(self, what: str | FileSelector) -> FileInfo | list[FileInfo]:
            self.asked += 1
            return [] if isinstance(what, FileSelector) else FileInfo("b/none", FileType.NotFound)

    filesystem = Nothing()
    store = Store("s3://b", filesystem, "b")
    assert (store.list_folder("lake"), store.find("none"), filesystem.asked) == ([], None, 4)
