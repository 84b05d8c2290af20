"""Counts the steps that a recurrent network on a GPU takes one after the other, as a Markdown table.

    python tests/bench/steps.py REVIEWS.parquet [--model lstm] [--rows 25000]

cuDNN's standard RNN algorithm, which ONNX Runtime uses, takes time by the sum of the longest length of every batch. The
table has this sum for 1,000 reviews and a layer, and the fill: the share of the tokens that are no padding. The reviews
of the column `text` are cut into blocks and batches by the code that does it for `sentscore file`: as on CUDA before,
and as it is now. They are repeated up to `--rows`. No GPU is needed, and nothing is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.jobs.pipeline import collect_blocks
from sentscore.model.artifact import load_artifact
from sentscore.model.batching import batches_by_length
from sentscore.model.engine import CUDA_MOST_ROWS
from sentscore.sources.source import WINDOW_ROWS, Window
from sentscore.text.encoder import Encoder
from sentscore.text.normalize import as_text_array

SETTINGS = ((False, 524_288), (True, 524_288), (True, 1 << 20))  # blocks as on a GPU, tokens of a batch

Lengths = npt.NDArray[np.int64]


def windows(texts: pa.Array, rows: int) -> Iterator[Window]:
    """Yields windows of the texts again and again, up to that many rows. Their only column is the text's number."""
    for start in count(step=WINDOW_ROWS):
        numbers = np.arange(start, min(start + WINDOW_ROWS, rows)) % len(texts)
        if not len(numbers):
            return
        yield Window(pa.record_batch({"number": numbers}), texts.take(pa.array(numbers)))


def count_steps(texts: pa.Array, lengths: Lengths, rows: int, *, on_cuda: bool, batch_tokens: int) -> tuple[int, float]:
    """Returns the sum of the batches' longest lengths, and the share of the tokens that are no padding."""
    steps = padded = tokens = 0
    for block in collect_blocks(windows(texts, rows), on_cuda=on_cuda):
        of_block = np.concatenate([lengths[window.rows["number"].to_numpy()] for window in block])
        tokens += int(of_block.sum())
        for batch in batches_by_length(of_block, batch_tokens=batch_tokens, most_rows=CUDA_MOST_ROWS):
            longest = int(of_block[batch].max())
            steps += longest
            padded += longest * len(batch)
    return steps, tokens / padded


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", default="lstm")
    parser.add_argument("--rows", type=int)
    args = parser.parse_args()
    texts = as_text_array(pq.read_table(args.reviews, columns=["text"])["text"])
    lengths = Encoder(load_artifact(args.model).read_vocabulary()).encode(texts).lengths
    rows = args.rows or len(texts)
    print(f"| {rows:,} reviews | tokens of a batch | steps for 1,000 reviews | fill |\n|---|---|---|---|")
    for on_cuda, batch_tokens in SETTINGS:
        steps, fill = count_steps(texts, lengths, rows, on_cuda=on_cuda, batch_tokens=batch_tokens)
        name = "blocks as on CUDA" if on_cuda else "blocks as on a CPU, and on CUDA before"
        print(f"| {name} | {batch_tokens:,} | {1000 * steps / rows:,.0f} | {fill:.2f} |", flush=True)


if __name__ == "__main__":
    main()
