"""Counts the alarms of `sentscore report --against` where nothing has changed, and where everything has.

    sentscore file imdb-test.parquet && sentscore file shop.parquet
    python tests/bench/drift.py imdb-test.scored.parquet shop.scored.parquet --draws 100

Each draw takes two random halves of the first file, and one of them against as many random rows of the second.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from sentscore.pages.report.collect import find_unknown_shares
from sentscore.pages.report.distributions import Distribution
from sentscore.pages.report.drift import DRIFT_PSI, measure
from sentscore.pages.report.layout import read_layout
from sentscore.pages.report.model import find_model, make_encoder
from sentscore.pages.report.rows import read_rows
from sentscore.text.encoder import Encoder

NAMES = ("score", "length", "share of unknown words")
Numbers = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Draw:
    """The indexes of a draw, by what they are of."""

    same: dict[str, float]
    other: dict[str, float]


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scored", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--model", help="The model that knows words; by default the one that the first file names.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    artifact = find_model(read_layout(str(options.scored)).scores[0], options.model)
    if artifact is None:
        parser.error(f"{options.scored}: the model that scored it is not here: name it with --model")
    encoder = make_encoder(artifact)
    scored, other = (read_numbers(path, encoder) for path in (options.scored, options.other))
    random = np.random.default_rng(options.seed)
    draws = [draw(scored, other, random) for _ in range(options.draws)]
    for title, found in (
        ("two random halves", [each.same for each in draws]),
        ("the other file", [each.other for each in draws]),
    ):
        alarms = sum(max(indexes.values()) >= DRIFT_PSI for indexes in found)
        shown = ", ".join(
            f"{name} {min(each[name] for each in found):.4f} to {max(each[name] for each in found):.4f}"
            for name in NAMES
        )
        print(f"{title}: {alarms} alarms in {len(found)} draws; index of {shown}")


def read_numbers(path: Path, encoder: Encoder) -> Numbers:
    """Returns what is compared of each scored text [n], by name."""
    parts: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in NAMES}
    for rows in read_rows(read_layout(str(path))):
        known = ~np.isnan(rows.scores[0])
        if rows.texts is None:
            raise SystemExit(f"{path}: no column of texts")
        texts = rows.texts.filter(known)
        found = (rows.scores[0][known], pc.utf8_length(texts), find_unknown_shares(encoder, texts))
        for name, numbers in zip(NAMES, found, strict=True):
            parts[name].append(np.asarray(numbers, np.float64))
    return {name: np.concatenate(numbers) for name, numbers in parts.items()}


def draw(scored: Numbers, other: Numbers, random: np.random.Generator) -> Draw:
    """Compares a random half of a file with the other half, and with as many rows of the other file."""
    size = len(scored["score"])
    rows = random.permutation(size)
    now, earlier = rows[: size // 2], rows[size // 2 :]
    others = random.permutation(len(other["score"]))[: size // 2]
    return Draw(
        {name: compare(scored[name][now], scored[name][earlier], name) for name in NAMES},
        {name: compare(other[name][others], scored[name][earlier], name) for name in NAMES},
    )


def compare(now: npt.NDArray[np.float64], earlier: npt.NDArray[np.float64], name: str) -> float:
    """Returns the population stability index that a report gives."""
    distributions = [Distribution("length" if name == "length" else "share") for _ in range(2)]
    for distribution, numbers in zip(distributions, (now, earlier), strict=True):
        distribution.add(numbers)
    return measure(name, *distributions).psi


if __name__ == "__main__":
    main()
