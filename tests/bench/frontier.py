"""Times networks of sixteen shapes beside what else a user could run, and draws accuracy against speed.

    pip install -e '.[bench]'
    python tests/bench/frontier.py REVIEWS.parquet --json shapes.json
    python tests/bench/frontier.py REVIEWS.parquet --only '' --taught artifacts/lstm --taught artifacts/gru-small \\
        --rivals tfidf,nbsvm,distilbert --train TRAIN.parquet --json taught.json --plot frontier.svg

REVIEWS has a column `text`, and TRAIN also `label` (0 or 1). The shapes are untrained, for the time of a product does
not depend on its numbers: they have a speed and no accuracy. Models that are taught have both, if REVIEWS has a
`label`. A network is timed as `sentscore file --precision int8`, the whole process, on the CPU. Every run times each of
them once on the same new draw of reviews. The table goes to stdout, and `--json` keeps the figures of every run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch

from _contenders import ENTRIES, command
from _measure import format_interval, markdown_table, median_interval
from _rival import Rival, Setting
from rivals import Record, accuracy, choose_rivals, measure, prepare, say, warm_up
from sentscore.model.artifact import load_artifact
from sentscore_export.export import export
from sentscore_export.parity import ParityConfig
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.models.classifier import Architecture, Cell, SentimentClassifier
from sentscore_train.models.weights import to_tensors
from sentscore_train.training import checkpoint

UNITS: Final = (64, 96, 128, 256)
LAYERS: Final = (1, 2)
CELLS: Final[tuple[Cell, ...]] = ("lstm", "gru")
_FEW_BATCHES: Final = 2  # that torch and the graph of an untrained network are compared on
_FEW_REVIEWS: Final = 64  # that its int8 graph is compared with the float32 one on


@dataclass(frozen=True)
class Point:
    """What was measured of a model.

    Attributes:
        name: Its name in the table.
        rates: The reviews a second of each run.
        accuracy: The share of the distinct reviews of all runs that it got right; None where that is not known.
        reviews: How many these were.
    """

    name: str
    rates: list[float]
    accuracy: float | None
    reviews: int

    @property
    def rate(self) -> float:
        """The median of the rates."""
        return median(self.rates)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path)
    parser.add_argument("--train", type=Path, help="labelled reviews that the linear rivals are fitted on")
    names = [shape_name(*shape) for shape in product(CELLS, LAYERS, UNITS)]
    parser.add_argument(
        "--only", default=",".join(names), help=f"shapes, separated by commas (default: all {len(names)})"
    )
    parser.add_argument("--taught", action="append", default=[], help="a model's name or artifact folder; repeat it")
    parser.add_argument("--rivals", default="", help="rivals of rivals.py, such as tfidf,nbsvm,distilbert")
    parser.add_argument("--seconds", type=float, default=10.0, help="time of a run, which gives the number of reviews")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where the figures of every run go")
    parser.add_argument("--plot", type=Path, help="where the picture of accuracy against speed goes, as SVG")
    parser.add_argument("--seed", type=int, default=1234)
    args = parser.parse_args()
    chosen = [name for name in args.only.split(",") if name]
    if unknown := set(chosen).difference(names):
        parser.error(f"--only {', '.join(sorted(unknown))}: no such shape: use some of {','.join(names)}")
    rivals = choose_rivals(parser, args.rivals, train=args.train) if args.rivals else []
    if not (chosen or args.taught or rivals):
        parser.error("nothing to time: name shapes with --only, models with --taught or rivals with --rivals")

    with tempfile.TemporaryDirectory() as folder:
        setting = prepare(argparse.Namespace(**vars(args), model="lstm", trial=256), Path(folder))
        loaders = {name: partial(untrained, name, setting) for name in chosen}
        for model in args.taught:
            name = load_artifact(model).name
            if name in loaders:
                parser.error(f"--taught {model}: two are named {name}: export one of them under another --name")
            loaders[name] = partial(network, model, setting)
        loaders |= {name: partial(ENTRIES[name].load, setting) for name in rivals}
        records = {}
        for name, load in loaders.items():
            say(f"{name}: loading")
            records[name] = warm_up(load(), setting, args.seconds, None)
        measure(records, setting, args.runs)
    points = [to_point(name, record) for name, record in records.items()]
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n", encoding="utf-8")
    if args.plot is not None:
        plot(points, args.plot)
    print(table(records))


def shape_name(cell: Cell, layers: int, units: int) -> str:
    """Returns what a shape is called, such as `lstm-2x128`."""
    return f"{cell}-{layers}x{units}"


def untrained(name: str, setting: Setting) -> Rival:
    """Returns an exported network of a shape with random weights and the vocabulary of the setting's model."""
    cell, shape = name.split("-")
    layers, units = map(int, shape.split("x"))
    known = setting.artifact.manifest.architecture
    architecture = Architecture.from_dict({**known, "cell": cell, "num_layers": layers, "hidden_size": units})
    torch.manual_seed(setting.seed)
    run_dir, out_dir = setting.folder / f"{name}.run", setting.folder / name
    checkpoint.write_tensors(run_dir / "best.safetensors", to_tensors(SentimentClassifier(architecture)))
    few = setting.trial_rows(_FEW_REVIEWS)
    validation = LabelledTexts(setting.reviews.encoded.take(few), np.arange(len(few), dtype=np.int8) % 2)
    checkpoint.write_validation(run_dir, validation)
    checkpoint.write_vocabulary(run_dir, setting.artifact.read_vocabulary())
    content: dict[str, Any] = {"architecture": asdict(architecture), "preset": "untrained", "recipe": {}, "data": {}}
    checkpoint.write_json(run_dir / "best.json", {"format_version": 1, **content, "metrics": {}, "temperature": 1.0})
    export(run_dir, out_dir, precisions=["int8"], parity=ParityConfig(batches=_FEW_BATCHES))
    return replace(network(str(out_dir), setting), positive=None)


def network(model: str, setting: Setting) -> Rival:
    """Returns the command line with a model, in a folder of its own."""
    name = load_artifact(model).name
    folder = setting.folder / f"{name}.files"
    folder.mkdir()
    return replace(command(replace(setting, model=model, folder=folder), "int8"), label=name)


def to_point(name: str, record: Record) -> Point:
    """Returns the figures of a record."""
    right = record.right.values()
    return Point(name, record.rates, sum(right) / len(right) if right else None, len(right))


def table(records: dict[str, Record]) -> str:
    """Returns a Markdown table, the fastest first."""
    rows = [
        [name, format_interval(median_interval(record.rates)), accuracy(record), f"{record.count:,}"]
        for name, record in sorted(records.items(), key=lambda item: -median(item[1].rates))
    ]
    return markdown_table(["network", "reviews/s, median", "accuracy (95 %)", "reviews a run"], rows)


def plot(points: list[Point], path: Path) -> None:
    """Draws the accuracy of each point against its speed; one without an accuracy is a line at its speed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for point in points:
        if point.accuracy is None:
            axes.axvline(point.rate, color="0.6", linestyle=":")
            axes.annotate(
                f" {point.name}", (point.rate, 0.02), xycoords=("data", "axes fraction"), color="0.4", rotation=90
            )
        else:
            axes.plot(point.rate, 100 * point.accuracy, "o", color="C0" if point.name not in ENTRIES else "C1")
            axes.annotate(f" {point.name}", (point.rate, 100 * point.accuracy), va="center")
    axes.set_xscale("log")
    axes.set_xlabel("reviews/s on the CPU, whole process")
    axes.set_ylabel("accuracy, %")
    axes.grid(visible=True, which="both", alpha=0.25)
    figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
