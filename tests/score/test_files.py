from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from sentscore.errors import OutputError
from sentscore.files import hidden_sibling, lock, new_file, new_folder, sweep_folder, write_file

NOBODY = 65_534


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Lets no file grow beyond `size` bytes; Python ignores the signal that comes with it."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Gives up root's right to write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


class TestLeftovers:
    def test_what_a_killed_process_left_is_removed(self, tmp_path: Path) -> None:
        dead = hidden_sibling(tmp_path / "a.csv", "0123abcd.part")
        other = hidden_sibling(tmp_path / "b.csv", "0123abcd.part")
        for part in (dead, other):
            part.touch()
        write_file(tmp_path / "a.csv", b"text")
        assert files(tmp_path) == sorted([other.name, "a.csv"])

    def test_those_of_a_whole_folder_are_removed_at_once(self, tmp_path: Path) -> None:
        for name in ("a.csv", "b.csv"):
            hidden_sibling(tmp_path / name, "0123abcd.part").touch()
        hidden_sibling(tmp_path / "a.csv", "scores").touch()
        (tmp_path / "mine.part").touch()
        with new_file(tmp_path / "c.csv", sweep=False) as slow:
            slow.write(b"slow")
            assert len(files(tmp_path)) == 5
            sweep_folder(tmp_path)
            assert len(files(tmp_path)) == 3
        assert files(tmp_path) == sorted([hidden_sibling(tmp_path / "a.csv", "scores").name, "c.csv", "mine.part"])
        sweep_folder(tmp_path / "none")

    def test_what_another_process_is_writing_stays(self, tmp_path: Path) -> None:
        with new_file(tmp_path / "a.csv") as slow:
            slow.write(b"slow")
            write_file(tmp_path / "a.csv", b"text")
            assert len(files(tmp_path)) == 2
        assert (tmp_path / "a.csv").read_bytes() == b"slow"
        assert files(tmp_path) == ["a.csv"]

    def test_one_that_is_removed_before_it_is_held_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries = 0

        def late(file: BinaryIO) -> bool:
            nonlocal tries
            tries += 1
            if tries == 1:
                [part] = tmp_path.iterdir()
                part.unlink()
            return True

        monkeypatch.setattr("sentscore.files.lock", late)
        with new_file(tmp_path / "a.csv") as file:
            file.write(b"there")
        assert tries == 2
        assert (tmp_path / "a.csv").read_bytes() == b"there"

    def test_parts_stay_where_nobody_can_tell_whose_they_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        part = hidden_sibling(tmp_path / "a.csv", "0123abcd.part")
        part.touch()
        monkeypatch.setattr("sentscore.files.lock", lambda file: None)
        write_file(tmp_path / "a.csv", b"text")
        assert part.exists()

    @pytest.mark.parametrize(
        ("code", "held"),
        [(errno.EWOULDBLOCK, False), (errno.EACCES, False), (errno.ENOLCK, None), (errno.EINVAL, None)],
    )
    def test_what_a_file_system_says_of_locks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, held: bool | None
    ) -> None:
        def refuse(*arguments: object) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(fcntl, "flock", refuse)
        with (tmp_path / "a").open("xb") as file:
            assert lock(file) is held


