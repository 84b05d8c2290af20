from __future__ import annotations

import errno
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pytest

from sentscore.files import hidden_sibling
from sentscore.jobs import journal
from sentscore.jobs.journal import Journal, open_journal, remove_journal

MADE_BY = b'{"models": ["lstm", "gru"]}'
MODELS = ("lstm", "gru")
BLOCKS = [["a film", None, ""], ["bad"], ["good", "fine \u2014"]]


@pytest.fixture(autouse=True)
def _every_record_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_WRITE_EVERY_S", 0.0)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.csv"


@pytest.fixture
def _unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks, as some of networks are."""
    import fcntl

    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


def texts_of(block: list[str | None]) -> list[pa.Array]:
    """A block's windows, one a text, each a slice of a longer array."""
    array = pa.array(["before", *block, "behind"], pa.large_string())
    return [array.slice(1 + row, 1) for row in range(len(block))]


def scores_of(block: list[str | None]) -> dict[str, np.ndarray]:
    values = np.array([np.nan if not text else len(text) / 100 for text in block], np.float32)
    return {"lstm": values, "gru": 1 - values}


@contextmanager
def stopped_run(output: Path, made_by: bytes = MADE_BY) -> Iterator[Journal]:
    """A run that is interrupted at the end of the block."""
    with suppress(KeyboardInterrupt), open_journal(output, made_by, MODELS) as kept:
        yield kept
        raise KeyboardInterrupt


def left_behind(output: Path, blocks: list[list[str | None]], made_by: bytes = MADE_BY) -> Path:
    """What a run leaves that was stopped behind these blocks."""
    with stopped_run(output, made_by) as kept:
        for block in blocks:
            assert kept.take(texts_of(block)) is None
            kept.add(scores_of(block))
    return hidden_sibling(output, "scores")


def found(output: Path, blocks: list[list[str | None]], made_by: bytes = MADE_BY) -> int:
    """How many blocks at the beginning have scores, which must be the right ones."""
    kept = Journal(output, made_by, MODELS)
    taken = [kept.take(texts_of(block)) for block in blocks]
    kept.close()
    for block, scores in zip(blocks, taken, strict=True):
        if scores is not None:
            assert list(scores) == list(MODELS)
            for model, values in scores_of(block).items():
                assert np.array_equal(scores[model], values, equal_nan=True)
    count = sum(scores is not None for scores in taken)
    assert [scores is not None for scores in taken] == [True] * count + [False] * (len(blocks) - count)
    return count


def test_a_run_that_was_stopped_is_carried_on(output: Path) -> None:
    path = left_behind(output, BLOCKS[:2])
    with open_journal(output, MADE_BY, MODELS) as kept:
        assert [kept.take(texts_of(block)) is not None for block in BLOCKS] == [True, True, False]
        kept.add(scores_of(BLOCKS[2]))
        assert path.exists()
    assert not path.exists()


def test_a_run_may_be_stopped_again_and_again(output: Path) -> None:
    for stopped_after in range(1, len(BLOCKS) + 1):
        with stopped_run(output) as kept:
            for number, block in enumerate(BLOCKS[:stopped_after]):
                assert (kept.take(texts_of(block)) is None) == (number == stopped_after - 1)
            kept.add(scores_of(BLOCKS[stopped_after - 1]))
        assert found(output, BLOCKS) == stopped_after


def test_one_stopped_while_it_reads_the_old_scores_loses_none(output: Path) -> None:
    left_behind(output, BLOCKS)
    assert found(output, BLOCKS[:1]) == 1
    assert found(output, BLOCKS) == 3


def test_scores_of_other_texts_are_not_taken(output: Path) -> None:
    left_behind(output, BLOCKS)
    changed = [BLOCKS[0], ["Bad"], BLOCKS[2]]
    assert found(output, changed) == 1
    with stopped_run(output) as kept:
        assert [kept.take(texts_of(block)) is None for block in changed] == [False, True, True]
        kept.add(scores_of(changed[1]))
        kept.add(scores_of(changed[2]))
    assert found(output, changed) == 3
    assert found(output, BLOCKS) == 1


@pytest.mark.parametrize(
    "other",
    [[["a film", "", None]], [["a film", None, "", ""]], [["a film"]], [["a fil", "m", ""]], [["a film", "\0", ""]]],
)
def test_texts_are_told_apart(output: Path, other: list[list[str | None]]) -> None:
    left_behind(output, BLOCKS)
    assert found(output, other) == 0


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_the_texts_count_and_not_the_arrays_that_hold_them(output: Path, kind: pa.DataType) -> None:
    left_behind(output, BLOCKS)
    kept = Journal(output, MADE_BY, MODELS)
    assert [kept.take([pa.array(block, kind)]) is not None for block in BLOCKS] == [True] * 3
    kept.close()


def test_scores_of_another_model_are_not_taken_and_give_way(output: Path) -> None:
    left_behind(output, BLOCKS)
    assert found(output, BLOCKS, b'{"models": ["other"]}') == 0
    left_behind(output, BLOCKS[:1], b'{"models": ["other"]}')
    assert found(output, BLOCKS) == 0
    assert found(output, BLOCKS, b'{"models": ["other"]}') == 1


