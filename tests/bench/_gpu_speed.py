"""Times the parts of a job on a device: sessions, one batch by operators, whole commands, and the main process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sentscore.jobs import plan_jobs, run_job
from sentscore.model.artifact import Artifact
from sentscore.model.batching import batches_by_length, pad_batch
from sentscore.model.engine import Engine
from sentscore.model.options import ComputePrecision, Device, ModelOptions
from sentscore.model.runtime import load_onnxruntime, preload_cuda
from sentscore.model.session import CPU, CUDA, run_bound
from sentscore.scorer import Scorer
from sentscore.text.encoder import EncodedTexts
from sentscore.text.processes import DistinctTexts

BATCH_TOKENS = (131_072, 262_144, 524_288, 1_048_576, 2_097_152)
THREADS = (1, 2, 3, 4)
BLOCKS = (8_192, 65_536)
REVIEW_TOKENS = 265  # of an average film review

COMMAND = """
import sys
from sentscore.model import engine
engine._MOST_ENCODE_PROCESSES = int(sys.argv.pop(1))
from sentscore.cli import main
if __name__ == "__main__":
    main()
"""


def sweep(artifact: Artifact, encoded: EncodedTexts, device: Device, precision: ComputePrecision) -> list[Any]:
    """Times the model alone for each size of batch, number of threads and size of block; an error is an entry, too."""
    entries = []
    for threads in THREADS:
        engine = Engine(artifact, ModelOptions(device, precision, threads=threads))
        engine.score_encoded(encoded.take(np.arange(min(64, len(encoded)))))
        for batch_tokens in BATCH_TOKENS:
            for block in BLOCKS:
                entry: dict[str, Any] = {"threads": threads, "batch_tokens": batch_tokens, "block": block}
                engine.batch_tokens = batch_tokens
                began = time.perf_counter()
                with engine.pool() as pool:
                    for start in range(0, len(encoded), block):
                        part = encoded.take(np.arange(start, min(start + block, len(encoded))))
                        engine.submit(DistinctTexts(part, np.arange(len(part))), pool).result()
                entry["reviews_per_s"] = len(encoded) / (time.perf_counter() - began)
                entry["memory_note"] = engine.memory_limit.note
                entries.append({"model": artifact.name, "precision": precision, **entry})
    return entries


def profile(artifact: Artifact, encoded: EncodedTexts, device: Device, batch_tokens: int) -> dict[str, Any]:
    """Returns the milliseconds of one batch by operator and execution provider, by ONNX Runtime's own profile."""
    onnxruntime = load_onnxruntime()
    if device == "cuda":
        preload_cuda()
    providers: list[Any] = [(CUDA, {"use_tf32": "0"}), CPU] if device == "cuda" else [CPU]
    rows = next(batches_by_length(encoded.lengths, batch_tokens=batch_tokens))
    token_ids, lengths = pad_batch(encoded, rows, artifact.read_vocabulary().pad_id)
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(artifact.graphs["fp32"], options, providers=providers)
        run_bound(session, token_ids, lengths, device=device)
        events = json.loads(Path(session.end_profiling()).read_text())
    found: Counter[str] = Counter()
    for event in events:
        arguments = event.get("args", {})
        if event.get("cat") == "Node" and "op_name" in arguments:
            found[f"{arguments['op_name']} on {arguments.get('provider', 'unknown')}"] += event["dur"]
    times = {name: duration / 1000 for name, duration in found.most_common()}
    return {"model": artifact.name, "texts": len(rows), "tokens": int(token_ids.size), "milliseconds": times}


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


def mean_load(found: Sequence[float]) -> float | None:
    """Returns the mean load from the first busy sample to the last, without the command's start; None if unknown."""
    at_work = np.flatnonzero(np.array(found) > 0)
    return float(np.mean(found[at_work[0] : at_work[-1] + 1])) if len(at_work) else None


def command(table: Path, rows: int, model: str, device: str, precision: str, processes: int) -> dict[str, Any]:
    """Times a whole command with so many encoding processes at most, from the start of Python to the closed file."""
    with tempfile.TemporaryDirectory() as folder:
        script, report = Path(folder) / "command.py", Path(folder) / "run.json"
        script.write_text(COMMAND)
        arguments = ["file", table, "-o", Path(folder) / "out.parquet", "--model", model, "--device", device]
        arguments += ["--precision", precision, "--report", report]
        began = time.perf_counter()
        with utilization() as load:
            line = [sys.executable, script, processes, *arguments]
            done = subprocess.run([*map(str, line)], capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            sys.exit(f"{' '.join(map(str, arguments))}: exit code {done.returncode}\n{done.stderr}")
        stages = json.loads(report.read_text())["seconds"]
    entry = {"model": model, "precision": precision, "processes": processes, "seconds": seconds}
    return {**entry, "reviews_per_s": rows / seconds, "stages": stages, "gpu_busy_percent": mean_load(load)}


def cold_start(model: str, device: str) -> float:
    """Returns the seconds of `sentscore text` with one text."""
    began = time.perf_counter()
    line = [sys.executable, "-m", "sentscore", "text", "A great film.", "--model", model, "--device", device]
    subprocess.run(line, check=True, capture_output=True)
    return time.perf_counter() - began


def ceiling(artifact: Artifact, table: Path) -> dict[str, Any]:
    """Times the main process alone, as on a GPU: it reads, pads and writes, and ids and scores are there at once."""
    scorer = Scorer(artifact, ModelOptions("cpu", "fp32", batch_tokens=1 << 20, threads=2))
    scorer.device = scorer.engine.device = "cuda"

    def encode(texts: pa.ChunkedArray) -> Future[DistinctTexts]:
        offsets = np.arange(len(texts) + 1) * REVIEW_TOKENS
        done: Future[DistinctTexts] = Future()
        done.set_result(DistinctTexts(EncodedTexts(np.zeros(offsets[-1], np.int32), offsets), np.arange(len(texts))))
        return done

    def run(token_ids: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(lengths), np.float32), np.full(len(lengths), 0.5, np.float32)

    scorer.engine.encode = encode  # type: ignore[method-assign, assignment]
    scorer.engine._session.run = run  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        [job] = plan_jobs([str(table)], output=str(Path(folder) / "out.parquet"), format=None, force=False)
        summary = run_job(job, [scorer], column="text")
    stages = {name: getattr(summary.stages, name) for name in ("read", "encode", "wait", "write")}
    return {"rows_per_s": summary.rows / summary.seconds, "stages": stages}
