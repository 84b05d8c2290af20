from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager

import pytest

from sentscore import DeviceError
from sentscore.model.threads import SharedThreads

TIMEOUT_S = 30


@contextmanager
def blocked(*callers: Executor, threads: int = 1) -> Iterator[None]:
    """Keeps all threads busy."""
    begun, go_on = threading.Semaphore(0), threading.Event()

    def block() -> None:
        begun.release()
        go_on.wait(TIMEOUT_S)

    for number in range(threads):
        callers[number % len(callers)].submit(block)
    for _ in range(threads):
        assert begun.acquire(timeout=TIMEOUT_S)
    try:
        yield
    finally:
        go_on.set()


def test_no_more_tasks_run_at_a_time_than_there_are_threads() -> None:
    shared = SharedThreads(3)
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(3)

    def task() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(TIMEOUT_S)
        with lock:
            running -= 1

    def call() -> None:
        with shared.open() as caller:
            futures.wait([caller.submit(task) for _ in range(6)])

    callers = [threading.Thread(target=call) for _ in range(8)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(TIMEOUT_S)
    assert (running, most) == (0, 3)


def test_callers_take_turns_and_a_callers_own_tasks_keep_their_order() -> None:
    shared = SharedThreads(1)
    order: list[str] = []
    with shared.open() as first, shared.open() as second:
        with blocked(first):
            pending = [first.submit(order.append, f"a{n}") for n in range(5)]
            pending += [second.submit(order.append, f"b{n}") for n in range(2)]
        futures.wait(pending, TIMEOUT_S)
    assert order == ["a0", "b0", "a1", "b1", "a2", "a3", "a4"]


def test_the_end_of_a_caller_drops_its_own_tasks_alone_and_waits_for_what_runs() -> None:
    shared = SharedThreads(1)
    done: list[str] = []
    with shared.open() as other, ExitStack() as stack:
        stack.enter_context(blocked(other))
        kept = other.submit(done.append, "kept")
        with shared.open() as caller:
            dropped = [caller.submit(done.append, "dropped") for _ in range(100)]
        assert all(each.cancelled() for each in dropped)
        assert not futures.wait(dropped, 0).not_done  # who waits for them is told
        with pytest.raises(RuntimeError, match="closed"):
            caller.submit(done.append, "too late")
        assert not kept.done()
        stack.close()
        kept.result(TIMEOUT_S)
        with shared.open() as caller:
            running = threading.Event()
            caller.submit(lambda: (running.set(), threading.Event().wait(0.1), done.append("awaited")))
            assert running.wait(TIMEOUT_S)
        assert done == ["kept", "awaited"]


def test_an_error_reaches_the_caller_and_no_other_one() -> None:
    shared = SharedThreads(2)
    with shared.open() as first, shared.open() as second:
        failed, fine = first.submit(lambda: 1 // 0), second.submit(lambda: 7)
        with pytest.raises(ZeroDivisionError):
            failed.result(TIMEOUT_S)
        assert fine.result(TIMEOUT_S) == 7
        assert first.submit(lambda: 8).result(TIMEOUT_S) == 8


def test_a_cancelled_task_is_not_run() -> None:
    with SharedThreads(1).open() as caller:
        with blocked(caller):
            future = caller.submit(lambda: 7)
            assert future.cancel()
        assert caller.submit(lambda: 8).result(TIMEOUT_S) == 8


def test_threads_end_when_there_is_nothing_to_do() -> None:
    shared = SharedThreads(4)
    with shared.open() as caller:
        assert [each.result(TIMEOUT_S) for each in [caller.submit(int, n) for n in range(50)]] == list(range(50))
        for thread in list(shared._threads):
            thread.join(TIMEOUT_S)
        assert shared._threads == []
        assert caller.submit(lambda: 8).result(TIMEOUT_S) == 8


def test_a_thread_that_cannot_be_started_is_an_error_only_if_there_is_none(monkeypatch) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    shared = SharedThreads(2)
    with shared.open() as caller:
        with blocked(caller):
            monkeypatch.setattr(threading.Thread, "start", fail)
            future = caller.submit(lambda: 7)
        assert future.result(TIMEOUT_S) == 7
        for thread in list(shared._threads):
            thread.join(TIMEOUT_S)
        with pytest.raises(DeviceError, match=r"no thread can be started \(can't start new thread\): free memory"):
            caller.submit(lambda: 8)


def test_a_caller_left_open_may_be_collected_at_any_moment(monkeypatch) -> None:
    """Python collects garbage wherever it is: here, while another caller's task is queued."""
    shared = SharedThreads(2)

    def leave_open() -> Iterator[None]:
        with shared.open() as caller:
            caller.submit(int)
            yield

    forgotten = [leave_open()]
    next(forgotten[0])
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (forgotten.clear(), start(thread))[1])
    results: list[int] = []

    def call() -> None:
        with shared.open() as caller:
            results.append(caller.submit(int, 7).result(TIMEOUT_S))

    other = threading.Thread(target=call, daemon=True)
    start(other)
    other.join(TIMEOUT_S / 10)
    assert results == [7]


def run(script: str) -> tuple[int, str, str]:
    """Runs a script in a process of its own. Returns its exit code and what it printed to stdout and stderr."""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)
    return done.returncode, done.stdout, done.stderr


PRELUDE = """
import os, sys, threading, time
from sentscore.model.threads import SharedThreads
shared = SharedThreads(1)
def call(tasks):
    with shared.open() as caller:
        for future in [caller.submit(time.sleep, 0.05) for _ in range(tasks)]:
            future.result()
    print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("call(2)", "done\n"),
        # Python waits for a thread that is no daemon, whose tasks go on; and it leaves a daemon behind with its tasks.
        ("threading.Thread(target=call, args=[3]).start()", "done\n"),
        ("threading.Thread(target=call, args=[100_000], daemon=True).start(); time.sleep(0.2)", ""),
    ],
    ids=["main", "thread", "daemon"],
)
def test_a_program_ends_when_its_callers_have_ended(script: str, printed: str) -> None:
    assert run(PRELUDE + script) == (0, printed, "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_a_process_forked_while_a_thread_is_started_can_start_its_own() -> None:
    script = """
start, begun, go_on = threading.Thread.start, threading.Event(), threading.Event()
caller = threading.Thread(target=call, args=[1])
threading.Thread.start = lambda thread: (begun.set(), go_on.wait(), start(thread))
start(caller)
begun.wait()
threading.Thread.start = start
child = os.fork()
if child == 0:
    call(2)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
go_on.set()
"""
    assert run(PRELUDE + script) == (0, "done\ndone\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_a_forked_process_starts_threads_of_its_own() -> None:
    script = """
begun = threading.Event()
with shared.open() as caller:
    caller.submit(lambda: (begun.set(), time.sleep(0.3)))
    begun.wait()
    child = os.fork()
    if child == 0:
        call(2)
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    assert run(PRELUDE + script) == (0, "done\n", "")
