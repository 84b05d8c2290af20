"""Cuts encoded texts into padded batches of like length, longest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from sentscore.text.encoder import EncodedTexts

Rows = npt.NDArray[np.int64]


def batches_by_length(lengths: npt.NDArray[np.int64], *, batch_tokens: int) -> Iterator[Rows]:
    """The rows of each batch, int64 [B], longest texts first; texts without tokens are in none.

    Longest first keeps memory at its peak from the start, so that a job that begins will also end.

    Args:
        lengths: tokens of each text [n].
        batch_tokens: of a batch, padding included; a longer text makes a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[: np.count_nonzero(lengths)]
    start = 0
    while start < len(order):
        stop = start + max(1, batch_tokens // int(lengths[order[start]]))
        yield order[start:stop]
        start = stop


def pad(
    texts: Sequence[npt.NDArray[np.int32]], pad_id: int, memory: npt.NDArray[np.int32] | None = None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Token ids int32 [B, T] and lengths int32 [B]; a text without tokens becomes one `pad_id`.

    Args:
        texts: token ids of each.
        pad_id: what stands behind a text.
        memory: where the ids are put if they fit, int32 [any].
    """
    lengths = np.array([max(len(text), 1) for text in texts], np.int32)
    shape = len(texts), int(lengths.max())
    count = shape[0] * shape[1]
    token_ids = np.empty(shape, np.int32) if memory is None or len(memory) < count else memory[:count].reshape(shape)
    token_ids.fill(pad_id)
    for row, text in zip(token_ids, texts, strict=True):
        row[: len(text)] = text
    return token_ids, lengths


def padded(
    encoded: EncodedTexts, rows: Rows, pad_id: int, memory: npt.NDArray[np.int32] | None = None
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """`pad` of some rows of encoded texts."""
    return pad([encoded[row] for row in rows.tolist()], pad_id, memory)
