"""Predicts how long inputs take: a sample of them is scored here, as a job of its own."""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from sentscore.errors import Argument, UsageError, shorten
from sentscore.jobs.plan import plan_jobs
from sentscore.jobs.run import Summary, run_job
from sentscore.jobs.sampling import Sample
from sentscore.scorer import Scorer

SAMPLE_ROWS: Final = 16_384
"""The texts that are scored: two windows of a job, ten to twenty seconds on two cores."""

_WARM_UP: Final = 64  # texts
_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Forecast:
    """How long some inputs take.

    Attributes:
        model: The model's name.
        device: What it ran on, `cpu` or `cuda`.
        precision: What it computed in.
        threads: The number of batches that were scored at a time.
        files: How many inputs there are.
        size: Their bytes.
        rows: Their rows.
        rows_are_counted: Whether these were counted, and not estimated.
        unreadable: How many of the inputs that were looked at cannot be read.
        sampled_rows: How many texts were scored here.
        sampled_files: How many inputs these are from.
        tokens_per_row: The tokens of a text on average. Equal texts that are scored together count once.
        reviews_per_s: The rows that were done in a second, those without a text among them.
        start_s: The seconds until a process has loaded the model.
        seconds: The predicted time on this machine.
        largest_file_s: The predicted time of the largest input alone, without the start.
        deadline_s: The time that there is; None if none was given.
        workers: How many machines like this one need no more than that; None without a deadline.
    """

    model: str
    device: str
    precision: str
    threads: int
    files: int
    size: int
    rows: int
    rows_are_counted: bool
    unreadable: int
    sampled_rows: int
    sampled_files: int
    tokens_per_row: float
    reviews_per_s: float
    start_s: float
    seconds: float
    largest_file_s: float
    deadline_s: float | None = None
    workers: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON takes them."""
        return asdict(self)


def forecast(sample: Sample, scorer: Scorer, *, start_s: float, deadline_s: float | None = None) -> Forecast:
    """Scores a sample and predicts the time of all inputs.

    Args:
        sample: The sample, and how many rows there are.
        scorer: The model.
        start_s: The seconds until it was loaded.
        deadline_s: The time that there is for all inputs; None for no such limit.

    Raises:
        UsageError: The deadline is over before a model is loaded.
    """
    if deadline_s is not None and deadline_s <= start_s:
        raise UsageError(
            "a worker is not even loaded in the time: give more than ", Argument("deadline", f"{start_s:.0f}s")
        )
    measured = _score(sample.texts, scorer)
    per_row = measured.seconds / max(1, measured.rows)
    work = sample.rows * per_row
    return Forecast(
        model=scorer.name,
        device=scorer.device,
        precision=scorer.precision,
        threads=scorer.threads,
        files=sample.files,
        size=sample.size,
        rows=sample.rows,
        rows_are_counted=sample.is_counted,
        unreadable=len(sample.unreadable),
        sampled_rows=measured.rows,
        sampled_files=sample.sampled_files,
        tokens_per_row=measured.stages.tokens / max(1, measured.rows),
        reviews_per_s=measured.rows / measured.seconds,
        start_s=start_s,
        seconds=start_s + work,
        largest_file_s=sample.most_rows * per_row,
        deadline_s=deadline_s,
        workers=None if deadline_s is None else max(1, math.ceil(work / (deadline_s - start_s))),
    )


def parse_duration(text: str) -> float:
    """Returns the seconds of a time such as `2h`, `90m`, `1h30m` or `45s`.

    Raises:
        UsageError: It is none.
    """
    parts = re.fullmatch(r"\s*(?:\d+(?:\.\d+)?\s*[dhms]\s*)+", text, re.ASCII)
    seconds = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)\s*([dhms])", text)) if parts else 0.0
    if not 0 < seconds < math.inf:
        raise UsageError(f"a time of {shorten(text)}: write it as in ", Argument("deadline", "2h"), ", 90m or 1h30m")
    return seconds


def _score(texts: pa.Array, scorer: Scorer) -> Summary:
    """Scores texts as a job that reads and writes Parquet, after a short one that is not measured."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "sample.parquet"
        for part in (texts[:_WARM_UP], texts):
            pq.write_table(pa.table({"text": part}), source)
            [job] = plan_jobs([str(source)], output=str(Path(folder) / "scored.parquet"), format=None, force=True)
            summary = run_job(job, [scorer], column="text")
    return summary
