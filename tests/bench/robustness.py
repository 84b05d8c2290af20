"""Measures what models still get right when texts are typed, cut or marked up differently, as Markdown tables.

    pip install -e '.[train]'
    python tests/bench/robustness.py lstm gru --imdb SOURCE [--short tests/data/short_texts.csv] [--json]

The first table has the validation reviews of each model, by the movie split of its manifest. They are changed in every
way that `_perturbations` has, and five reviews of one label are joined. `keep` is the share of texts that keep the
sentiment of the unchanged text; joined reviews are compared with the sentiment of most of the five. The second table
has short texts about films and other things, by category. Everything runs on the CPU, and two models take some minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from _measure import Interval, Rows, format_interval, markdown_table, share_interval
from _perturbations import groups_of_one_label, perturbations
from sentscore.columns import POSITIVE_FROM
from sentscore.errors import InputError, SentscoreError, UsageError
from sentscore.model.artifact import LAYOUT, Artifact
from sentscore.model.options import PRECISIONS
from sentscore.progress import Progress, Report
from sentscore.scorer import Scorer
from sentscore_train.cli.console import progress_bars
from sentscore_train.data.imdb import Reviews, load_imdb
from sentscore_train.data.splits import split_by_movie

Labels = npt.NDArray[np.int8]
Right = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]

SHORT_TEXTS: Final = Path(__file__).resolve().parent.parent / "data" / "short_texts.csv"
SARCASM: Final = "sarcasm"
CLEAN: Final = "clean text"
_JOINED: Final = 5  # reviews of one label in a text; odd, so that most of them have one sentiment
JOINED: Final = f"{_JOINED} reviews of one label joined"
_STEP: Final = 250  # texts between two reports


@dataclass(frozen=True)
class Outcome:
    """How a model does on changed texts.

    Attributes:
        accuracy: The share of texts that is right. A text without a token counts as wrong.
        points_below: The accuracy on the clean texts minus this one, in percentage points.
        kept: The share of texts that keep their sentiment.
    """

    accuracy: float
    points_below: float
    kept: float


@dataclass(frozen=True)
class ShortText:
    """A row of the short texts. The label 1 is positive."""

    text: str
    label: int
    category: str


@dataclass(frozen=True)
class Share:
    """The number of texts and the share of them that is right."""

    texts: int
    right: Interval


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("artifacts", nargs="+", metavar="ARTIFACT", help="a shipped model or an artifact's folder")
    parser.add_argument(
        "--imdb", type=Path, required=True, help="aclImdb archive or folder, or folder of Parquet files"
    )
    parser.add_argument("--allow-partial", action="store_true", help="accept fewer reviews than published")
    parser.add_argument("--short", type=Path, default=SHORT_TEXTS, help="CSV with text, label and category")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the models (default: fp32)")
    parser.add_argument("--threads", type=int, help="of the models (default: one a processor)")
    parser.add_argument("--seed", type=int, default=1234, help="of typing errors, emoji and joined reviews")
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")
    args = parser.parse_args()
    try:
        print(measure(args))
    except SentscoreError as error:
        parser.exit(error.exit_code, f"{parser.prog}: error: {error}\n")


def measure(args: argparse.Namespace) -> str:
    """Returns both tables, or both as JSON."""
    scorers = [
        Scorer.load(name, device="cpu", precision=args.precision, threads=args.threads) for name in args.artifacts
    ]
    if len({scorer.name for scorer in scorers}) < len(scorers):
        raise UsageError("two models of one name: run one after the other")
    short = read_short_texts(args.short)
    outcomes: dict[str, dict[str, Outcome]] = {}
    with progress_bars() as report:
        # A source is given, so nothing is downloaded to the data folder.
        train = load_imdb(args.imdb, data_dir=args.imdb, allow_partial=args.allow_partial, report=report).train
        for scorer in scorers:
            rows = validation_rows(train, scorer.artifact, allow_partial=args.allow_partial)
            texts = [train.texts[row] for row in rows]
            found = under_perturbations(scorer, texts, train.labels[rows], seed=args.seed, report=report)
            outcomes[scorer.name] = dict(found)
        right = {scorer.name: is_right(scorer.score([row.text for row in short]), short) for scorer in scorers}
    shares = {name: by_category(short, hits) for name, hits in right.items()}
    return as_json(outcomes, shares) if args.json else as_markdown(outcomes, shares)


def read_short_texts(path: Path) -> list[ShortText]:
    """Reads a CSV file with the columns text, label (0 or 1) and category.

    Raises:
        InputError: The file cannot be read, or a row is not like that.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}): check the path") from error
    for number, row in enumerate(rows, start=1):
        if not row.get("text") or not row.get("category") or row.get("label") not in {"0", "1"}:
            raise InputError(f"{path}: row {number} is {row}: it needs text, label (0 or 1) and category")
    if not rows:
        raise InputError(f"{path}: no row: name a CSV file with text, label and category")
    return [ShortText(row["text"], int(row["label"]), row["category"]) for row in rows]