def test_a_file_that_was_cut_off_anywhere_gives_its_whole_records(output: Path) -> None:
    path = left_behind(output, BLOCKS)
    content = path.read_bytes()
    sizes = [len(MADE_BY) + 1]
    for block in BLOCKS:
        sizes.append(sizes[-1] + 16 + 4 + 4 * 2 * len(block) + 4)
    assert sizes[-1] == len(content)
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        assert found(output, BLOCKS) == max(sum(length >= size for size in sizes) - 1, 0)


def test_a_damaged_record_ends_what_is_taken(output: Path) -> None:
    path = left_behind(output, BLOCKS)
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :])
        assert found(output, BLOCKS) < 3
    path.write_bytes(content)
    assert found(output, BLOCKS) == 3


def test_a_short_job_makes_no_file(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_WRITE_EVERY_S", 60.0)
    assert not left_behind(output, BLOCKS).exists()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_ends_a_run_says_how_to_carry_on(output: Path, kind: type[BaseException]) -> None:
    def stopped() -> None:
        with open_journal(output, MADE_BY, MODELS) as kept:
            kept.take(texts_of(BLOCKS[0]))
            kept.add(scores_of(BLOCKS[0]))
            raise kind

    with pytest.raises(kind) as caught:
        stopped()
    assert caught.value.__notes__ == ["what is scored is kept: the same command carries on"]


def test_one_process_at_a_time(output: Path) -> None:
    path = left_behind(output, BLOCKS[:1])
    first = Journal(output, MADE_BY, MODELS)
    with open_journal(output, MADE_BY, MODELS) as second:
        assert second.take(texts_of(BLOCKS[0])) is None
        second.add(scores_of(BLOCKS[0]))
    remove_journal(output)
    assert path.exists()
    assert first.take(texts_of(BLOCKS[0])) is not None
    first.close()
    assert found(output, BLOCKS) == 1
    remove_journal(output)
    assert not path.exists()


def test_a_file_that_is_removed_before_it_is_held_is_not_written_to(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(file: BinaryIO) -> bool:
        path.unlink()
        return True

    path = left_behind(output, BLOCKS)
    monkeypatch.setattr(journal, "lock", too_late)
    kept = Journal(output, MADE_BY, MODELS)
    assert kept.take(texts_of(BLOCKS[0])) is None
    kept.add(scores_of(BLOCKS[0]))
    assert not kept.close()


def test_a_link_in_its_place_is_not_followed(output: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    hidden_sibling(output, "scores").symlink_to(precious)
    assert found(output, BLOCKS) == 0
    left_behind(output, BLOCKS)
    assert precious.read_bytes() == b"precious"


def test_a_second_name_of_another_file_is_not_written_to(output: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    hidden_sibling(output, "scores").hardlink_to(precious)
    left_behind(output, BLOCKS)
    assert precious.read_bytes() == b"precious"


def test_a_file_of_another_user_is_not_trusted(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_behind(output, BLOCKS)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert found(output, BLOCKS) == 0


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_in_its_place_is_no_harm(output: Path, make: Callable[[Path], None]) -> None:
    path = hidden_sibling(output, "scores")
    make(path)
    left_behind(output, BLOCKS)
    assert path.exists()
    assert not path.is_file()


def test_a_record_of_another_number_of_rows_is_not_taken(output: Path) -> None:
    path = left_behind(output, BLOCKS)
    head = len(MADE_BY) + 1
    key = path.read_bytes()[head : head + 16]
    record = key + struct.pack("<I", 1) + bytes(8)
    path.write_bytes(MADE_BY + b"\n" + record + struct.pack("<I", zlib.crc32(record)))
    assert found(output, BLOCKS) == 0


@pytest.mark.usefixtures("_unlocked")
def test_records_of_another_model_count_for_nothing_even_under_its_first_line(output: Path) -> None:
    other = MADE_BY.replace(b"lstm", b"LSTM")
    path = left_behind(output, BLOCKS, other)
    path.write_bytes(path.read_bytes().replace(other, MADE_BY))  # as of two processes that write at a time
    assert found(output, BLOCKS) == 0


def test_a_full_disk_ends_the_journal_alone(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = left_behind(output, BLOCKS[:1])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_journal(output, MADE_BY, MODELS) as kept:
        monkeypatch.setattr(os, "fsync", full)
        assert [kept.take(texts_of(block)) is None for block in BLOCKS] == [False, True, True]
        kept.add(scores_of(BLOCKS[1]))
        kept.add(scores_of(BLOCKS[2]))
        assert not kept.close()
        assert path.exists()
    assert not path.exists()


def test_an_error_from_closing_is_no_reason_to_stop(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(io.BytesIO):
        def close(self) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with open_journal(output, MADE_BY, MODELS) as kept:
        kept._file = Failing()
    kept._file = Failing()
    assert not kept.close()


@pytest.mark.usefixtures("_unlocked")
def test_it_works_without_locks(output: Path) -> None:
    left_behind(output, BLOCKS)
    assert found(output, BLOCKS) == 3
