"""Shows what is worth a word about stores while a command runs, and gives it to the report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_LOGGER: Final = "sentscore.stores"


class _Listener(logging.Handler):
    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(" ".join(record.getMessage().split()))


@contextmanager
def telling_of_stores(*tell: Callable[[str], object]) -> Iterator[None]:
    """Calls functions with each warning about a store, such as that requests are made again, while the body runs."""
    logger = logging.getLogger(_LOGGER)
    listeners = [_Listener(each) for each in tell]
    was_passed_on = logger.propagate
    logger.propagate = False  # or Python itself prints it, if the program has no other handler
    for listener in listeners:
        logger.addHandler(listener)
    try:
        yield
    finally:
        logger.propagate = was_passed_on
        for listener in listeners:
            logger.removeHandler(listener)