def validation_rows(train: Reviews, artifact: Artifact, *, allow_partial: bool) -> Rows:
    """Returns the rows of the training reviews that a model was validated on.

    Raises:
        InputError: The manifest has no split by movie, or one of other reviews.
    """
    manifest, path = artifact.manifest, artifact.path / LAYOUT.manifest
    seed, share = manifest.data.get("seed"), manifest.recipe.get("validation_share")
    if not isinstance(seed, int) or not isinstance(share, float):
        raise InputError(
            f"{path}: no seed in data or no validation_share in recipe: name a model of the default preset"
        )
    rows = split_by_movie(train.movies, train.labels, share=share, seed=seed)[1]
    expected = manifest.data.get("validation")
    if len(rows) != expected and not allow_partial:
        raise InputError(
            f"{path}: {expected} validation reviews, but the split gives {len(rows)}: name its own reviews"
        )
    return rows


def under_perturbations(
    scorer: Scorer, texts: Sequence[str], labels: Labels, *, seed: int, report: Report
) -> Iterator[tuple[str, Outcome]]:
    """Yields how the model does on the clean texts [n], then on each change of them, by name."""

    def score(name: str, changed: Sequence[str]) -> Scores:
        parts = []
        for start in range(0, len(changed), _STEP):
            parts.append(scorer.score(changed[start : start + _STEP]))
            report(Progress(f"{scorer.name}: {name}", min(start + _STEP, len(changed)), len(changed)))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def outcome(scores: Scores, labels: Labels, before: Labels) -> Outcome:
        found = sentiment(scores)
        accuracy = float((found == labels).mean())
        return Outcome(accuracy, 100 * (clean_accuracy - accuracy), float((found == before).mean()))

    clean = sentiment(score(CLEAN, texts))
    clean_accuracy = float((clean == labels).mean())
    yield CLEAN, Outcome(clean_accuracy, 0.0, 1.0)
    for name, change in perturbations(seed).items():
        yield name, outcome(score(name, [change(text) for text in texts]), labels, clean)
    groups = groups_of_one_label(labels, size=_JOINED, seed=seed)
    if len(groups):
        joined = score(JOINED, [" ".join(texts[row] for row in group) for group in groups])
        most = (2 * (clean[groups] == 1).sum(axis=1) > _JOINED).astype(np.int8)
        yield JOINED, outcome(joined, labels[groups[:, 0]], most)


def sentiment(scores: Scores) -> Labels:
    """Returns int8 [n]: 1 for positive, 0 for negative, -1 for a text without a score."""
    return np.where(np.isnan(scores), -1, scores >= POSITIVE_FROM).astype(np.int8)


def is_right(scores: Scores, texts: Sequence[ShortText]) -> Right:
    """Returns whether each short text gets its label, bool [n]."""
    return sentiment(scores) == np.array([text.label for text in texts], np.int8)


def by_category(texts: Sequence[ShortText], right: Right) -> dict[str, Share]:
    """Returns the share that is right of each category, of all but sarcasm, and of all."""
    categories = np.array([text.category for text in texts])
    masks = {category: categories == category for category in dict.fromkeys(categories.tolist())}
    masks |= {f"all but {SARCASM}": categories != SARCASM, "all": np.ones(len(categories), bool)}
    return {
        name: Share(int(mask.sum()), share_interval(int(right[mask].sum()), int(mask.sum())))
        for name, mask in masks.items()
        if mask.any()
    }


def as_markdown(outcomes: dict[str, dict[str, Outcome]], shares: dict[str, dict[str, Share]]) -> str:
    """Returns the table of perturbations and the table of short texts."""
    names = list(outcomes)
    header = ["validation reviews"]
    for name in names:
        header += [f"{name}: right", "points below", "keep"]
    changes = dict.fromkeys(change for each in outcomes.values() for change in each)
    rows = [[change, *(cell for name in names for cell in cells(outcomes[name].get(change)))] for change in changes]
    short = [
        [
            category,
            str(share.texts),
            *(format_interval(shares[name][category].right, "{:.1%}".format) for name in names),
        ]
        for category, share in shares[names[0]].items()
    ]
    tables = markdown_table(header, rows), markdown_table(["short texts", "texts", *names], short)
    return "\n\n".join(tables)


def cells(outcome: Outcome | None) -> list[str]:
    """Returns the cells of one model for one change."""
    if outcome is None:
        return ["-"] * 3
    return [f"{outcome.accuracy:.2%}", f"{outcome.points_below:.2f}", f"{outcome.kept:.2%}"]


def as_json(outcomes: dict[str, dict[str, Outcome]], shares: dict[str, dict[str, Share]]) -> str:
    """Returns the same figures by model."""
    content = {
        name: {
            "perturbations": {change: asdict(outcome) for change, outcome in outcomes[name].items()},
            "short_texts": {category: asdict(share) for category, share in shares[name].items()},
        }
        for name in outcomes
    }
    return json.dumps(content, indent=2)


if __name__ == "__main__":
    main()
