from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from sentscore.errors import InputError, OutputError
from sentscore.progress import Progress
from sentscore_train.data.download import download

CONTENT = bytes(range(256)) * 4_000  # 1 MB: several reads
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does; the lists are worked off one request at a time."""

    content: bytes = CONTENT
    ranges: bool = True
    lengths: bool = True
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
        if todo.lengths:
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
    return download(server.url, target, md5=md5, size=size, retries=retries, backoff_s=0.001, timeout_s=5)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "data.bin"


def part_path(target: Path) -> Path:
    target.parent.mkdir(exist_ok=True)
    return target.with_name("data.bin.part")


def test_a_download_is_verified_named_and_reported(server: Server, target: Path) -> None:
    seen: list[Progress] = []
    path = download(server.url, target, md5=MD5, report=seen.append)
    assert path == target
    assert target.read_bytes() == CONTENT
    assert seen[0] == Progress("download data.bin", 0, len(CONTENT))
    assert seen[-1] == Progress("download data.bin", len(CONTENT), len(CONTENT))
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
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
    part_path(target).write_bytes(CONTENT[:100_000])
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
    assert part_path(target).stat().st_size == 300_000
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
    part_path(target).write_bytes(b"x" * 100_000)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == ["bytes=100000-", None]


def test_a_whole_part_needs_only_the_servers_word(server: Server, target: Path) -> None:
    part_path(target).write_bytes(CONTENT)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_dropped(server: Server, target: Path) -> None:
    part_path(target).write_bytes(CONTENT + b"more")
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == [f"bytes={len(CONTENT) + 4}-", None]


def test_an_answer_for_another_range_starts_over(server: Server, target: Path) -> None:
    server.behaviour.range_shift = 7
    part_path(target).write_bytes(CONTENT[:1_000])
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.behaviour.requests == ["bytes=1000-", None]


def test_another_size_is_refused_before_the_download(server: Server, target: Path) -> None:
    with pytest.raises(InputError, match="1,000 bytes expected, the server announces 1,024,000"):
        get(server, target, size=1_000)
    assert not part_path(target).exists()


def test_a_server_that_is_not_there_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError, match=r"2 attempts .*refused"):
        download("http://127.0.0.1:9/x", tmp_path / "x", md5=MD5, retries=1, backoff_s=0.001)


def test_a_folder_that_cannot_be_made_is_an_output_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        get(server, tmp_path / "file" / "data.bin")


@pytest.mark.parametrize("content", [CONTENT, b"so short that closing the file writes it"])
def test_a_full_disk_is_an_output_error(server: Server, target: Path, content: bytes) -> None:
    server.behaviour.content = content
    target.parent.mkdir(exist_ok=True)
    part_path(target).symlink_to("/dev/full")
    with pytest.raises(OutputError, match="cannot be written \\(No space left on device\\)"):
        get(server, target)


def test_an_unknown_total_is_reported_as_0(server: Server, target: Path) -> None:
    server.behaviour.lengths = False
    seen: list[Progress] = []
    download(server.url, target, md5=MD5, report=seen.append)
    assert {progress.total for progress in seen} == {0}
    assert target.read_bytes() == CONTENT
