"""The report of a run: what it was given, what became of each input, what the scores are like, and how it ended.

It is a JSON document, which `run_report.schema.json` describes. A run of a million inputs has a million entries, so
these are not held in memory, and each has a line of its own at the end of the document.
"""

from __future__ import annotations

import datetime
import json
import platform
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from sentscore._version import __version__
from sentscore.errors import INTERRUPTED
from sentscore.files import new_file, output_errors
from sentscore.jobs.benchmark import peak_mebibytes
from sentscore.jobs.counts import HISTOGRAM_BINS
from sentscore.jobs.job import Job
from sentscore.jobs.run import Summary
from sentscore.scorer import Scorer
from sentscore.sources import STDIN
from sentscore.text.encoder import MAX_TOKENS

FORMAT_VERSION: Final = 1

SCHEMA: Final = Path(__file__).with_name("run_report.schema.json")
"""The JSON schema (draft 2020-12) of a report."""

RunStatus = Literal["running", "finished", "failed", "interrupted"]
"""`running` is what a run says that was killed, and one that still goes on."""

InputStatus = Literal["scored", "left_out", "failed", "interrupted", "not_begun"]
"""What became of an input. Only one that is scored has counts."""

_PACKAGES: Final = ("onnxruntime", "onnxruntime-gpu", "pyarrow", "numpy")
_MOST_IN_MEMORY: Final = 8 << 20  # bytes of the entries, some 20,000 of them
_FOREIGN_SHARE: Final = 0.1  # of mostly unknown texts, from which on the model may be the wrong one


@dataclass
class Totals:
    """What all inputs together had.

    Attributes:
        inputs: The inputs that have an entry.
        scored_inputs: Those that were scored.
        left_out_inputs: Those whose outputs were there already.
        failed_inputs: Those that could not be read or written.
        rows: The rows of the scored inputs.
        scored: The rows that have a score.
        empty: The rows without a text.
        truncated: The texts of which only the first and the last tokens were scored.
        mostly_unknown: The texts more than half of whose tokens a model's vocabulary does not know.
        kept: The texts whose scores a run before had left.
    """

    inputs: int = 0
    scored_inputs: int = 0
    left_out_inputs: int = 0
    failed_inputs: int = 0
    rows: int = 0
    scored: int = 0
    empty: int = 0
    truncated: int = 0
    mostly_unknown: int = 0
    kept: int = 0


@dataclass
class Seconds:
    """Where the time went, in seconds.

    Attributes:
        load: Checking the inputs and loading the models.
        read: The main thread's time for reading and decoding inputs.
        encode: Its time for turning texts into token ids, or waiting for the processes that do it.
        wait: Its time for waiting for scores.
        write: Its time for writing outputs.
        score: The time that the models took, summed over all threads.
        jobs: The time of all jobs.
    """

    load: float = 0.0
    read: float = 0.0
    encode: float = 0.0
    wait: float = 0.0
    write: float = 0.0
    score: float = 0.0
    jobs: float = 0.0


class ModelScores:
    """A model of the run, and what its scores are like.

    Attributes:
        scorer: The loaded model.
        positive: The texts that it scored as positive.
        score_sum: The sum of its scores.
        histogram: How many scores are in each of 20 intervals of like width from 0 to 1, int64 [20].
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.positive = 0
        self.score_sum = 0.0
        self.histogram: npt.NDArray[np.int64] = np.zeros(HISTOGRAM_BINS, np.int64)

    @property
    def scored(self) -> int:
        """The texts that it scored."""
        return int(self.histogram.sum())

    def to_dict(self) -> dict[str, Any]:
        """Returns the model's entry in the report."""
        scorer = self.scorer
        return {
            "name": scorer.name,
            "folder": str(scorer.artifact.path),
            "manifest_sha256": scorer.manifest_sha256,
            "precision": scorer.precision,
            "device": scorer.device,
            "why_not_cuda": scorer.why_not_cuda or None,
            "threads": scorer.threads,
            "batch_tokens": scorer.batch_tokens,
            "positive": self.positive,
            "share_positive": _divide(self.positive, self.scored),
            "mean_score": _divide(self.score_sum, self.scored),
            "histogram": self.histogram.tolist(),
        }


