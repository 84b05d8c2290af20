"""Threads that several callers share: at most so many tasks run at a time, and the callers take turns."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

from sentscore.errors import DeviceError
from sentscore.forks import renew_in_forks

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SharedThreads:
    """Runs the tasks of several callers, at most `count` at a time.

    The tasks of one caller begin in their order. The callers take turns, a task each, so that a few texts need not wait
    for the thousands of another caller. A thread ends when there is nothing to do, so that there is nothing to shut
    down, and a forked process starts threads of its own.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        # One thread may come here twice: Python collects garbage anywhere, and with it a caller that was left open.
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._waiting: deque[_Caller] = deque()  # the callers that have tasks, the next one first
        renew_in_forks(self)

    def renew_after_fork(self) -> None:
        """Forgets the threads and the callers of the process that this one was forked from."""
        self._lock = threading.RLock()
        self._threads = []
        self._waiting.clear()

    @contextmanager
    def open(self) -> Iterator[futures.Executor]:
        """Lets a caller submit tasks. In the end those that have not begun are dropped, the others waited for."""
        caller = _Caller(self)
        try:
            yield caller
        finally:
            caller.shutdown(cancel_futures=True)

    def add(self, caller: _Caller, task: _Task) -> None:
        """Queues a task of a caller, and starts a thread if there may be one more.

        Raises:
            DeviceError: There is no thread, and none can be started.
        """
        with self._lock:
            caller.tasks.append(task)
            if caller not in self._waiting:
                self._waiting.append(caller)
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            if len(self._threads) >= self._count:
                return
            # No daemon, though its caller may be one: Python would end the process where a daemon comes back from ONNX
            # Runtime when the program ends.
            thread = threading.Thread(target=self._work, name="sentscore", daemon=False)
            try:
                thread.start()
            except RuntimeError as error:
                if self._threads:
                    return
                raise DeviceError(f"no thread can be started ({error}): free memory, or allow more threads") from error
            self._threads.append(thread)

    def drop(self, caller: _Caller) -> list[_Task]:
        """Takes the tasks of a caller that have not begun from the queue, and returns them."""
        with self._lock:
            dropped = list(caller.tasks)
            caller.tasks.clear()
            return dropped

    def _work(self) -> None:
        while (task := self._take()) is not None:
            task.run()
            del task  # else it would be kept in memory while this thread waits for the lock

    def _take(self) -> _Task | None:
        """Returns the next task, or None if this thread may end."""
        with self._lock:
            while self._waiting:
                caller = self._waiting.popleft()
                if caller.is_left_behind():
                    caller.tasks.clear()
                if caller.tasks:
                    task = caller.tasks.popleft()
                    if caller.tasks:
                        self._waiting.append(caller)
                    return task
            self._threads = [thread for thread in self._threads if thread is not threading.current_thread()]
            return None


class _Task:
    """A call and the future of its result."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.future: futures.Future[Any] = futures.Future()
        self._function = function

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._function()
        except BaseException as error:
            self.future.set_exception(error)
            del self  # the error's traceback refers to this frame: without this they would keep each other
        else:
            self.future.set_result(result)

    def cancel(self) -> None:
        """Marks a task that no thread will run as cancelled."""
        if self.future.cancel():
            self.future.set_running_or_notify_cancel()  # wakes who waits for it


class _Caller(futures.Executor):
    """One caller of `SharedThreads`.

    Attributes:
        tasks: Those that have not begun.
    """

    def __init__(self, threads: SharedThreads) -> None:
        self.tasks: deque[_Task] = deque()
        self._shared = threads
        self._owner = threading.current_thread()
        self._unfinished: set[futures.Future[Any]] = set()
        self._is_open = True

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> futures.Future[_T]:
        """Queues a call.

        Raises:
            RuntimeError: The caller is closed.
            DeviceError: No thread can be started.
        """
        if not self._is_open:
            raise RuntimeError("this pool is closed")
        task = _Task(partial(fn, *args, **kwargs))
        self._unfinished.add(task.future)
        task.future.add_done_callback(self._unfinished.discard)
        self._shared.add(self, task)
        return task.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the caller; the other callers go on."""
        self._is_open = False
        if cancel_futures:
            for task in self._shared.drop(self):
                task.cancel()
        if wait:
            futures.wait(list(self._unfinished))

    def is_left_behind(self) -> bool:
        """Whether the program ends and will not wait for the thread of this caller."""
        return self._owner.daemon and not threading.main_thread().is_alive()
