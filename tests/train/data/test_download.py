from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from sentscore.errors import InputError, OutputError
from sentscore_train.data.download import (
    download,
    extract_tar,
    extract_zip_member,
    in_report,
    md5_of,
    zip_members,
)
from sentscore_train.progress import Progress

CONTENT = bytes(range(256)) * 4_000  # 1 MB: several chunks
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does; the lists are worked off one request at a time."""

    content: bytes = CONTENT
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    cut_after: list[int] = field(default_factory=list)
    range_shift: int = 0
    requests: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    behaviour: ClassVar[Behaviour]

    def do_GET(self) -> None:
        todo = self.behaviour
        wanted = self.headers.get("Range")
        todo.requests.append(wanted)
        if todo.statuses:
            self.send_error(todo.statuses.pop(0))
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and todo.ranges else 0
        if start >= len(todo.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(todo.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = todo.content[start:]
        self.send_response(206 if start else 200)
        if start:
            first = start + todo.range_shift
            self.send_header("Content-Range", f"bytes {first}-{len(todo.content) - 1}/{len(todo.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):  # a client that refuses the answer hangs up
            self.wfile.write(body[: todo.cut_after.pop(0)] if todo.cut_after else body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Server:
    url: str
    behaviour: Behaviour


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    behaviour = Behaviour()
    handler = type("OneHandler", (Handler,), {"behaviour": behaviour})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Server(f"http://127.0.0.1:{http.server_port}/data.bin", behaviour)
        http.shutdown()
        thread.join()


def get(server: Server, target: Path, *, md5: str = MD5, retries: int = 3, size: int | None = None) -> Path:
    return download(server.url, target, md5=md5, size=size, retries=retries, backoff_s=0.001, timeout=5)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "data.bin"


def part_of(target: Path) -> Path:
    target.parent.mkdir(exist_ok=True)
    return target.with_name("data.bin.part")


def test_a_download_is_verified_named_and_reported(server: Server, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = download(server.url, target, md5=MD5, progress=lambda done, total: seen.append((done, total)))
    assert path == target
    assert target.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert [path.name for path in target.parent.iterdir()] == ["data.bin"]


def test_a_verified_file_is_not_downloaded_again(server: Server, target: Path) -> None:
    get(server, target)
    get(server, target)
    assert server.behaviour.requests == [None]


def test_a_damaged_file_is_downloaded_again(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"damaged")
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_a_dropped_connection_is_carried_on_where_it_broke(server: Server, target: Path) -> None:
    server.behaviour.cut_after = [300_000, 200_000]
    get(server, target, retries=0)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == [None, "bytes=300000-", "bytes=500000-"]


def test_a_part_of_an_earlier_call_is_carried_on(server: Server, target: Path) -> None:
    part_of(target).write_bytes(CONTENT[:100_000])
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == ["bytes=100000-"]


def test_a_server_without_range_starts_over(server: Server, target: Path) -> None:
    server.behaviour.ranges = False
    server.behaviour.cut_after = [300_000]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == [None, "bytes=300000-"]


def test_a_server_that_always_hangs_up_at_the_same_place_is_given_up(server: Server, target: Path) -> None:
    server.behaviour.ranges = False
    server.behaviour.cut_after = [300_000] * 10
    with pytest.raises(InputError, match=r"3 attempts brought nothing new \(.* 300,000 of 1,024,000"):
        get(server, target, retries=2)
    assert len(server.behaviour.requests) == 4
    assert part_of(target).stat().st_size == 300_000
    assert not target.exists()


def test_a_busy_server_is_asked_again(server: Server, target: Path) -> None:
    server.behaviour.statuses = [503, 503]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert len(server.behaviour.requests) == 3


def test_a_busy_server_is_given_up_after_the_retries(server: Server, target: Path) -> None:
    server.behaviour.statuses = [503] * 10
    with pytest.raises(InputError, match=r"3 attempts .*503"):
        get(server, target, retries=2)
    assert len(server.behaviour.requests) == 3


def test_a_refusal_is_not_asked_again(server: Server, target: Path) -> None:
    server.behaviour.statuses = [404]
    with pytest.raises(InputError, match="answers 404 Not Found"):
        get(server, target)
    assert len(server.behaviour.requests) == 1


def test_a_wrong_checksum_names_both_and_deletes_the_part(server: Server, target: Path) -> None:
    server.behaviour.content = b"other bytes"
    found = hashlib.md5(b"other bytes").hexdigest()
    with pytest.raises(InputError) as error:
        get(server, target)
    message = str(error.value)
    assert server.url in message
    assert f"md5 {MD5} expected, {found} found" in message
    assert "\n" not in message
    assert list(target.parent.iterdir()) == []
    assert len(server.behaviour.requests) == 1


def test_a_wrong_part_is_dropped_and_the_file_downloaded_from_its_start(server: Server, target: Path) -> None:
    part_of(target).write_bytes(b"x" * 100_000)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == ["bytes=100000-", None]


def test_a_whole_part_needs_only_the_servers_word(server: Server, target: Path) -> None:
    part_of(target).write_bytes(CONTENT)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_dropped(server: Server, target: Path) -> None:
    part_of(target).write_bytes(CONTENT + b"more")
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == [f"bytes={len(CONTENT) + 4}-", None]


def test_an_answer_for_another_range_starts_over(server: Server, target: Path) -> None:
    server.behaviour.range_shift = 7
    part_of(target).write_bytes(CONTENT[:1_000])
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == ["bytes=1000-", None]


def test_another_size_is_refused_before_the_download(server: Server, target: Path) -> None:
    with pytest.raises(InputError, match="1,000 bytes expected, the server announces 1,024,000"):
        get(server, target, size=1_000)
    assert not part_of(target).exists()


def test_a_server_that_is_not_there_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError, match=r"2 attempts .*refused"):
        download("http://127.0.0.1:9/x", tmp_path / "x", md5=MD5, retries=1, backoff_s=0.001)


def test_a_folder_that_cannot_be_made_is_an_output_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        get(server, tmp_path / "file" / "data.bin")


def test_bytes_are_reported_as_a_phase() -> None:
    seen: list[Progress] = []
    in_report(seen.append, "download x")(5, None)
    assert seen == [Progress("download x", 5, 0)]


def make_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_tar_is_unpacked_without_its_outer_folder(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", {"top/a.txt": b"A", "top/sub/b.txt": b"B", "stray": b"C"})
    folder = extract_tar(archive, tmp_path / "out" / "data", strip=1)
    assert files_in(folder) == {"a.txt": b"A", "sub/b.txt": b"B"}
    assert [path.name for path in folder.parent.iterdir()] == ["data"]


def test_only_the_members_asked_for_are_unpacked(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", {"top/a.txt": b"A", "top/b.csv": b"B"})
    folder = extract_tar(archive, tmp_path / "data", keep=lambda name: name.endswith(".csv"))
    assert files_in(folder) == {"top/b.csv": b"B"}


@pytest.mark.parametrize("name", ["../evil.txt", "top/../../evil.txt", "/evil.txt"])
@pytest.mark.parametrize("strip", [0, 1])
def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path, name: str, strip: int) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", {"top/a.txt": b"A", name: b"evil"})
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"refused.*evil"):
        extract_tar(archive, out / "data", strip=strip)
    assert list(out.iterdir()) == []
    assert list(tmp_path.rglob("evil*")) == []


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("top/link")
        info.type, info.linkname = tarfile.SYMTYPE, "../../secret"
        tar.addfile(info)
    with pytest.raises(InputError, match="refused"):
        extract_tar(tmp_path / "a.tar", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_truncated_archive_leaves_nothing_behind(tmp_path: Path) -> None:
    noise = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(250)) * 8
    archive = make_tar(tmp_path / "a.tar.gz", {f"top/{i}.txt": noise for i in range(20)})
    archive.write_bytes(archive.read_bytes()[:-3_000])
    with pytest.raises(InputError, match=r"a\.tar\.gz: damaged"):
        extract_tar(archive, tmp_path / "data", strip=1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize("content", [b"no archive at all" * 100, gzip.compress(b"no tar inside" * 100), b""])
def test_what_is_no_archive_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(InputError, match="not a tar archive"):
        extract_tar(tmp_path / "a.tar.gz", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_missing_archive_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.tar: cannot be read"):
        extract_tar(tmp_path / "nowhere.tar", tmp_path / "data")


def test_a_folder_that_exists_is_not_replaced(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a.tar.gz", {"a": b"A"})
    (tmp_path / "data").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        extract_tar(archive, tmp_path / "data")


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("one.txt", b"1" * 5_000)
        file.writestr("two.txt", b"2")
    return tmp_path / "a.zip"


def test_one_member_of_a_zip_is_unpacked(zipped: Path, tmp_path: Path) -> None:
    assert zip_members(zipped) == ("one.txt", "two.txt")
    path = extract_zip_member(zipped, "one.txt", tmp_path / "out" / "x.txt")
    assert path.read_bytes() == b"1" * 5_000
    assert md5_of(path) == hashlib.md5(b"1" * 5_000).hexdigest()


def test_a_member_that_a_zip_lacks_lists_the_others(zipped: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds one\.txt, two\.txt, three\.txt is asked for"):
        extract_zip_member(zipped, "three.txt", tmp_path / "x.txt")


def test_a_damaged_member_leaves_nothing_behind(zipped: Path, tmp_path: Path) -> None:
    content = bytearray(zipped.read_bytes())
    content[40] ^= 0xFF  # inside the first member's compressed bytes
    zipped.write_bytes(content)
    with pytest.raises(InputError, match=r"one\.txt is damaged"):
        extract_zip_member(zipped, "one.txt", tmp_path / "x.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_truncated_zip_is_an_input_error(zipped: Path) -> None:
    zipped.write_bytes(zipped.read_bytes()[:60])
    with pytest.raises(InputError, match="cannot be read as a zip archive"):
        zip_members(zipped)
