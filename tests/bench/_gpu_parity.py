"""Compares a model's logits on a device, in each precision, with those of the CPU in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from sentscore.model.artifact import Artifact
from sentscore.model.batching import Rows, batches_by_length, pad_batch
from sentscore.model.engine import CUDA_MOST_ROWS
from sentscore.model.options import ComputePrecision, Device
from sentscore.model.session import Session
from sentscore.text.encoder import MAX_TOKENS, EncodedTexts

CPU_TOKENS = 16_384  # of a batch, small enough for a CPU
SHUFFLED = 512  # texts whose lengths stand in no order, at most, in batches of 64
LONGEST = 500  # tokens of these

Floats = npt.NDArray[np.float32]


def random_texts(lengths: npt.NDArray[np.int64], ids: int) -> EncodedTexts:
    """Returns texts of these lengths, int64 [n], whose token ids are drawn at random below `ids`."""
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return EncodedTexts(np.random.default_rng(7).integers(0, ids, offsets[-1], dtype=np.int32), offsets)


def make_cases(reviews: EncodedTexts, ids: int) -> dict[str, tuple[EncodedTexts, list[Rows], tuple[int, ...]]]:
    """Returns by name the texts, their batches on the device, and how many threads score them all at once."""
    shuffled, many = min(SHUFFLED, len(reviews)), min(CUDA_MOST_ROWS, 66 * len(reviews))  # fewer in a small rehearsal
    lengths = np.random.default_rng(8).integers(1, LONGEST + 1, shuffled)
    short, long = np.full(many, 2), np.array([MAX_TOKENS, MAX_TOKENS, MAX_TOKENS // 2, 1])
    return {
        f"{len(reviews):,} reviews": (
            reviews, list(batches_by_length(reviews.lengths, batch_tokens=CPU_TOKENS)), (1, 2, 4),
        ),
        "random ids, lengths in no order": (
            random_texts(lengths, ids), np.array_split(np.arange(shuffled), -(-shuffled // 64)), (1, 2, 4),
        ),
        f"random ids, {many:,} texts of 2 tokens": (random_texts(short, ids), [np.arange(len(short))], (1,)),
        f"random ids, texts of {MAX_TOKENS:,} tokens": (random_texts(long, ids), [np.arange(len(long))], (1,)),
    }  # fmt: skip


def logits(session: Session, encoded: EncodedTexts, batches: Sequence[Rows], pad_id: int) -> Floats:
    """Returns the logits of texts, float32 [n]."""
    result = np.zeros(len(encoded), np.float32)
    for rows in batches:
        result[rows] = session.run(*pad_batch(encoded, rows, pad_id))[0]
    return result


def compare(found: Sequence[Floats], expected: Floats) -> dict[str, Any]:
    """Returns how far the logits of all threads are from those expected, and whether the threads agree to the bit."""
    differences = np.abs(np.array(found) - expected)
    return {
        "worst": float(differences.max()),
        "mean": float(differences.mean()),
        "threads_agree": all(np.array_equal(each, found[0]) for each in found),
    }


def parity(
    artifact: Artifact, reviews: EncodedTexts, device: Device, precisions: Sequence[ComputePrecision],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:  # fmt: skip
    """Returns an entry for each case, precision and number of threads."""
    vocabulary = artifact.read_vocabulary()
    reference = Session(artifact, device="cpu", precision="fp32")
    sessions = {precision: Session(artifact, device=device, precision=precision) for precision in precisions}
    entries = []
    for name, (encoded, batches, counts) in make_cases(reviews, len(vocabulary)).items():
        small = list(batches_by_length(encoded.lengths, batch_tokens=CPU_TOKENS))
        expected = logits(reference, encoded, small, vocabulary.pad_id)
        for precision, session in sessions.items():
            for threads in counts:
                score = partial(logits, session, encoded, batches, vocabulary.pad_id)
                with ThreadPoolExecutor(threads) as pool:
                    found = [each.result() for each in [pool.submit(score) for _ in range(threads)]]
                entry = {"model": artifact.name, "case": name, "precision": precision, "threads": threads}
                entries.append({**entry, **compare(found, expected)})
                say(f"{artifact.name}, {name}, {precision}, {threads} threads: worst {entries[-1]['worst']:.1e}")
    return entries
