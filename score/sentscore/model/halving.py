"""Remembers how large a batch the memory of a GPU holds, once a batch has been too large for it."""

from __future__ import annotations

from threading import Lock

import numpy as np
import numpy.typing as npt


class MemoryLimit:
    """The most tokens of a batch, padding included; there is no such limit before a batch has been too large.

    Threads may share it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._tokens: int | None = None
        self._failed = 0  # the tokens of the first batch that was too large

    def is_exceeded(self, lengths: npt.NDArray[np.int64]) -> bool:
        """Returns whether texts of these lengths, int64 [B], make a batch that is larger than what fits."""
        return self._tokens is not None and len(lengths) * int(lengths.max(initial=1)) > self._tokens

    def lower(self, tokens: int) -> None:
        """Takes half the tokens of a batch that was too large as the limit, unless it is lower already.

        Two batches of one size that fail at the same time lower it once.
        """
        with self._lock:
            self._failed = self._failed or tokens
            self._tokens = min(tokens // 2, self._tokens or tokens)

    @property
    def note(self) -> str:
        """What to tell the user in one line; empty as long as every batch has fitted."""
        if self._tokens is None:
            return ""
        return (
            f"the GPU had too little memory for a batch of {self._failed:,} tokens: "
            f"batches were halved, to {self._tokens:,}"
        )
