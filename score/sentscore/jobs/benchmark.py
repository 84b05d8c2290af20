"""Measures how fast a model scores a table on this machine: whole jobs, their stages, and the machine's own limit."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.errors import UsageError
from sentscore.jobs.plan import plan_jobs
from sentscore.jobs.run import Summary, run_job
from sentscore.scorer import Scorer
from sentscore.text.vocabulary import Vocabulary

# IMDB reviews have 270 tokens on average, and the logarithms of their lengths are nearly normally distributed.
_MEDIAN_TOKENS: Final = 205.0
_SIGMA_TOKENS: Final = 0.72
_MOST_TOKENS: Final = 2_800

_MATRIX: Final = 2_048
_RESAMPLES: Final = 2_000


@dataclass(frozen=True)
class Measure:
    """The median of some runs, with the interval that holds the true median with 95 % confidence, by bootstrap.

    Attributes:
        median: The median.
        low: The lower end of the interval.
        high: The upper end of the interval.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Benchmark:
    """What was measured.

    Attributes:
        model: The model's name.
        device: What it ran on, `cpu` or `cuda`.
        precision: What it computed in: `fp32`, `tf32`, `int8` or `fp16`.
        threads: The number of batches that were scored at a time.
        batch_tokens: The tokens of a batch, padding included.
        rows: The rows of the table.
        repetitions: The number of jobs that were measured, after the warm-up.
        reviews_per_s: The texts that a whole job scores in a second, without loading the model.
        tokens_per_s: The same in tokens.
        stages: The shares of a job's time that the main thread spends on each stage. Under `score`, the share that
            the threads spend in the model: 1 is all threads all the time.
        gflop_per_s: The arithmetic of the recurrent layers, counted as two operations a multiply-add.
        machine_gflop_per_s: The rate of float32 matrix products of 2,048 x 2,048 in NumPy on all CPUs; None on CUDA.
        peak_mebibytes: The most memory that this process has had resident; None where the system does not say.
    """

    model: str
    device: str
    precision: str
    threads: int
    batch_tokens: int
    rows: int
    repetitions: int
    reviews_per_s: Measure
    tokens_per_s: Measure
    stages: dict[str, float]
    gflop_per_s: float
    machine_gflop_per_s: float | None
    peak_mebibytes: float | None

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON takes them."""
        return asdict(self)


def benchmark(
    scorer: Scorer,
    table: Path,
    *,
    column: str | None = None,
    repetitions: int = 5,
    warm_up: int = 1,
    on_run: Callable[[int, int], None] | None = None,
) -> Benchmark:
    """Scores a table several times into a temporary Parquet file.

    Args:
        scorer: The model.
        table: Any input that `sentscore file` takes, but for stdin.
        column: The column of texts; None to find it.
        repetitions: The number of jobs that are measured.
        warm_up: The number of jobs before them that are not.
        on_run: Is called with (jobs done, jobs in all).

    Raises:
        InputError: The table cannot be read.
        UsageError: There is no repetition.
    """
    if repetitions < 1 or warm_up < 0:
        raise UsageError(f"repetitions {repetitions} and warm-up {warm_up}: at least 1 and 0 are needed")
    summaries: list[Summary] = []
    with tempfile.TemporaryDirectory() as folder:
        [job] = plan_jobs([str(table)], output=str(Path(folder) / "scored.parquet"), format=None, force=True)
        for done in range(warm_up + repetitions):
            summaries.append(run_job(job, [scorer], column=column))
            if on_run is not None:
                on_run(done + 1, warm_up + repetitions)
    measured = summaries[warm_up:]
    seconds = np.array([summary.seconds for summary in measured])
    tokens = np.array([summary.stages.tokens for summary in measured])
    operations = 2.0 * multiply_adds_per_token(scorer.artifact.manifest.architecture)
    return Benchmark(
        model=scorer.name,
        device=scorer.device,
        precision=scorer.precision,
        threads=scorer.threads,
        batch_tokens=scorer.batch_tokens,
        rows=measured[0].rows,
        repetitions=repetitions,
        reviews_per_s=measure(np.array([summary.rate for summary in measured])),
        tokens_per_s=measure(tokens / seconds),
        stages=_stage_shares(measured, scorer.threads),
        gflop_per_s=float(np.median(tokens / seconds)) * operations / 1e9,
        machine_gflop_per_s=matrix_gflop_per_s() if scorer.device == "cpu" else None,
        peak_mebibytes=peak_mebibytes(),
    )


def write_reviews(path: Path, vocabulary: Vocabulary, rows: int, *, seed: int = 1234) -> None:
    """Writes a Parquet table of texts as long as film reviews, with words drawn from a vocabulary by Zipf's law."""
    random = np.random.default_rng(seed)
    words = [token for token in vocabulary.tokens if token.isalpha()]
    weights = 1.0 / np.arange(2.0, len(words) + 2.0)
    lengths = np.exp(random.normal(np.log(_MEDIAN_TOKENS), _SIGMA_TOKENS, rows)).clip(8, _MOST_TOKENS).astype(int)
    drawn = np.array(words, object)[random.choice(len(words), int(lengths.sum()), p=weights / weights.sum())]
    texts = [" ".join(part) for part in np.split(drawn, np.cumsum(lengths)[:-1])]
    pq.write_table(pa.table({"text": texts}), path)


def multiply_adds_per_token(architecture: Mapping[str, Any]) -> float:
    """Returns the multiply-adds of the recurrent layers for a token.

    They are gates x units x (inputs + units) in both directions of every layer.
    """
    gates = 4 if architecture["cell"] == "lstm" else 3
    hidden, inputs, total = architecture["hidden_size"], architecture["embedding_dim"], 0
    for _ in range(architecture["num_layers"]):
        total += 2 * gates * hidden * (inputs + hidden)
        inputs = 2 * hidden
    return float(total)


def matrix_gflop_per_s(runs: int = 5) -> float:
    """Returns the median rate of float32 matrix products on all CPUs, by NumPy's own library."""
    random = np.random.default_rng(0)
    first, second = (random.random((_MATRIX, _MATRIX), np.float32) for _ in range(2))
    first @ second
    rates = []
    for _ in range(runs):
        began = time.perf_counter()
        first @ second
        rates.append(2.0 * _MATRIX**3 / (time.perf_counter() - began) / 1e9)
    return float(np.median(rates))


def measure(values: npt.NDArray[np.float64]) -> Measure:
    """Returns the median of some runs and its 95 % interval."""
    random = np.random.default_rng(1234)
    medians = np.median(random.choice(values, (_RESAMPLES, len(values))), axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return Measure(float(np.median(values)), float(low), float(high))


def peak_mebibytes() -> float | None:
    """Returns the most memory that this process has had resident so far; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def _stage_shares(summaries: Sequence[Summary], threads: int) -> dict[str, float]:
    total = sum(summary.seconds for summary in summaries)
    shares = {
        stage: sum(getattr(summary.stages, stage) for summary in summaries) / total
        for stage in ("read", "encode", "wait", "write")
    }
    return {**shares, "score": sum(summary.stages.score for summary in summaries) / (total * threads)}
