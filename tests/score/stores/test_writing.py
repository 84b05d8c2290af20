from __future__ import annotations

import json
import random
import socketserver
import threading
from pathlib import Path

import pytest

from sentscore.errors import OutputError, UsageError
from sentscore.stores import StorePath, check_writable, new_object, parse_store_path
from sentscore.stores.cache import cache_folder


def notes() -> list[Path]:
    return list((cache_folder() / "uploads").glob("*"))


@pytest.mark.parametrize("size", [0, 10, 25_000])
def test_an_object_appears_when_it_is_whole(s3, size: int) -> None:
    content = random.Random(2).randbytes(size)
    with new_object(parse_store_path(f"{s3.uri}/a/b.bin")) as file:
        for start in range(0, size, 7_000):
            file.write(content[start : start + 7_000])
        assert s3.tree() == {}
    assert s3.tree() == {"a/b.bin": content}
    assert (s3.uploads(), notes()) == ([], [])


def fail_after(path: StorePath, size: int) -> None:
    def write_and_fail() -> None:
        with new_object(path) as file:
            file.write(bytes(size))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()


@pytest.mark.parametrize("size", [10, 25_000])
def test_nothing_is_left_of_a_failure(s3, size: int) -> None:
    fail_after(parse_store_path(f"{s3.uri}/a.bin"), size)
    assert (s3.tree(), s3.uploads(), notes()) == ({}, [], [])


@pytest.mark.parametrize("size", [10, 15_000])
def test_an_object_that_appears_meanwhile_stays(s3, size: int) -> None:
    path = parse_store_path(f"{s3.uri}/a.bin")

    def write_beside_others() -> None:
        with new_object(path, replace=False) as file:
            file.write(bytes(size))
            s3.put("a.bin", b"theirs")

    with pytest.raises(OutputError, match=r"a\.bin: exists already, made meanwhile"):
        write_beside_others()
    assert (s3.tree(), s3.uploads(), notes()) == ({"a.bin": b"theirs"}, [], [])
    with new_object(path) as file:
        file.write(b"ours")
    assert s3.get("a.bin") == b"ours"


def test_no_answer_is_awaited_before_the_content(s3, monkeypatch) -> None:
    """A connection that drops in the middle of `100 Continue` would be waited for without end."""
    heads: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            heads.append(b"".join(iter(self.rfile.readline, b"\r\n")))
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with (
            pytest.raises(OutputError, match="cannot be written"),
            new_object(parse_store_path("s3://b/a.bin")) as file,
        ):
            file.write(b"content")
        server.shutdown()
    assert any(head.startswith(b"PUT /b/a.bin ") for head in heads)
    assert not any(b"expect" in head.lower() for head in heads)


def test_dropped_connections_do_not_stop_an_upload(s3, dropping_proxy, monkeypatch) -> None:
    content = random.Random(3).randbytes(150_000)
    proxy = dropping_proxy(3)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    for number in range(3):  # an answer that is lost when the object is there already, too
        with new_object(parse_store_path(f"{s3.uri}/{number}.bin"), replace=False) as file:
            file.write(content[: (number + 1) << 10])
    with new_object(parse_store_path(f"{s3.uri}/large.bin"), replace=False) as file:
        file.write(content)
    assert proxy.dropped > 2
    found = s3.tree()
    assert found.pop("large.bin") == content
    assert found == {f"{number}.bin": content[: (number + 1) << 10] for number in range(3)}
    assert (s3.uploads(), notes()) == ([], [])


def test_uploads_of_killed_processes_are_ended_but_no_others(s3) -> None:
    def begin(key: str) -> dict[str, str]:
        made = s3.client.create_multipart_upload(Bucket=s3.name, Key=key)
        return {"endpoint": s3.client.meta.endpoint_url, "bucket": s3.name, "key": key, "upload": made["UploadId"]}

    killed, killed_at_once, _ = begin("killed"), begin("killed at once"), begin("of another tool")
    del killed_at_once["upload"]
    folder = cache_folder() / "uploads"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text(json.dumps({**killed, "upload": ""})[:20] + "\n" + json.dumps(killed) + "\n{torn")
    (folder / "2.json").write_text(json.dumps(killed_at_once) + "\n")
    (folder / "3.json").write_text("")
    (folder / "4.json").write_text(json.dumps({**killed, "endpoint": "http://other"}) + "\n")
    (folder / "5.json").write_text(json.dumps({**killed, "upload": "gone"}) + "\n")
    with new_object(parse_store_path(f"{s3.uri}/at work")) as file:
        file.write(bytes(15_000))
        with new_object(parse_store_path(f"{s3.uri}/next")):
            assert set(s3.uploads()) == {"at work", "of another tool"}
    assert s3.uploads() == ["of another tool"]
    assert [path.name for path in notes()] == ["4.json"]


def test_what_cannot_be_written_to_is_said(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"s3://none-such/a: cannot be written .*NoSuchBucket.*: check the bucket"
    with pytest.raises(OutputError, match=message), new_object(parse_store_path("s3://none-such/a")):
        pass
    with pytest.raises(UsageError, match="foo is no store that is known"):
        check_writable(parse_store_path("foo://bucket/a"))
    monkeypatch.setattr("sentscore.stores.writing.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"boto3 is not installed: pip install 'sentscore\[s3\]'"):
        check_writable(parse_store_path("s3://bucket/a"))


class TestOtherStores:
    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StorePath:
        import fsspec

        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        fsspec.filesystem("memory").store.clear()
        return parse_store_path("memory://lake/out/a.csv")

    def names(self) -> list[str]:
        import fsspec

        return sorted(fsspec.filesystem("memory").store)

    def test_an_object_is_moved_to_its_place(self, path: StorePath) -> None:
        with new_object(path) as file:
            file.write(b"abc")
            assert not path.exists()
        assert [name.rpartition("/")[2] for name in self.names()] == ["a.csv"]
        assert path.is_file()
        assert path.parent.is_dir()
        assert notes() == []
        with new_object(path, replace=True) as file:
            file.write(b"new")
        with pytest.raises(OutputError, match="exists already"), new_object(path, replace=False) as file:
            file.write(b"newer")
        assert path.store.filesystem.open_input_file(path.store.locate(path.key)).read() == b"new"
        assert len(self.names()) == 1

    def test_nothing_is_left_of_a_failure(self, path: StorePath) -> None:
        fail_after(path, 100)
        assert (self.names(), notes()) == ([], [])

    def test_what_killed_processes_left_is_removed(self, path: StorePath) -> None:
        with new_object(path.with_name(".sentscore-1.part")) as file:
            file.write(b"left")
        folder = cache_folder() / "uploads"
        note = {"scheme": "memory", "host": "lake", "hidden": "out/.sentscore-1.part"}
        (folder / "1.json").write_text(json.dumps(note) + "\n")
        with new_object(path) as file:
            file.write(b"abc")
        assert [name.rpartition("/")[2] for name in self.names()] == ["a.csv"]
        assert notes() == []
