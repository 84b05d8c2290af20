from __future__ import annotations

import errno
import io
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pytest

from sentscore.files import hidden_sibling
from sentscore.jobs import journal
from sentscore.jobs.journal import KINDS, BlockScores, Journal, open_journal, remove_journal, remove_journals

MADE_BY = b'{"models": ["lstm", "gru"]}'
MODELS = ("lstm", "gru")
BLOCKS = [["a film", None, ""], ["bad"], ["good", "fine \u2014"]]


@pytest.fixture(autouse=True)
def _no_job_is_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the tests write, so that they know what is written; no run is too short to write at its end."""
    monkeypatch.setattr(Journal, "_write_now_and_then", lambda journal: None)
    monkeypatch.setattr(journal, "_FIRST_WRITE_S", 0.0)


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


def follow(scores: BlockScores, block: list[str | None], rows: list[int], models: Sequence[str] = MODELS) -> None:
    """Some rows get their scores from some of the models."""
    places = np.array(rows, np.int64)
    for model in models:
        values = scores_of(block)[model][places]
        scores.follow(model, places, lambda values=values: values)


def finish(scores: BlockScores, block: list[str | None]) -> None:
    follow(scores, block, list(range(len(block))))
    scores.finish()


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
            scores = kept.take(texts_of(block))
            assert not scores.finished
            finish(scores, block)
    return hidden_sibling(output, "scores")


def found(output: Path, blocks: list[list[str | None]], made_by: bytes = MADE_BY) -> int:
    """How many blocks at the beginning have all scores, which must be the right ones."""
    kept = Journal(output, made_by, MODELS)
    taken = [kept.take(texts_of(block)) for block in blocks]
    kept.discard()
    for block, scores in zip(blocks, taken, strict=True):
        assert list(scores.scores) == list(MODELS)
        for model, values in scores_of(block).items():
            known = scores.known[model]
            assert np.array_equal(scores.scores[model][known], values[known], equal_nan=True)
            assert np.isnan(scores.scores[model][~known]).all()
    count = sum(scores.finished for scores in taken)
    assert [scores.finished for scores in taken] == [True] * count + [False] * (len(blocks) - count)
    assert not any(known.any() for scores in taken[count + 1 :] for known in scores.known.values())
    return count


def test_a_run_that_was_stopped_is_carried_on(output: Path) -> None:
    path = left_behind(output, BLOCKS[:2])
    with open_journal(output, MADE_BY, MODELS) as kept:
        taken = [kept.take(texts_of(block)) for block in BLOCKS]
        assert [scores.finished for scores in taken] == [True, True, False]
        finish(taken[2], BLOCKS[2])
        assert path.exists()
    assert not path.exists()


def test_a_run_may_be_stopped_again_and_again(output: Path) -> None:
    for stopped_after in range(1, len(BLOCKS) + 1):
        with stopped_run(output) as kept:
            taken = [kept.take(texts_of(block)) for block in BLOCKS[:stopped_after]]
            assert [scores.finished for scores in taken] == [True] * (stopped_after - 1) + [False]
            finish(taken[-1], BLOCKS[stopped_after - 1])
        assert found(output, BLOCKS) == stopped_after


class TestParts:
    BLOCK: Final = ["a film", None, "bad", "", *(f"film {n}" for n in range(20))]

    def test_scores_of_a_part_of_a_block_are_kept(self, output: Path) -> None:
        for stopped_after, rows in enumerate(([2, 0], [7], [], list(range(5, 15)))):
            with stopped_run(output) as kept:
                scores = kept.take(texts_of(self.BLOCK))
                assert (scores.missing.sum() == len(self.BLOCK)) == (stopped_after == 0)
                follow(scores, self.BLOCK, rows)
            assert found(output, [self.BLOCK]) == 0
        kept = Journal(output, MADE_BY, MODELS)
        scores = kept.take(texts_of(self.BLOCK))
        assert np.flatnonzero(~scores.missing).tolist() == [0, 2, *range(5, 15)]
        finish(scores, self.BLOCK)
        assert kept.close()
        assert found(output, [self.BLOCK]) == 1

    def test_each_model_has_its_own(self, output: Path) -> None:
        with stopped_run(output) as kept:
            scores = kept.take(texts_of(self.BLOCK))
            follow(scores, self.BLOCK, [0, 2, 5], ["lstm"])
            follow(scores, self.BLOCK, [2], ["gru"])
        kept = Journal(output, MADE_BY, MODELS)
        known = kept.take(texts_of(self.BLOCK)).known
        kept.discard()
        assert [np.flatnonzero(known[model]).tolist() for model in MODELS] == [[0, 2, 5], [2]]

    def test_the_next_block_is_written_when_its_predecessor_is_finished(self, output: Path) -> None:
        kept = Journal(output, MADE_BY, MODELS)
        first, second = (kept.take(texts_of(block)) for block in (self.BLOCK, BLOCKS[2]))
        follow(first, self.BLOCK, [0])
        follow(second, BLOCKS[2], [1])
        kept.write()
        assert found_elsewhere(output, [self.BLOCK, BLOCKS[2]]) == [23, 2]
        finish(first, self.BLOCK)
        kept.write()
        assert found_elsewhere(output, [self.BLOCK, BLOCKS[2]]) == [0, 1]
        finish(second, BLOCKS[2])
        assert kept.close()
        assert found(output, [self.BLOCK, BLOCKS[2]]) == 2

    def test_a_record_holds_only_what_is_new(self, output: Path) -> None:
        kept = Journal(output, MADE_BY, MODELS)
        scores = kept.take(texts_of(self.BLOCK))
        follow(scores, self.BLOCK, [0])
        kept.write()
        size = hidden_sibling(output, "scores").stat().st_size
        assert size == len(MADE_BY) + 1 + 2 * (28 + 3 + 5 + 4)
        kept.write()
        assert hidden_sibling(output, "scores").stat().st_size == size
        assert kept.close()

    def test_a_file_that_was_cut_off_anywhere_gives_what_is_before(self, output: Path) -> None:
        with stopped_run(output) as kept:
            scores = kept.take(texts_of(self.BLOCK))
            for row in (0, 2, 4, 5):
                follow(scores, self.BLOCK, [row], ["lstm"])
                kept.write()
        path = hidden_sibling(output, "scores")
        content = path.read_bytes()
        record = 28 + 3 + 5 + 4
        assert len(content) == len(MADE_BY) + 1 + 4 * record
        for length in range(len(content) + 1):
            path.write_bytes(content[:length])
            assert found_elsewhere(output, [self.BLOCK], "lstm") == [
                len(self.BLOCK) - max(0, (length - len(MADE_BY) - 1) // record)
            ]

    def test_only_whole_blocks_are_kept_where_asked_for(self, output: Path) -> None:
        with suppress(KeyboardInterrupt), open_journal(output, MADE_BY, MODELS, keeps_parts=False) as kept:
            finish(kept.take(texts_of(BLOCKS[0])), BLOCKS[0])
            follow(kept.take(texts_of(self.BLOCK)), self.BLOCK, [0, 2])
            raise KeyboardInterrupt
        assert found_elsewhere(output, [BLOCKS[0], self.BLOCK]) == [0, len(self.BLOCK)]

    def test_a_thread_writes_while_the_job_runs(self, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(journal, "_FIRST_WRITE_S", 0.01)
        monkeypatch.setattr(journal, "_WRITE_EVERY_S", 0.01)
        kept = Journal(output, MADE_BY, MODELS)
        scores = kept.take(texts_of(self.BLOCK))
        for count, row in enumerate((0, 2, 4)):
            follow(scores, self.BLOCK, [row])
            deadline = time.monotonic() + 30
            while found_elsewhere(output, [self.BLOCK]) != [len(self.BLOCK) - 1 - count]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        kept.discard()


def found_elsewhere(output: Path, blocks: list[list[str | None]], *models: str) -> list[int]:
    """How many rows of each block have no score in the file as it is now."""
    path = hidden_sibling(output, "scores")
    if not path.exists():
        return [len(block) for block in blocks]
    copy = output.with_name("copy")
    hidden_sibling(copy, "scores").write_bytes(path.read_bytes())
    kept = Journal(copy, MADE_BY, MODELS)
    taken = [kept.take(texts_of(block)) for block in blocks]
    kept.discard()
    missing = [[~scores.known[model] for model in models or MODELS] for scores in taken]
    return [int(np.logical_or.reduce(each).sum()) for each in missing]


def test_one_stopped_while_it_reads_the_old_scores_loses_none(output: Path) -> None:
    left_behind(output, BLOCKS)
    assert found(output, BLOCKS[:1]) == 1
    assert found(output, BLOCKS) == 3


def test_scores_of_other_texts_are_not_taken(output: Path) -> None:
    left_behind(output, BLOCKS)
    changed = [BLOCKS[0], ["Bad"], BLOCKS[2]]
    assert found(output, changed) == 1
    with stopped_run(output) as kept:
        taken = [kept.take(texts_of(block)) for block in changed]
        assert [scores.finished for scores in taken] == [True, False, False]
        finish(taken[1], changed[1])
        finish(taken[2], changed[2])
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
    assert all(kept.take([pa.array(block, kind)]).finished for block in BLOCKS)
    kept.discard()


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
        sizes.append(sizes[-1] + 2 * (28 + 1 + 5 * len(block) + 4))
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
    monkeypatch.setattr(journal, "_FIRST_WRITE_S", 60.0)
    assert not left_behind(output, BLOCKS).exists()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_ends_a_run_says_how_to_carry_on(output: Path, kind: type[BaseException]) -> None:
    def stopped() -> None:
        with open_journal(output, MADE_BY, MODELS) as kept:
            finish(kept.take(texts_of(BLOCKS[0])), BLOCKS[0])
            raise kind

    with pytest.raises(kind) as caught:
        stopped()
    assert caught.value.__notes__ == ["what is scored is kept: the same command carries on"]


def test_journals_of_both_kinds_are_apart(output: Path) -> None:
    def stop(kind: str) -> None:
        with open_journal(output, MADE_BY, MODELS, kind=kind) as kept:
            finish(kept.take(texts_of(BLOCKS[0])), BLOCKS[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop("explanations")
    assert found(output, BLOCKS) == 0
    with pytest.raises(KeyboardInterrupt):
        stop("scores")
    assert found(output, BLOCKS) == 1
    assert all(hidden_sibling(output, kind).exists() for kind in KINDS)
    remove_journals(output)
    assert list(output.parent.iterdir()) == []


def test_one_process_at_a_time(output: Path) -> None:
    path = left_behind(output, BLOCKS[:1])
    first = Journal(output, MADE_BY, MODELS)
    with open_journal(output, MADE_BY, MODELS) as second:
        scores = second.take(texts_of(BLOCKS[0]))
        assert scores.missing.all()
        finish(scores, BLOCKS[0])
    remove_journal(output)
    assert path.exists()
    assert first.take(texts_of(BLOCKS[0])).finished
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
    scores = kept.take(texts_of(BLOCKS[0]))
    assert scores.missing.all()
    finish(scores, BLOCKS[0])
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


@pytest.mark.parametrize(
    ("rows", "model", "count", "bitmap"),
    [(1, 0, 1, 0x80), (3, 2, 3, 0xE0), (3, 0, 4, 0xE0), (3, 0, 2, 0xE0), (3, 0, 1_000_000, 0xE0)],
)
def test_a_record_that_does_not_fit_its_block_is_not_taken(
    output: Path, rows: int, model: int, count: int, bitmap: int
) -> None:
    path = left_behind(output, BLOCKS)
    head = len(MADE_BY) + 1
    key = path.read_bytes()[head : head + 16]
    record = key + struct.pack("<III", rows, model, count) + bytes([bitmap]) + bytes(5 * min(count, 9))
    path.write_bytes(MADE_BY + b"\n" + record + struct.pack("<I", zlib.crc32(record)))
    assert found(output, BLOCKS) == 0
    assert found_elsewhere(output, BLOCKS[:1]) == [3]


@pytest.mark.usefixtures("_unlocked")
def test_records_of_another_model_count_for_nothing_even_under_its_first_line(output: Path) -> None:
    other = MADE_BY.replace(b"lstm", b"LSTM")
    path = left_behind(output, BLOCKS, other)
    path.write_bytes(path.read_bytes().replace(other, MADE_BY))  # as of two processes that write at a time
    assert found(output, BLOCKS) == 0


def test_a_full_disk_ends_the_journal_alone(output: Path) -> None:
    path = left_behind(output, BLOCKS[:1])

    class Full(io.BytesIO):
        def truncate(self, size: int | None = None) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with open_journal(output, MADE_BY, MODELS) as kept:
        taken = [kept.take(texts_of(block)) for block in BLOCKS]
        assert [scores.finished for scores in taken] == [True, False, False]
        assert kept._file is not None
        kept._file.close()
        kept._file = Full()
        finish(taken[1], BLOCKS[1])
        kept.write()
        finish(taken[2], BLOCKS[2])
        assert not kept.close()
        assert path.exists()
    assert not path.exists()


def test_an_error_from_closing_is_no_reason_to_stop(output: Path) -> None:
    class Failing(io.BytesIO):
        def close(self) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with open_journal(output, MADE_BY, MODELS) as kept:
        kept._file = Failing()


def test_it_works_without_a_thread(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refuse)
    left_behind(output, BLOCKS)
    assert found(output, BLOCKS) == 3


@pytest.mark.usefixtures("_unlocked")
def test_it_works_without_locks(output: Path) -> None:
    left_behind(output, BLOCKS)
    assert found(output, BLOCKS) == 3