class TestNewFile:
    def test_the_file_is_there_only_when_the_block_has_ended(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(b"old")
        with new_file(path) as file:
            file.write(b"new")
            file.flush()
            assert path.read_bytes() == b"old"
        assert path.read_bytes() == b"new"
        assert files(tmp_path) == ["a"]

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
    def test_nothing_is_left_behind(self, tmp_path: Path, error: type[BaseException]) -> None:
        def fail() -> None:
            with new_file(tmp_path / "a") as file:
                file.write(b"half")
                raise error

        with pytest.raises(error):
            fail()
        assert files(tmp_path) == []

    def test_the_mode_follows_the_umask(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            with new_file(tmp_path / "a"):
                pass
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640

    def test_a_link_stays_and_its_file_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "in" / "file")
        with new_file(tmp_path / "link") as file:
            file.write(b"x")
        assert (tmp_path / "link").is_symlink()
        assert files(tmp_path / "in") == ["file"]

    def test_the_longest_name_that_a_file_can_have(self, tmp_path: Path) -> None:
        name = "n" * 255
        with new_file(tmp_path / name):
            pass
        assert files(tmp_path) == [name]

    def test_a_read_only_folder(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o555)
            with unprivileged(), pytest.raises(OutputError, match=r"a\.csv: cannot be written \(Permission denied\)"):
                new_file(Path(name) / "a.csv").__enter__()
            assert files(Path(name)) == []

    def test_a_full_disk_is_an_output_error_where_it_is_written_to(self, tmp_path: Path) -> None:
        seen = []

        def write() -> None:
            with new_file(tmp_path / "a") as file:
                try:
                    file.write(bytes(100_000))
                except OutputError as error:
                    seen.append(str(error))
                    raise

        with full_disk(10_000), pytest.raises(OutputError):
            write()
        assert seen == [
            f"{tmp_path / 'a'}: cannot be written (File too large): free space there or choose another place"
        ]
        assert files(tmp_path) == []

    def test_a_full_disk_is_an_output_error_when_the_rest_is_written(self, tmp_path: Path) -> None:
        with full_disk(10), pytest.raises(OutputError, match=r"a: cannot be written \(File too large\)"):
            write_file(tmp_path / "a", bytes(100))
        assert files(tmp_path) == []

    def test_folders_above_are_made_where_asked_for(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="No such file or directory"):
            new_file(tmp_path / "new" / "a").__enter__()
        with new_file(tmp_path / "new" / "a", parents=True):
            pass
        assert files(tmp_path / "new") == ["a"]


def fill_and_fail(folder: Path, error: BaseException, *, replace: bool = False) -> None:
    with new_folder(folder, replace=replace) as content:
        (content / "half").touch()
        raise error


def occupy(path: Path, content: bytes = b"of another process") -> None:
    """Makes or replaces a file while another one of the same name is made."""
    path.write_bytes(content)


def refuse_links(*arguments: object, **names: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


class TestNotReplacing:
    def test_one_that_exists_is_left_at_once(self, tmp_path: Path) -> None:
        occupy(tmp_path / "a")
        with pytest.raises(OutputError, match="a: exists already, made meanwhile: move it away, or give --force"):
            new_file(tmp_path / "a", replace=False).__enter__()
        assert files(tmp_path) == ["a"]

    @pytest.mark.parametrize("way", ["link", "renameat2", "look"])
    @pytest.mark.parametrize("make", [occupy, Path.mkdir, lambda path: path.symlink_to("nothing")])
    def test_one_that_appears_meanwhile_stays(
        self, tmp_path: Path, way: str, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if way != "link":
            monkeypatch.setattr(os, "supports_dir_fd", {refuse_links, *os.supports_dir_fd})
            monkeypatch.setattr(os, "link", refuse_links)
        if way != "renameat2":
            monkeypatch.setattr("sentscore.files._call_renameat2", lambda *names: False)

        def write(path: Path) -> None:
            with new_file(path, replace=False) as file:
                file.write(b"ours")
                if path.name == "a":
                    make(path)

        with pytest.raises(OutputError, match="a: exists already, made meanwhile"):
            write(tmp_path / "a")
        write(tmp_path / "b")
        assert files(tmp_path) == ["a", "b"]
        assert (tmp_path / "b").read_bytes() == b"ours"
        assert (tmp_path / "b").stat().st_nlink == 1
        if make is occupy:
            assert (tmp_path / "a").read_bytes() == b"of another process"

    def test_a_link_to_nothing_is_filled(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("file")
        with new_file(tmp_path / "link", replace=False) as file:
            file.write(b"x")
        assert (tmp_path / "file").read_bytes() == b"x"
        assert files(tmp_path) == ["file", "link"]

    def test_a_folder_that_appears_meanwhile_stays(self, tmp_path: Path) -> None:
        def fill() -> None:
            with new_folder(tmp_path / "data"):
                (tmp_path / "data").mkdir()

        with pytest.raises(OutputError, match="data: exists already, made meanwhile"):
            fill()
        assert files(tmp_path) == ["data"]

    def test_a_file_is_not_replaced_by_a_folder(self, tmp_path: Path) -> None:
        occupy(tmp_path / "data")
        with pytest.raises(OutputError, match="data: is no folder"):
            new_folder(tmp_path / "data", replace=True).__enter__()
        assert files(tmp_path) == ["data"]


def make_socket(path: Path) -> None:
    with chdir(path.parent), socket.socket(socket.AF_UNIX) as file:  # the whole path may be too long for one
        file.bind(path.name)


def make_device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


class TestSharedFolders:
    """Others who can write to the folder have put something there that has the name of a part."""

    @pytest.mark.parametrize("suffix", ["part", "old"])
    @pytest.mark.parametrize(
        "make", [os.mkfifo, make_socket, make_device, lambda path: path.symlink_to(path.parent / "precious")]
    )
    def test_only_files_and_folders_are_opened(self, tmp_path: Path, make: Callable[[Path], None], suffix: str) -> None:
        (tmp_path / "precious").mkdir()
        left = hidden_sibling(tmp_path / "a", f"0123abcd.{suffix}")
        make(left)
        write_file(tmp_path / "a", b"text")  # a pipe would be waited for here
        with new_folder(tmp_path / "b"):
            pass
        assert files(tmp_path) == sorted([left.name, "a", "b", "precious"])

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    @pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
    def test_those_of_another_user_stay(self, tmp_path: Path, make: Callable[[Path], None]) -> None:
        left = hidden_sibling(tmp_path / "a", "0123abcd.part")
        make(left)
        os.chown(left, NOBODY, NOBODY)
        write_file(tmp_path / "a", b"text")
        assert files(tmp_path) == sorted([left.name, "a"])


class TestMovedFolders:
    @pytest.mark.parametrize("replace", [True, False])
    @pytest.mark.parametrize("put_another", [True, False])
    def test_no_part_is_left_in_a_folder_that_is_moved_away(
        self, tmp_path: Path, replace: bool, put_another: bool
    ) -> None:
        (tmp_path / "old").mkdir()

        def write() -> None:
            with new_file(tmp_path / "old" / "a", replace=replace):
                (tmp_path / "old").rename(tmp_path / "new")
                if put_another:
                    (tmp_path / "old").mkdir()

        with pytest.raises(OutputError, match=r"a: the folder .*old was moved or removed meanwhile: bring it back"):
            write()
        assert files(tmp_path) == (["new", "old"] if put_another else ["new"])
        assert files(tmp_path / "new") == []

    def test_folders_need_not_be_readable(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            os.chown(name, NOBODY, NOBODY) if os.geteuid() == 0 else None
            Path(name).chmod(0o300)
            with unprivileged(), new_file(Path(name) / "a", replace=False) as file:
                file.write(b"x")
            Path(name).chmod(0o700)
            assert files(Path(name)) == ["a"]


class TestNewFolder:
    def test_it_is_there_only_when_the_block_has_ended(self, tmp_path: Path) -> None:
        with new_folder(tmp_path / "out" / "data") as folder:
            (folder / "a").touch()
            assert not (tmp_path / "out" / "data").exists()
        assert files(tmp_path / "out") == ["data"]
        assert files(tmp_path / "out" / "data") == ["a"]

    def test_an_interrupted_folder_never_appears(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            fill_and_fail(tmp_path / "data", KeyboardInterrupt())
        assert list(tmp_path.iterdir()) == []

    def test_one_that_exists_is_replaced_only_where_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "old").touch()
        with pytest.raises(OutputError, match="data: exists already: remove it or choose another folder"):
            new_folder(tmp_path / "data").__enter__()
        with new_folder(tmp_path / "data", replace=True) as folder:
            (folder / "new").touch()
            assert files(tmp_path / "data") == ["old"]
        assert files(tmp_path) == ["data"]
        assert files(tmp_path / "data") == ["new"]

    def test_one_that_cannot_be_replaced_stays(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        with pytest.raises(OutputError, match=r"data: cannot be written \(No space left on device\)"):
            fill_and_fail(tmp_path / "data", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), replace=True)
        assert files(tmp_path) == ["data"]

    def test_one_comes_back_when_the_new_one_cannot_take_its_place(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rename = Path.rename

        def refuse(source: Path, target: Path) -> Path:
            if source.name.endswith(".part") and any(source.iterdir()):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return rename(source, target)

        (tmp_path / "data").mkdir()
        monkeypatch.setattr(Path, "rename", refuse)

        def replace() -> None:
            with new_folder(tmp_path / "data", replace=True) as folder:
                (folder / "new").touch()

        with pytest.raises(OutputError, match=r"data: cannot be written \(Input/output error\)"):
            replace()
        assert files(tmp_path) == ["data"]
        assert files(tmp_path / "data") == []

    @pytest.mark.parametrize("replace", [True, False])
    def test_a_folder_comes_back_that_a_killed_process_was_replacing(self, tmp_path: Path, replace: bool) -> None:
        script = """
import os, signal, sys
from pathlib import Path
from sentscore.files import new_folder
rename = Path.rename
def die(source, target):
    if source.name.endswith(".part"):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(source, target)
Path.rename = die
with new_folder(Path(sys.argv[1]), replace=True) as folder:
    (folder / "new").touch()
"""
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "old").touch()
        done = subprocess.run([sys.executable, "-c", script, tmp_path / "data"], check=False)
        assert done.returncode == -signal.SIGKILL
        assert not (tmp_path / "data").exists()
        if replace:
            with pytest.raises(KeyboardInterrupt):
                fill_and_fail(tmp_path / "data", KeyboardInterrupt(), replace=True)
        else:
            with pytest.raises(OutputError, match="data: exists already"):
                new_folder(tmp_path / "data").__enter__()
        assert files(tmp_path) == ["data"]
        assert files(tmp_path / "data") == ["old"]

    def test_an_old_folder_is_removed_where_the_new_one_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        old = hidden_sibling(tmp_path / "data", "0123abcd.old")
        old.mkdir()
        (old / "old").touch()
        with new_folder(tmp_path / "data", replace=True) as folder:
            (folder / "new").touch()
        assert files(tmp_path) == ["data"]
        assert files(tmp_path / "data") == ["new"]

    def test_one_that_another_process_is_replacing_stays_where_it_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rename = Path.rename
        seen: list[int] = []

        def interfere(source: Path, target: Path) -> Path:
            renamed = rename(source, target)
            if target.name.endswith(".old"):
                with pytest.raises(KeyboardInterrupt):
                    fill_and_fail(tmp_path / "data", KeyboardInterrupt())
                seen.append(len(files(tmp_path)))
            return renamed

        (tmp_path / "data").mkdir()
        monkeypatch.setattr(Path, "rename", interfere)
        with new_folder(tmp_path / "data", replace=True) as folder:
            (folder / "new").touch()
        assert seen == [2]  # the new one and the old one, hidden
        assert files(tmp_path) == ["data"]
        assert files(tmp_path / "data") == ["new"]

    def test_one_that_is_removed_before_it_is_locked_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries = 0

        def late(descriptor: int) -> bool:
            nonlocal tries
            tries += 1
            if tries == 1:
                [part] = tmp_path.iterdir()
                part.rmdir()
            return True

        monkeypatch.setattr("sentscore.files.lock", late)
        with new_folder(tmp_path / "data") as folder:
            (folder / "a").touch()
        assert tries == 2
        assert files(tmp_path / "data") == ["a"]

    def test_what_a_killed_process_left_is_removed_and_what_another_one_fills_stays(self, tmp_path: Path) -> None:
        dead = hidden_sibling(tmp_path / "data", "0123abcd.part")
        dead.mkdir()
        (dead / "half").touch()
        with new_folder(tmp_path / "data", replace=True) as slow:
            (slow / "slow").touch()
            with new_folder(tmp_path / "data"):
                assert not dead.exists()
            assert files(tmp_path / "data") == []
        assert files(tmp_path) == ["data"]
        assert files(tmp_path / "data") == ["slow"]
