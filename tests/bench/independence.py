"""Tests on the CPU that a review's score is the same bit for bit alone, shuffled, and in batches of 2 to 64.

    python tests/bench/independence.py REVIEWS.parquet [--model lstm] [--precision fp32] [--longest 500]

It takes the longest and the shortest reviews of a column `text`. The exit code is 1 if a single bit differs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sentscore import Scorer
from sentscore.model.artifact import load_artifact
from sentscore.model.batching import pad_batch
from sentscore.model.session import Session
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array


def score_in_batches(session: Session, encoded: EncodedTexts, order: np.ndarray, size: int, pad_id: int) -> np.ndarray:
    """Returns the probabilities, float32 [n], of texts that are run in this order in batches of this size."""
    scores = np.zeros(len(encoded), np.float32)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        scores[rows] = session.run(*pad_batch(encoded, rows, pad_id))[1]
    return scores


def main() -> None:
    """Runs the check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--precision", choices=["fp32", "int8"], default="fp32")
    parser.add_argument("--longest", type=int, default=500)
    parser.add_argument("--shortest", type=int, default=2_000)
    args = parser.parse_args()

    artifact = load_artifact(args.model)
    vocabulary = artifact.read_vocabulary()
    encoded = Encoder(vocabulary).encode(as_text_array(pq.read_table(args.reviews, columns=["text"])["text"]))
    by_length = np.argsort(encoded.lengths, kind="stable")
    by_length = by_length[encoded.lengths[by_length] > 0]
    groups = {"longest": by_length[-args.longest :], "shortest": by_length[: args.shortest]}
    session = Session(artifact, device="cpu", precision=args.precision)
    scorer = Scorer.load(artifact, device="cpu", precision=args.precision)
    random = np.random.default_rng(1234)
    differ = 0
    title = f"{artifact.name} in {args.precision}: reviews"
    print(f"| {title} | tokens | how | differing bits of scores |\n|---|---|---|---|", flush=True)
    for name, rows in groups.items():
        texts = encoded.take(rows)
        span = f"{texts.lengths.min():,} to {texts.lengths.max():,}"
        alone = score_in_batches(session, texts, np.arange(len(texts)), 1, vocabulary.pad_id)
        for size in (None, 2, 3, 4, 7, 8, 16, 31, 32, 64):
            if size is None:
                how, scores = "the command line's own batches and threads", scorer.engine.score_encoded(texts)
            else:
                shuffled = random.permutation(len(texts))
                how = f"shuffled, batches of {size}"
                scores = score_in_batches(session, texts, shuffled, size, vocabulary.pad_id)
            count = int((scores.view(np.uint32) != alone.view(np.uint32)).sum())
            differ += count
            print(f"| {len(texts):,} {name} | {span} | {how} | {count} |", flush=True)
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
