"""Writes a job's results, in a thread of their own where the scores come faster than one thread can read and write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa

from sentscore.sinks import Sink

Results = Sequence[tuple[pa.RecordBatch, bool]]
"""Record batches in order, and whether a Parquet row group ends after each."""


@contextmanager
def open_writer(sink: Sink, *, in_thread: bool) -> Iterator[Callable[[Results], None]]:
    """Yields a function that writes results in the order of its calls. All of them are written when the body ends.

    Args:
        sink: What to write to; nobody else may, meanwhile.
        in_thread: Whether a thread of its own writes, while the caller goes on. At most one call's results wait for it.
            An error is raised by the next call or at the end, and nothing is written after it.
    """

    def write(results: Results) -> None:
        for batch, ends_group in results:
            sink.write(batch, ends_group=ends_group)

    if not in_thread:
        yield write
        return
    last: list[Future[None]] = []

    def wait() -> None:
        if last:
            last.pop().result()

    def write_later(results: Results) -> None:
        wait()
        last.append(pool.submit(write, results))

    with ThreadPoolExecutor(1, thread_name_prefix="write") as pool:  # its end waits for what is being written
        yield write_later
        wait()