class RunReport:
    """Gathers what a run does. `write` may be called at any time.

    Args:
        options: What the command was given, by the names of its options.
        keep_inputs: Whether the report is going to be written, so that the entries of the inputs are kept.

    Attributes:
        status: How the run stands.
        exit_code: The exit code of the command; None while it runs.
        totals: The sums over all inputs.
        seconds: Where the time went.
        models: The models, once they are loaded.
        warnings: What is worth a look, a line each.
        errors: What went wrong, a line each.
        began: When the run began, in seconds since 1970.
        ended: When it ended; None while it runs.
    """

    def __init__(self, options: Mapping[str, Any] | None = None, *, keep_inputs: bool = True) -> None:
        self.status: RunStatus = "running"
        self.exit_code: int | None = None
        self.totals = Totals()
        self.seconds = Seconds()
        self.models: list[ModelScores] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.began = time.time()
        self.ended: float | None = None
        self._options = dict(options or {})
        self._keep_inputs = keep_inputs
        self._entries = tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY)  # noqa: SIM115 - it lives as long as this object
        weakref.finalize(self, self._entries.close)

    def add_models(self, scorers: Sequence[Scorer], seconds: float) -> None:
        """Adds the models, and the time that it took until they were loaded."""
        self.models = [ModelScores(scorer) for scorer in scorers]
        self.seconds.load += seconds

    def add_scored(self, summary: Summary) -> None:
        """Adds an input that was scored."""
        totals, seconds = self.totals, self.seconds
        totals.scored_inputs += 1
        for name in ("rows", "scored", "empty", "truncated", "mostly_unknown", "kept"):
            setattr(totals, name, getattr(totals, name) + getattr(summary, name))
        for name in ("read", "encode", "wait", "write", "score"):
            setattr(seconds, name, getattr(seconds, name) + getattr(summary.stages, name))
        seconds.jobs += summary.seconds
        models = []
        for model, scores in zip(summary.models, self.models, strict=True):
            scores.positive += model.positive
            scores.score_sum += model.score_sum
            scores.histogram += np.array(model.histogram)
            share = _divide(model.positive, summary.scored)
            models.append({"name": model.name, "positive": model.positive, "share_positive": share})
        self._add_entry(summary.name, summary.output, "scored", **summary.to_counts(), models=models)

    def add_left_out(self, job: Job) -> None:
        """Adds an input that is not scored because its output is there already."""
        self.totals.left_out_inputs += 1
        self._add_entry(_name_input(job), job.target.name, "left_out")

    def add_failed(self, job: Job, error: str, exit_code: int) -> None:
        """Adds an input that could not be scored, whether the run goes on or ends with it.

        Args:
            job: The job.
            error: What went wrong, on one line.
            exit_code: The exit code that stands for it.
        """
        if exit_code == INTERRUPTED:
            self._add_entry(_name_input(job), job.target.name, "interrupted")
            return
        self.totals.failed_inputs += 1
        self._add_entry(_name_input(job), job.target.name, "failed", error={"message": error, "exit_code": exit_code})

    def add_not_begun(self, job: Job) -> None:
        """Adds an input that the run did not come to."""
        self._add_entry(_name_input(job), job.target.name, "not_begun")

    def end(self, exit_code: int, error: str | None = None) -> None:
        """Says how the run has ended, and with what error."""
        self.ended = time.time()
        self.exit_code = exit_code
        self.status = {0: "finished", INTERRUPTED: "interrupted"}.get(exit_code, "failed")  # type: ignore[assignment]
        if error is not None:
            self.errors.append(error)

    @property
    def reviews_per_s(self) -> float:
        """The texts that this run scored in a second of its jobs."""
        return _divide(self.totals.scored - self.totals.kept, self.seconds.jobs) or 0.0

    @property
    def peak_memory_bytes(self) -> int | None:
        """The most memory that this process has had so far; None where the system does not say."""
        peak = peak_mebibytes()
        return None if peak is None else int(peak * (1 << 20))

    def write(self, path: Path) -> None:
        """Writes the report, or replaces one.

        Raises:
            OutputError: It cannot be written.
        """
        head = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        with new_file(path) as file:
            file.write(_to_bytes(head.removesuffix("\n}") + ',\n  "inputs": ['))
            separator = b"\n    "
            for entry in self._read_entries():
                file.write(separator + entry)
                separator = b",\n    "
            file.write(b"\n  ]\n}\n" if separator.startswith(b",") else b"]\n}\n")

    def to_dict(self) -> dict[str, Any]:
        """Returns the report without the inputs."""
        return {
            "format_version": FORMAT_VERSION,
            "status": self.status,
            "exit_code": self.exit_code,
            "began": _format_time(self.began),
            "ended": None if self.ended is None else _format_time(self.ended),
            "host": platform.node(),
            "folder": str(Path.cwd()),
            "versions": _find_versions(),
            "options": self._options,
            "models": [model.to_dict() for model in self.models],
            "totals": asdict(self.totals),
            "seconds": {each.name: round(getattr(self.seconds, each.name), 3) for each in fields(Seconds)},
            "reviews_per_s": round(self.reviews_per_s, 1),
            "peak_memory_bytes": self.peak_memory_bytes,
            "warnings": [*self.warnings, *self.find_warnings()],
            "errors": self.errors,
        }

    def find_warnings(self) -> Iterator[str]:
        """Yields what the counts of the texts are worth a look for, a line each."""
        totals = self.totals
        if totals.truncated:
            yield (
                f"{totals.truncated:,} texts have more than {MAX_TOKENS:,} tokens: their first and last "
                f"{MAX_TOKENS // 2:,} were scored"
            )
        if totals.scored and totals.mostly_unknown >= _FOREIGN_SHARE * totals.scored:
            yield (
                f"{totals.mostly_unknown:,} of {totals.scored:,} texts are mostly of words that the model does not "
                "know: they may be in another language"
            )
        if totals.rows and not totals.scored:
            yield f"none of {totals.rows:,} rows has a text: is it the right column?"

    def _add_entry(
        self, name: str, output: str, status: InputStatus, *, error: Mapping[str, Any] | None = None, **counts: object
    ) -> None:
        self.totals.inputs += 1
        if not self._keep_inputs:
            return
        entry = {"input": name, "output": output, "status": status, "error": error, **counts}
        with output_errors(tempfile.gettempdir()):
            self._entries.write(_to_bytes(json.dumps(entry, ensure_ascii=False, allow_nan=False)) + b"\n")

    def _read_entries(self) -> Iterator[bytes]:
        self._entries.seek(0)
        for line in self._entries:
            yield line.rstrip(b"\n")
        self._entries.seek(0, 2)


def _name_input(job: Job) -> str:
    return "stdin" if job.inputs == (STDIN,) else job.name


def _divide(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _to_bytes(text: str) -> bytes:
    # Half a character, of a name that is not UTF-8, becomes \udcff, which is how JSON writes it, too.
    return text.encode("utf-8", "backslashreplace")


def _format_time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _find_versions() -> dict[str, str]:
    versions = {"sentscore": __version__, "python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
