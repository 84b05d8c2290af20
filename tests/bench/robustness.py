"""Measures what models still get right when texts are typed, cut or marked up differently, as Markdown tables.

    pip install -e '.[train]'
    python tests/bench/robustness.py lstm gru [--imdb SOURCE] [--table TABLE [--by COLUMN] [--split SPLIT]] [--json]

With --imdb, the first table has the validation reviews of each model, by the split of its manifest; with --table, one
has the labelled reviews of that table, but for its rows for testing, and further ones tell its domains apart. The
reviews are changed in every way that `_perturbations` has, and five reviews of one label are joined. `keep` is the
share of texts that keep the sentiment of the unchanged text; joined reviews are compared with the sentiment of most of
the five. The last table has short texts about films and other things, by category. Everything runs on the CPU, and two
models take some minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, get_args

import numpy as np
import numpy.typing as npt

from _measure import Interval, Rows, format_interval, markdown_table, share_interval
from _perturbations import groups_of_one_label, perturbations
from sentscore.columns import POSITIVE_FROM
from sentscore.errors import InputError, SentscoreError, UsageError
from sentscore.model.artifact import Artifact
from sentscore.model.options import PRECISIONS
from sentscore.progress import Progress, Report
from sentscore.scorer import Scorer
from sentscore_train.cli.console import progress_bars
from sentscore_train.data.tables import TableOptions
from sentscore_train.evaluation.groups import group_by_value
from sentscore_train.evaluation.reviews import LabelledReviews, Split, read_labelled_table, read_split

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


@dataclass(frozen=True, eq=False)
class Judged:
    """The sentiments that a model gives to texts that were changed in one way.

    Attributes:
        change: The name of the change.
        sentiments: int8 [n] 1 for positive, 0 for negative, -1 for a text without a score.
        labels: int8 [n] The labels.
        before: int8 [n] The sentiments of the unchanged texts.
    """

    change: str
    sentiments: Labels
    labels: Labels
    before: Labels


@dataclass(frozen=True)
class Robustness:
    """How a model does on some reviews in every change, by the name of the change.

    Attributes:
        outcomes: The outcomes of all reviews.
        by: Those of each group of reviews, by the column that has the group's name. Joined reviews are in no group.
    """

    outcomes: dict[str, Outcome]
    by: dict[str, dict[str, dict[str, Outcome]]]


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
    parser.add_argument("--imdb", type=Path, help="aclImdb archive or folder, or folder of Parquet files")
    parser.add_argument("--allow-partial", action="store_true", help="accept fewer reviews than published")
    parser.add_argument("--table", type=Path, help="labelled reviews; the rows that it says are for testing stay out")
    parser.add_argument("--text", help="the table's column of texts (default: found by itself)")
    parser.add_argument("--label", help="the table's column of labels (default: label, stars or rating)")
    parser.add_argument("--by", help="the table's column by which results are told apart (default: domain)")
    parser.add_argument("--split", choices=get_args(Split), help="the table's rows to take, of the models' own split")
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
    """Returns the tables, or all of them as JSON."""
    scorers = [
        Scorer.load(name, device="cpu", precision=args.precision, threads=args.threads) for name in args.artifacts
    ]
    if len({scorer.name for scorer in scorers}) < len(scorers):
        raise UsageError("two models of one name: run one after the other")
    short = read_short_texts(args.short)
    found: dict[str, dict[str, Robustness]] = {}
    with progress_bars() as report:
        for scorer in scorers:
            for reviews in read_reviews(args, scorer.artifact, report):
                measured = measure_robustness(scorer, reviews, seed=args.seed, report=report)
                found.setdefault(reviews.source, {})[scorer.name] = measured
        right = {scorer.name: is_right(scorer.score([row.text for row in short]), short) for scorer in scorers}
    shares = {name: by_category(short, hits) for name, hits in right.items()}
    return as_json(found, shares) if args.json else as_markdown(found, shares)


def read_reviews(args: argparse.Namespace, artifact: Artifact, report: Report) -> Iterator[LabelledReviews]:
    """Yields the reviews that a model is measured on: of IMDB, of the table, of both or of none."""
    if args.imdb is not None:
        # A source is given, so nothing is downloaded to the data folder.
        yield read_split(
            "validation", [artifact], args.imdb, data_dir=args.imdb, allow_partial=args.allow_partial, report=report
        )
    if args.table is not None:
        columns = TableOptions(args.text, args.label, args.by)
        yield read_labelled_table(args.table, columns, split=args.split, artifacts=[artifact], report=report)


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


def measure_robustness(scorer: Scorer, reviews: LabelledReviews, *, seed: int, report: Report) -> Robustness:
    """Returns how a model does on reviews in every change, and on each group of them."""
    judged = list(judge(scorer, reviews.texts.to_pylist(), reviews.labels, seed=seed, report=report))
    groups = {column: group_by_value(values) for column, values in reviews.columns.items()}
    single = [each for each in judged if each.change != JOINED]
    return Robustness(
        summarize(judged),
        {
            column: {name: summarize(single, rows) for name, rows in found.items()}
            for column, found in groups.items()
            if len(found) > 1
        },
    )


def judge(scorer: Scorer, texts: Sequence[str], labels: Labels, *, seed: int, report: Report) -> Iterator[Judged]:
    """Yields what the model makes of the clean texts [n], then of each change of them."""

    def score(name: str, changed: Sequence[str]) -> Labels:
        parts = []
        for start in range(0, len(changed), _STEP):
            parts.append(scorer.score(changed[start : start + _STEP]))
            report(Progress(f"{scorer.name}: {name}", min(start + _STEP, len(changed)), len(changed)))
        return sentiment(np.concatenate(parts) if parts else np.zeros(0, np.float32))

    clean = score(CLEAN, texts)
    yield Judged(CLEAN, clean, labels, clean)
    for name, change in perturbations(seed).items():
        yield Judged(name, score(name, [change(text) for text in texts]), labels, clean)
    groups = groups_of_one_label(labels, size=_JOINED, seed=seed)
    if len(groups):
        joined = score(JOINED, [" ".join(texts[row] for row in group) for group in groups])
        most = (2 * (clean[groups] == 1).sum(axis=1) > _JOINED).astype(np.int8)
        yield Judged(JOINED, joined, labels[groups[:, 0]], most)


def summarize(judged: Sequence[Judged], rows: Rows | None = None) -> dict[str, Outcome]:
    """Returns the outcome of each change, the clean texts first, of all texts or of some rows [m]."""
    found: dict[str, Outcome] = {}
    for each in judged:
        chosen = np.arange(len(each.labels)) if rows is None else rows
        sentiments = each.sentiments[chosen]
        accuracy = float((sentiments == each.labels[chosen]).mean())
        below = 100 * (found[CLEAN].accuracy - accuracy) if found else 0.0
        kept = 1.0 if each.change == CLEAN else float((sentiments == each.before[chosen]).mean())
        found[each.change] = Outcome(accuracy, below, kept)
    return found


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


def as_markdown(found: dict[str, dict[str, Robustness]], shares: dict[str, dict[str, Share]]) -> str:
    """Returns the tables of perturbations of each source of reviews, and the table of short texts."""
    tables = []
    for source, models in found.items():
        header = [source, *(cell for name in models for cell in (f"{name}: right", "points below", "keep"))]
        changes = dict.fromkeys(change for each in models.values() for change in each.outcomes)
        rows = [
            [change, *(cell for each in models.values() for cell in cells(each.outcomes.get(change)))]
            for change in changes
        ]
        tables.append(markdown_table(header, rows))
        for name, each in models.items():
            for column, groups in each.by.items():
                header = [f"{name}: right by {column}", *groups]
                rows = [
                    [change, *(f"{outcomes[change].accuracy:.2%}" for outcomes in groups.values())]
                    for change in next(iter(groups.values()))
                ]
                tables.append(markdown_table(header, rows))
    names = list(shares)
    short = [
        [
            category,
            str(share.texts),
            *(format_interval(shares[name][category].right, "{:.1%}".format) for name in names),
        ]
        for category, share in shares[names[0]].items()
    ]
    return "\n\n".join([*tables, markdown_table(["short texts", "texts", *names], short)])


def cells(outcome: Outcome | None) -> list[str]:
    """Returns the cells of one model for one change."""
    if outcome is None:
        return ["-"] * 3
    return [f"{outcome.accuracy:.2%}", f"{outcome.points_below:.2f}", f"{outcome.kept:.2%}"]


def as_json(found: dict[str, dict[str, Robustness]], shares: dict[str, dict[str, Share]]) -> str:
    """Returns the same figures by model."""
    content = {
        name: {
            "reviews": {source: asdict(models[name]) for source, models in found.items()},
            "short_texts": {category: asdict(share) for category, share in categories.items()},
        }
        for name, categories in shares.items()
    }
    return json.dumps(content, indent=2)


if __name__ == "__main__":
    main()
