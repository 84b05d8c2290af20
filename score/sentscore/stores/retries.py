"""Tries a request to a store again, with growing pauses, after errors that pass by themselves."""

from __future__ import annotations

import logging
import os
import random
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from sentscore.errors import first_line

LOGGER: Final = logging.getLogger("sentscore.stores")
"""Gets a warning when a store is asked again for the first time."""

_TRIES: Final = 8  # with these pauses, half a minute in all
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 10.0

_TRANSIENT: Final = re.compile(
    r"NETWORK_CONNECTION|SLOW_?DOWN|THROTTL|REQUEST_TIMEOUT|INTERNAL_(FAILURE|ERROR)|UNAVAILABLE|TOO.?MANY.?REQUESTS"
    r"|curlCode|HTTP status (429|5\d\d)|timed? ?out|connection (was )?(reset|closed|aborted|refused|broken)|broken pipe"
    r"|could not connect|incomplete ?read|temporar",
    re.IGNORECASE,
)

_NETWORK_ERRORS: Final = frozenset(  # a parser's error is an answer that was cut off
    {"ConnectionError", "HTTPClientError", "HTTPError", "IncompleteReadError", "ResponseParserError"}
)

Result = TypeVar("Result")


class Retries:
    """Makes requests to a store, and makes them again if need be.

    Args:
        store: What the warning calls the store.
        tries: How often a request is made at most; None for AWS_MAX_ATTEMPTS, or else 8.
        pause: Waits for so many seconds.
    """

    def __init__(self, store: str, *, tries: int | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        self._tries = tries
        self._store = store
        self._pause = pause
        self._said = False

    def run(self, request: Callable[[], Result]) -> Result:
        """Returns what a request returns. It must be one that may be made twice.

        Raises:
            Exception: What the request raises, if that does not pass by itself or after the last try.
        """
        for number in range(1, self._tries or _named_tries()):
            try:
                return request()
            except Exception as error:
                if not is_transient(error):
                    raise
                self._say(error)
            # Of many that were turned away at one time, not all come back at one time.
            self._pause(min(_FIRST_PAUSE_S * 2 ** (number - 1), _LONGEST_PAUSE_S) * random.uniform(0.5, 1))
        return request()

    def _say(self, error: Exception) -> None:
        if not self._said:
            self._said = True
            LOGGER.warning("%s: %s: trying again, here and whenever that happens", self._store, first_line(error))


def _named_tries() -> int:
    named = os.environ.get("AWS_MAX_ATTEMPTS", "")
    return int(named) if named.isdecimal() and int(named) else _TRIES


@lru_cache(maxsize=64)
def shared_retries(store: str) -> Retries:
    """Returns the object that makes all requests to a store, so that its warning comes once."""
    return Retries(store)


def is_transient(error: Exception) -> bool:
    """Returns whether an error may pass by itself: the network's, or a store's that has too much to do."""
    response = getattr(error, "response", None)  # that of boto3's errors
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = response.get("Error", {}).get("Code", "")
        return (
            (status >= 500 and status != 501)
            or status == 429
            or code in {"ConditionalRequestConflict", "OperationAborted"}
            or (_TRANSIENT.search(code) is not None)
        )
    if isinstance(error, FileNotFoundError | PermissionError | NotADirectoryError | IsADirectoryError):
        return False
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if type(error).__module__.startswith(("botocore", "urllib3")):
        return _is_network(error)
    return isinstance(error, OSError) and _TRANSIENT.search(str(error)) is not None


def _is_network(error: Exception) -> bool:
    """Returns whether an error of boto3, or of what it is built on, is one of the network."""
    return not _NETWORK_ERRORS.isdisjoint(each.__name__ for each in type(error).__mro__)
