from __future__ import annotations

import threading
from typing import Any

import pyarrow as pa
import pytest

from sentscore import OutputError
from sentscore.jobs.writer import open_writer
from sentscore.sinks import Sink


class Output:
    """Keeps what is written, and by which thread; fails at one row."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.rows: list[tuple[int, bool]] = []
        self.threads: set[int] = set()
        self.fails_at = fails_at
        self.sink = Sink("out", self.write)

    def write(self, batch: pa.RecordBatch, ends_group: bool) -> None:
        number = batch["number"][0].as_py()
        self.threads.add(threading.get_ident())
        if number == self.fails_at:
            raise OutputError("out: the disk is full")
        self.rows.append((number, ends_group))


def results(*numbers: int) -> list[tuple[pa.RecordBatch, bool]]:
    return [(pa.record_batch({"number": [number]}), number % 2 == 0) for number in numbers]


@pytest.mark.parametrize("in_thread", [False, True])
def test_all_is_written_in_order(in_thread: bool) -> None:
    output = Output()
    with open_writer(output.sink, in_thread=in_thread) as write:
        for first in range(0, 30, 3):
            write(results(first, first + 1, first + 2))
    assert output.rows == [(number, number % 2 == 0) for number in range(30)]
    [thread] = output.threads
    assert (thread != threading.get_ident()) == in_thread


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("fails_at", [4, 7, 8])
def test_nothing_is_written_after_an_error(in_thread: bool, fails_at: int) -> None:
    output = Output(fails_at)

    def write_all() -> None:
        with open_writer(output.sink, in_thread=in_thread) as write:
            for first in range(0, 9, 3):
                write(results(first, first + 1, first + 2))

    with pytest.raises(OutputError, match="the disk is full"):
        write_all()
    assert [number for number, _ in output.rows] == list(range(fails_at))


def test_what_is_being_written_is_finished_when_the_body_fails() -> None:
    output = Output()
    began, goes_on = threading.Event(), threading.Event()
    real = output.write

    def write_slowly(batch: pa.RecordBatch, ends_group: bool) -> None:
        began.set()
        assert goes_on.wait(30)
        real(batch, ends_group)

    def interrupt(write: Any) -> None:
        write(results(1, 2))
        assert began.wait(30)
        threading.Timer(0.1, goes_on.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_writer(Sink("out", write_slowly), in_thread=True) as write:
        interrupt(write)
    assert [number for number, _ in output.rows] == [1, 2]  # and nobody writes any more
