"""Keeps what threads share of use in a forked process: the other threads are gone there, and what they held is locked.

A lock that another thread held at the fork stays locked for ever, and what it was changing stays half changed.
"""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet


class Shared(Protocol):
    """What several threads of a process share."""

    def renew_after_fork(self) -> None:
        """Replaces what a thread that is gone may have held. No other thread runs yet."""


_shared: Final[WeakSet[Shared]] = WeakSet()


def renew_in_forks(shared: Shared) -> None:
    """Has an object renewed in each process that is forked from this one, as long as the object lives."""
    _shared.add(shared)


def _renew_all() -> None:
    for shared in list(_shared):
        shared.renew_after_fork()


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_renew_all)
