"""Cuts encoded texts into padded batches of like length, longest first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sentscore.text.encoder import EncodedTexts

Rows = npt.NDArray[np.int64]


def batches_by_length(
    lengths: npt.NDArray[np.int64], *, batch_tokens: int, most_rows: int | None = None
) -> Iterator[Rows]:
    """Yields the rows of each batch, int64 [B], longest texts first; texts without tokens are in none.

    Longest first keeps memory at its peak from the start, so that a job that begins will also end.

    Args:
        lengths: The tokens of each text [n].
        batch_tokens: The most tokens of a batch, padding included; a longer text makes a batch of its own.
        most_rows: The most texts of a batch; None for any number.
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[: np.count_nonzero(lengths)]
    start = 0
    while start < len(order):
        count = max(1, batch_tokens // int(lengths[order[start]]))
        stop = start + (count if most_rows is None else min(count, most_rows))
        yield order[start:stop]
        start = stop


def pad_batch(encoded: EncodedTexts, rows: Rows, pad_id: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Returns the token ids int32 [B, T] and lengths int32 [B] of a batch.

    A text without tokens becomes one `pad_id`.

    Args:
        encoded: The token ids of all texts.
        rows: The rows of the batch, int64 [B].
        pad_id: The id that stands behind the end of a text.
    """
    starts = encoded.offsets[rows]
    tokens = (encoded.offsets[rows + 1] - starts)[:, np.newaxis]
    lengths = np.maximum(tokens[:, 0], 1).astype(np.int32)
    places = np.arange(lengths.max())
    if len(encoded.ids) == 0:
        return np.full((len(rows), len(places)), pad_id, np.int32), lengths
    # Whole arrays at a time, without a loop over the texts: NumPy lets other threads work meanwhile. What is behind the
    # end of a text is at first the next text.
    token_ids = encoded.ids.take(starts[:, np.newaxis] + places, mode="clip")
    token_ids[places >= tokens] = pad_id
    return token_ids, lengths
