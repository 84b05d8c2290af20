"""Times `sentscore file` on a GPU, and compares its scores with the CPU's, as Markdown tables.

    python tests/bench/gpu.py REVIEWS.parquet [--rows 250000] [--runs 5] [--sweep]
    python tests/bench/gpu.py REVIEWS.parquet --device cpu --rows 2000 --runs 1    (a rehearsal where there is no GPU)

REVIEWS has a column `text`. Its reviews are repeated up to `--rows`, each time with another suffix, so that no text
comes twice. The speeds are those of whole commands, from the start of the process to the closed file, beside how busy
the GPU is. Parity compares the logits of the first 1,000 reviews with the CPU's in float32. `--sweep` times one job for
each of several batch sizes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from memory import repeat_texts
from sentscore.model.artifact import Artifact, load_artifact
from sentscore.model.batching import batches_by_length, pad_batch
from sentscore.model.options import PRECISIONS, Precision
from sentscore.model.session import Device, Session
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array

SWEEP = (32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576)
COMPARED = 1_000
PARITY_TOKENS = 16_384  # in a batch, small enough for the CPU


def command(table: Path, model: str, device: str, precision: str, batch_tokens: int | None = None) -> float:
    """Returns the wall seconds of a whole command."""
    arguments = ["file", str(table), "--model", model, "--device", device, "--precision", precision, "--force"]
    if batch_tokens:
        arguments += ["--batch-tokens", str(batch_tokens)]
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "sentscore", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"sentscore {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    return time.perf_counter() - started


@contextmanager
def utilization() -> Iterator[list[float]]:
    """Gives a list that gets the GPU's load in percent, five times a second. Without a GPU it stays empty."""
    found: list[float] = []
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-i", "0", "-lms", "200"]
    try:
        process = subprocess.Popen(query, stdout=subprocess.PIPE, text=True)
    except FileNotFoundError:
        yield found
        return
    try:
        yield found
    finally:
        process.terminate()
        found += [float(line) for line in process.communicate()[0].split() if line.replace(".", "").isdigit()]


def format_load(found: list[float]) -> str:
    """Returns the mean load from the first busy sample to the last, without the command's start."""
    at_work = np.flatnonzero(np.array(found) > 0)
    return f"{np.mean(found[at_work[0] : at_work[-1] + 1]):.0f} %" if len(at_work) else "unknown"


def logits(session: Session, encoded: EncodedTexts, pad_id: int) -> npt.NDArray[np.float32]:
    """Returns the logits of texts, float32 [n]."""
    result = np.zeros(len(encoded), np.float32)
    for rows in batches_by_length(encoded.lengths, batch_tokens=PARITY_TOKENS):
        result[rows] = session.run(*pad_batch(encoded, rows, pad_id))[0]
    return result


def parity(artifact: Artifact, texts: list[str], device: Device, precisions: list[Precision]) -> None:
    """Prints how far each precision is from the CPU's float32."""
    vocabulary = artifact.read_vocabulary()
    encoded = Encoder(vocabulary).encode(as_text_array(texts))
    expected = logits(Session(artifact, device="cpu", precision="fp32"), encoded, vocabulary.pad_id)
    print(f"\n| {artifact.name}, {len(texts):,} reviews | worst logit difference | mean |\n|---|---|---|")
    for precision in precisions:
        session = Session(artifact, device=device, precision=precision)
        difference = np.abs(logits(session, encoded, vocabulary.pad_id) - expected)
        print(f"| {precision} | {difference.max():.2e} | {difference.mean():.2e} |", flush=True)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", action="append")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--sweep", action="store_true")
    args = parser.parse_args()

    texts = pq.read_table(args.reviews, columns=["text"])["text"]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "reviews.parquet"
        with pq.ParquetWriter(table, next(repeat_texts(texts, 1)).schema) as writer:
            for part in repeat_texts(texts, args.rows):
                writer.write_table(part)
        for model in args.model or ["lstm", "gru"]:
            artifact = load_artifact(model)
            precisions = [each for each in PRECISIONS if each in artifact.graphs and each != "int8"]
            parity(artifact, texts.slice(0, COMPARED).to_pylist(), args.device, precisions)
            print(f"\n| {model} on {args.device}, {args.rows:,} rows | seconds | reviews/s | GPU busy |")
            print("|---|---|---|---|")
            for precision in precisions:
                runs: list[tuple[float, str]] = []
                for _ in range(args.runs):
                    with utilization() as found:
                        taken = command(table, model, args.device, precision)
                    runs.append((taken, format_load(found)))
                seconds, load = sorted(runs)[len(runs) // 2]
                print(f"| {precision} | {seconds:.1f} | {args.rows / seconds:,.0f} | {load} |", flush=True)
                for tokens in SWEEP if args.sweep else ():
                    seconds = command(table, model, args.device, precision, tokens)
                    name = f"{precision}, batches of {tokens:,} tokens"
                    print(f"| {name} | {seconds:.1f} | {args.rows / seconds:,.0f} | |", flush=True)


if __name__ == "__main__":
    main()
