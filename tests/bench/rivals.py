"""Times sentscore and what a user could run instead, on the same reviews in one run, as a Markdown table.

    pip install -e '.[bench]'
    python tests/bench/rivals.py REVIEWS.parquet --train TRAIN.parquet [--model lstm] [--seconds 20] [--runs 5]
    python tests/bench/rivals.py REVIEWS.parquet --only sessions-int8,file-int8 --size file-int8=25000

REVIEWS has a column `text`, and TRAIN also `label` (0 or 1). With a `label` in REVIEWS the accuracy is shown too. Every
run draws new reviews and times each rival once, on as many as it scores in about `--seconds`. Their lengths are
distributed as those of all reviews. The ends of a median's interval are two of the runs' values, so 95 % takes at least
six runs. Everything runs on the CPU. 8 rivals take about 8 * (runs + 1) * seconds, and a few minutes for loading and
fitting.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from _contenders import ENTRIES
from _measure import (
    Rows,
    find_size,
    format_interval,
    markdown_table,
    median_interval,
    sample_by_length,
    share_interval,
)
from _rival import Labels, Reviews, Rival, Setting
from sentscore.model.artifact import load_artifact
from sentscore.model.cpu import available_cpus
from sentscore.text.encoder import Encoder
from sentscore.text.normalize import as_text_array

_WARM_UP: Final = 8  # reviews, which fill file caches and start threads
_PACKAGES: Final = (
    "sentscore",
    "onnxruntime-gpu",
    "onnxruntime",
    "numpy",
    "pyarrow",
    "spacy",
    "torch",
    "transformers",
    "tokenizers",
    "scikit-learn",
    "vaderSentiment",
)


@dataclass
class Record:
    """The measurements of a rival.

    Attributes:
        rival: The rival.
        count: The number of reviews in a run.
        rates: The reviews a second of each run.
        right: Whether each review was classified rightly, by its row. It is empty without labels.
    """

    rival: Rival
    count: int
    rates: list[float] = field(default_factory=list)
    right: dict[int, bool] = field(default_factory=dict)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--model", default="lstm", help="a shipped model's name or an artifact's folder")
    parser.add_argument("--train", type=Path, help="labelled reviews that tfidf is fitted on")
    parser.add_argument("--only", help=f"rivals, separated by commas (default: all that fit: {', '.join(ENTRIES)})")
    parser.add_argument("--seconds", type=float, default=20.0, help="time of a run, which gives the number of reviews")
    parser.add_argument("--size", action="append", default=[], metavar="RIVAL=N", help="reviews of a run instead")
    parser.add_argument("--trial", type=int, default=256, help="reviews that batch sizes are tried on (default: 256)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--reference", help="what the others are compared with (default: file-int8, file or the first)")
    parser.add_argument("--seed", type=int, default=1234)
    args = parser.parse_args()

    precisions = load_artifact(args.model).graphs
    fitting = [name for name, entry in ENTRIES.items() if entry.precision in precisions]
    names = choose_rivals(parser, args.only or ",".join(fitting), train=args.train)
    if unfit := set(names).difference(fitting):
        parser.error(f"--only {', '.join(unfit)}: model {args.model} has {', '.join(precisions)} alone")
    best = [name for name in ("file-int8", "file") if name in names]
    reference = args.reference or (best or names)[0]
    if reference not in names:
        parser.error(f"--reference {reference} is not among {', '.join(names)}")
    sizes = parse_sizes(parser, args.size, names)
    if min(args.runs, args.trial) < 1 or args.seconds <= 0:
        parser.error("--runs and --trial must be at least 1 and --seconds more than 0")

    with tempfile.TemporaryDirectory() as folder:
        setting = prepare(args, Path(folder))
        records = {}
        for name in names:
            say(f"{name}: loading")
            records[name] = warm_up(ENTRIES[name].load(setting), setting, args.seconds, sizes.get(name))
        measure(records, setting, args.runs)
    print(report(records, reference, setting, args.runs))


def choose_rivals(parser: argparse.ArgumentParser, only: str, *, train: Path | None) -> list[str]:
    """Returns the names in `--only`, or ends with a message about what they lack."""
    names = [name.strip() for name in only.split(",")]
    for name in names:
        if name not in ENTRIES:
            parser.error(f"--only {name}: no such rival: use some of {','.join(ENTRIES)}")
    missing: dict[str, list[str]] = {}
    for name in names:
        for module, package in ENTRIES[name].packages.items():
            if find_spec(module) is None:
                missing.setdefault(package, []).append(name)
    if missing:
        wanted = ", ".join(f"{package} (for {', '.join(users)})" for package, users in missing.items())
        parser.error(f"not installed: {wanted}: pip install 'sentscore[bench]', or leave them out with --only")
    for name in names:
        if ENTRIES[name].needs_train and train is None:
            parser.error(f"{name} needs labelled reviews to fit on: give --train, or leave it out with --only")
    return names


def parse_sizes(parser: argparse.ArgumentParser, pairs: Iterable[str], names: list[str]) -> dict[str, int]:
    """Returns the values of the options `RIVAL=N`, by rival."""
    sizes = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if name not in names or not number.isdecimal() or int(number) < 1:
            parser.error(f"--size {pair}: write RIVAL=N with a rival out of {','.join(names)} and N of at least 1")
        sizes[name] = int(number)
    return sizes


def prepare(args: argparse.Namespace, folder: Path) -> Setting:
    """Loads the model and the reviews that have a token."""
    artifact = load_artifact(args.model)
    columns = [name for name in ("text", "label") if name in pq.read_schema(args.reviews).names]
    if "text" not in columns:
        raise SystemExit(f"{args.reviews}: no column text: rename the one that holds the reviews")
    table = pq.read_table(args.reviews, columns=columns)
    encoded = Encoder(artifact.read_vocabulary()).encode(as_text_array(table["text"]))
    rows = np.flatnonzero(encoded.lengths)
    table = table.take(rows)
    labels = table["label"].to_numpy() == 1 if "label" in columns else None
    reviews = Reviews(table["text"].to_pylist(), encoded.take(rows), labels)
    return Setting(reviews, artifact, args.model, args.train, available_cpus(), folder, args.seed, args.trial)


def warm_up(rival: Rival, setting: Setting, seconds: float, count: int | None) -> Record:
    """Runs the rival once and finds how many reviews a run of it has."""
    lengths = setting.reviews.encoded.lengths
    random = np.random.default_rng(setting.seed)

    def rows(count: int) -> Rows:
        return sample_by_length(lengths, count, random, rival.group)

    run_timed(rival, rows(_WARM_UP))
    if count is None:
        first = max(_WARM_UP, rival.group)
        count = find_size(seconds, lambda tried: run_timed(rival, rows(tried))[0], most=len(lengths), first=first)
    count = len(rows(count))  # whole groups
    say(f"{rival.label}: {count:,} reviews a run")
    return Record(rival, count)


def measure(records: dict[str, Record], setting: Setting, runs: int) -> None:
    """Times every rival once in every run, and starts each run with another rival."""
    lengths, labels = setting.reviews.encoded.lengths, setting.reviews.labels
    order = list(records)
    for run in range(runs):
        for name in order[run % len(order) :] + order[: run % len(order)]:
            record = records[name]
            # The same draw for all: rivals with the same number and groups of reviews get the same reviews.
            random = np.random.default_rng((setting.seed, run))
            rows = sample_by_length(lengths, record.count, random, record.rival.group)
            seconds, result = run_timed(record.rival, rows)
            record.rates.append(len(rows) / seconds)
            if record.rival.positive is not None and labels is not None:
                right: Labels = record.rival.positive(result) == labels[rows]
                record.right.update(zip(rows.tolist(), right.tolist(), strict=True))
            progress = f"run {run + 1}/{runs}, {name}: {len(rows):,} reviews in {seconds:.2f} s"
            say(f"{progress}, {record.rates[-1]:,.1f} reviews/s")


def run_timed(rival: Rival, rows: Rows) -> tuple[float, Any]:
    """Returns the seconds of a run, without those of its preparation, and its result."""
    go = rival.start(rows)
    started = time.perf_counter()
    result = go()
    return time.perf_counter() - started, result


def report(records: dict[str, Record], reference: str, setting: Setting, runs: int) -> str:
    """Returns the table, its notes, and what was measured with what."""
    base = records[reference]
    confidence = median_interval(base.rates).confidence
    header = [
        "rival",
        f"`{reference}` is so many times as fast",
        f"reviews/s, median of {runs}",
        "accuracy (95 %)",
        "reviews a run",
        "threads",
        "timed from",
    ]
    rows, notes = [], []
    for record in records.values():
        rival = record.rival
        # Run by run, so that a busy machine slows both rivals.
        ratios = [one / other for one, other in zip(base.rates, record.rates, strict=True)]
        rows.append(
            [
                rival.label,
                "1" if record is base else format_interval(median_interval(ratios)),
                format_interval(median_interval(record.rates)),
                accuracy(record),
                f"{record.count:,}",
                str(rival.threads),
                rival.takes,
            ]
        )
        notes += [f"- {rival.label}: {note}." for note in rival.notes]
    lengths = setting.reviews.encoded.lengths
    facts = [
        f"- Intervals of medians: {confidence:.1%}, from the runs' order statistics; ratios are taken run by run.",
        f"- Reviews: {len(lengths):,}, {lengths.mean():.0f} tokens each on average, drawn anew for each run (seed "
        f"{setting.seed}) with their lengths spread as all are.",
        f"- Model: {setting.artifact.name}, manifest {setting.artifact.manifest_sha256[:12]}.",
        f"- Machine: {platform.machine()}, {processor()}, {setting.threads} of {os.cpu_count()} CPUs usable.",
        f"- Versions: Python {platform.python_version()}, {installed_versions(_PACKAGES)}.",
    ]
    return "\n".join([markdown_table(header, rows), "", *notes, *facts])


def accuracy(record: Record) -> str:
    """Returns the share of distinct reviews that are classified rightly, with its interval and their number."""
    if not record.right:
        return "-"
    share = share_interval(sum(record.right.values()), len(record.right))
    return f"{format_interval(share, '{:.3f}'.format)} of {len(record.right):,}"


def processor() -> str:
    """Returns the processor's name if the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def installed_versions(packages: Iterable[str]) -> str:
    """Returns name and version of the packages that are installed."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def say(line: str) -> None:
    """Prints progress to stderr, for the table goes to stdout."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
