"""The figures of a run as OpenMetrics text, for the textfile collector of Prometheus' node_exporter.

That collector reads an older form of the text, so only what both forms know is used: gauges and histograms, without
timestamps or units. All figures have the label `run`, the name of the file, so that several jobs of a machine can have
a file each: the collector refuses two files with the same figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final

from sentscore.files import write_file
from sentscore.jobs.counts import HISTOGRAM_BINS
from sentscore.jobs.run_report import ModelScores, RunReport, Seconds

_Samples = Iterable[tuple[Mapping[str, str], float]]

_ROWS: Final = {
    "rows": "Rows of the scored inputs.",
    "scored": "Rows that have a score.",
    "empty": "Rows without a text.",
    "truncated": "Texts of which only the first and the last tokens were scored.",
    "mostly_unknown": "Texts that are mostly of words that the model does not know.",
    "kept": "Texts whose scores a run before had left.",
}


def write_metrics(report: RunReport, path: Path) -> None:
    """Writes the figures of a run, or replaces those of another.

    Raises:
        OutputError: They cannot be written.
    """
    write_file(path, format_metrics(report, run=path.stem).encode("utf-8", "backslashreplace"))


def format_metrics(report: RunReport, *, run: str) -> str:
    """Returns the figures of a run as text; `run` is the label that tells them from those of other jobs."""
    return "".join(f"{line}\n" for line in (*_list_lines(report, run), "# EOF"))


def _list_lines(report: RunReport, run: str) -> Iterator[str]:
    def gauge(name: str, about: str, samples: _Samples) -> Iterator[str]:
        yield from _describe(name, "gauge", about)
        for labels, value in samples:
            yield _format_sample(name, {"run": run, **labels}, value)

    def single(name: str, about: str, value: float) -> Iterator[str]:
        return gauge(name, about, [({}, value)])

    totals = report.totals
    if report.exit_code is not None:
        yield from single("exit_code", "Exit code of the run: 0 is success.", report.exit_code)
    yield from single("start_timestamp_seconds", "When the run began.", report.began)
    if report.ended is not None:
        yield from single("end_timestamp_seconds", "When the run ended.", report.ended)
    others = totals.inputs - totals.scored_inputs - totals.left_out_inputs - totals.failed_inputs
    states = {
        "scored": totals.scored_inputs,
        "left_out": totals.left_out_inputs,
        "failed": totals.failed_inputs,
        "not_done": others,
    }
    by_state = [({"status": state}, count) for state, count in states.items()]
    yield from gauge("inputs", "Inputs by what became of them.", by_state)
    for name, about in _ROWS.items():
        yield from single(name if name == "rows" else f"{name}_rows", about, getattr(totals, name))
    by_stage = [({"stage": each.name}, getattr(report.seconds, each.name)) for each in fields(Seconds)]
    yield from gauge("stage_seconds", "Where the time went; that of score is summed over all threads.", by_stage)
    yield from single("reviews_per_second", "Texts scored in a second of the jobs.", report.reviews_per_s)
    if report.peak_memory_bytes is not None:
        yield from single("peak_memory_bytes", "Most memory that the process had.", report.peak_memory_bytes)
    yield from single("errors", "Errors of the run.", len(report.errors))
    models = [(_model_labels(model), model) for model in report.models]
    yield from gauge(
        "positive_rows", "Texts scored as positive.", [(labels, model.positive) for labels, model in models]
    )
    yield from _describe("score", "histogram", "Scores of the texts.")
    for labels, model in models:
        yield from _format_histogram({"run": run, **labels}, model)


def _model_labels(model: ModelScores) -> dict[str, str]:
    scorer = model.scorer
    return {
        "model": scorer.name,
        "digest": scorer.manifest_sha256[:12],
        "precision": scorer.precision,
        "device": scorer.device,
    }


def _format_histogram(labels: Mapping[str, str], model: ModelScores) -> Iterator[str]:
    below = 0
    for place, count in enumerate(model.histogram.tolist(), start=1):
        below += count
        yield _format_sample("score_bucket", {**labels, "le": str(place / HISTOGRAM_BINS)}, below)
    yield _format_sample("score_bucket", {**labels, "le": "+Inf"}, below)
    yield _format_sample("score_count", labels, below)
    yield _format_sample("score_sum", labels, model.score_sum)


def _describe(name: str, kind: str, about: str) -> tuple[str, str]:
    return f"# HELP sentscore_run_{name} {about}", f"# TYPE sentscore_run_{name} {kind}"


def _format_sample(name: str, labels: Mapping[str, str], value: float) -> str:
    listed = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
    return f"sentscore_run_{name}{{{listed}}} {value!r}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
