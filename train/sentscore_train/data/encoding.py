"""Turns the texts of a corpus into token ids, and tells how far that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array

_STEP: Final = 1_000  # reviews between two reports


def encode_texts(encoder: Encoder, texts: Sequence[str], report: Report = silent) -> EncodedTexts:
    """Returns the token ids of texts.

    Args:
        encoder: Makes the ids, and says how many a text may have.
        texts: The texts [n], at least one.
        report: The function that is told how many of them are done.
    """
    parts = []
    for start in range(0, len(texts), _STEP):
        parts.append(encoder.encode(as_text_array(texts[start : start + _STEP])))
        report(Progress("encoding the reviews", min(start + _STEP, len(texts)), len(texts)))
    lengths = np.concatenate([part.lengths for part in parts])
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))
    return EncodedTexts(np.concatenate([part.ids for part in parts]), offsets)
