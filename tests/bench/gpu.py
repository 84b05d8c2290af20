"""Measures parity and speed on a GPU, and writes one JSON object.

    python tests/bench/gpu.py REVIEWS.parquet [--output gpu.json] [--rows 2000000]
    python tests/bench/gpu.py REVIEWS.parquet --device cpu --rows 2000    (a rehearsal where there is no GPU)

REVIEWS has a column `text`. For the commands its reviews are repeated up to `--rows`, each time with another suffix, so
that no text comes twice. The JSON has:
- `parity`: how far logits are from the CPU's in float32, for each precision, on reviews and on random ids: lengths in
  no order, several threads at once, very many and very long texts;
- `sweep`: the model alone, for each size of batch, number of threads and size of block, on a tenth of the rows;
- `profile`: one batch by operator and execution provider;
- `ceiling`: the rows a second that the main process reads, pads and writes if ids and scores are there at once;
- `commands`: whole commands with several numbers of encoding processes, their stages, and how busy the GPU is;
- `cold_start_s`: `sentscore text` with one text.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow.parquet as pq

from _gpu_parity import parity
from _gpu_speed import ceiling, cold_start, command, profile, sweep
from memory import repeat_texts
from sentscore import __version__
from sentscore.model.artifact import load_artifact
from sentscore.model.cpu import available_cpus
from sentscore.model.cuda import find_gpu
from sentscore.model.options import ComputePrecision
from sentscore.model.runtime import load_onnxruntime
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array

COMPARED = 1_000  # reviews
PROFILED = {"cpu": 16_384, "cuda": 1 << 20}  # tokens of the batch
PROCESSES = (4, 8, 12, 15)


def say(text: str) -> None:
    """Shows on stderr how far the measurement is."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def repeat_encoded(encoded: EncodedTexts, rows: int) -> EncodedTexts:
    """Returns the texts again and again, that many in all."""
    return encoded.take(np.arange(rows) % len(encoded))


def measure(args: argparse.Namespace, table: Path) -> dict[str, Any]:
    """Returns all that is measured, for a table of the repeated reviews."""
    reviews = pq.read_table(args.reviews, columns=["text"])["text"]
    found: dict[str, list[Any]] = {"parity": [], "sweep": [], "profile": [], "commands": []}
    for name in args.model or ["lstm", "gru"]:
        artifact = load_artifact(name)
        known: list[ComputePrecision] = [each for each in get_args(ComputePrecision) if each in artifact.graphs]
        precisions = [each for each in known if each != "int8"] + (["tf32"] if args.device == "cuda" else [])
        encoder = Encoder(artifact.read_vocabulary())
        encoded = encoder.encode(as_text_array(reviews.slice(0, min(len(reviews), args.rows))))
        compared = encoded.take(np.arange(min(COMPARED, len(encoded))))
        found["parity"] += parity(artifact, compared, args.device, precisions, say)
        say(f"{name}: profile")
        found["profile"].append(profile(artifact, encoded, args.device, PROFILED[args.device]))
        say(f"{name}: sweep")
        found["sweep"] += sweep(artifact, repeat_encoded(encoded, max(1, args.rows // 10)), args.device, "fp32")
        for precision in precisions:
            # On a CPU the main process encodes.
            for processes in PROCESSES if args.device == "cuda" and precision == "fp32" else PROCESSES[1:2]:
                found["commands"].append(command(table, args.rows, name, args.device, precision, processes))
                say(f"{name}, {precision}, {processes} processes: {found['commands'][-1]['reviews_per_s']:,.0f}/s")
    model = (args.model or ["lstm"])[0]
    return {
        **found,
        "ceiling": ceiling(load_artifact(model), table),
        "cold_start_s": cold_start(model, args.device),
    }


def describe_machine() -> dict[str, Any]:
    """Returns the GPU's facts, the processors and the versions."""
    gpu = find_gpu()
    versions = {"sentscore": __version__, "onnxruntime": load_onnxruntime().__version__}
    versions["python"] = platform.python_version()
    return {"gpu": None if gpu is None else asdict(gpu), "cpus": available_cpus(), "versions": versions}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", action="append")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--output", type=Path, help="where the JSON goes; by default to stdout")
    args = parser.parse_args()
    texts = pq.read_table(args.reviews, columns=["text"])["text"]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "reviews.parquet"
        with pq.ParquetWriter(table, next(repeat_texts(texts, 1)).schema) as writer:
            for part in repeat_texts(texts, args.rows):
                writer.write_table(part)
        measured = measure(args, table)
    found = {"device": args.device, "rows": args.rows, **describe_machine(), **measured}
    content = json.dumps(found, indent=1) + "\n"
    if args.output is None:
        sys.stdout.write(content)
    else:
        args.output.write_text(content)


if __name__ == "__main__":
    main()
