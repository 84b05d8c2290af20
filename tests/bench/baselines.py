"""Compares the models with linear classifiers on n-grams on the same reviews, as Markdown tables.

    pip install -e '.[train]'
    python tests/bench/baselines.py --train TABLE --test TABLE [--by COLUMN] [--model lstm --model gru] [--json]

Tables are read as `sentscore-train lstm --table` does: the rows that a column `split` names `test` are never fitted on,
and if a table to test on has such rows, it is tested on them alone. Both options may be repeated; then the results are
told apart by table too. The classifiers are TF-IDF of 1 and 2 words with logistic regression, and NB-SVM on up to 3
tokens of the first model's vocabulary. They are fitted on all labelled rows to learn from, while a model of the default
preset has learned from nine tenths of the labels. The accuracies have Wilson's 95 % interval. The difference of a model
and a classifier is tested with McNemar's exact test. Everything runs on the CPU. With 25,000 reviews in each table it
takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from _contenders import tfidf_model
from _measure import Paired, compare_paired, format_interval, markdown_table, share_interval
from sentscore.columns import POSITIVE_FROM
from sentscore.errors import InputError, SentscoreError, UsageError
from sentscore.model.options import PRECISIONS
from sentscore.scorer import Scorer
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.data.tables import TableOptions, read_source
from sentscore_train.evaluation.groups import Groups, group_by_value
from sentscore_train.evaluation.reviews import read_test
from sentscore_train.teachers.nbsvm import NbSvm

Labels = npt.NDArray[np.bool_]

_STEP = 1_000  # reviews between two lines on stderr


@dataclass(frozen=True)
class Table:
    """Labelled reviews.

    Attributes:
        texts: The texts [n].
        encoded: Their token ids in the first model's vocabulary [n]. Each text has at least one.
        labels: Whether each is positive [n].
        groups: The rows of each group of reviews, by the column that has the group's name.
    """

    texts: list[str]
    encoded: EncodedTexts
    labels: Labels
    groups: dict[str, Groups] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, action="append", required=True, help="reviews to fit on; may be repeated")
    parser.add_argument("--test", type=Path, action="append", required=True, help="reviews to compare on; the same")
    parser.add_argument("--text", help="the tables' column of texts (default: found by itself)")
    parser.add_argument("--label", help="the tables' column of labels (default: label, stars or rating)")
    parser.add_argument("--by", help="the test tables' column by which results are told apart (default: domain)")
    parser.add_argument("--model", action="append", help="a shipped model or an artifact's folder (default: lstm, gru)")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the models (default: fp32)")
    parser.add_argument("--threads", type=int, help="of the models (default: one a processor)")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    args = parser.parse_args()
    try:
        print(compare(args))
    except SentscoreError as error:
        parser.exit(error.exit_code, f"{parser.prog}: error: {error}\n")


def compare(args: argparse.Namespace) -> str:
    """Returns the table, or the same figures as JSON."""
    # Loaded before anything is fitted: a wrong name should not cost minutes.
    scorers = [
        Scorer.load(model, device="cpu", precision=args.precision, threads=args.threads)
        for model in args.model or ["lstm", "gru"]
    ]
    if len({scorer.name for scorer in scorers}) < len(scorers):
        raise UsageError("two models of one name: compare them one after the other")
    vocabulary = scorers[0].vocabulary
    train = read_training(args.train, TableOptions(args.text, args.label), vocabulary)
    test = read_testing(args.test, TableOptions(args.text, args.label, args.by), vocabulary)
    right = {scorer.name: model_right(scorer, test) for scorer in scorers}
    models = list(right)
    right["TF-IDF of 1 and 2 words + logistic regression"] = tfidf_right(train, test)
    right["NB-SVM of 1 to 3 tokens"] = nbsvm_right(train, test, len(vocabulary))
    show = as_json if args.json else as_markdown
    return show(right, models, len(train), test.groups)


def read_training(paths: Sequence[Path], options: TableOptions, vocabulary: Vocabulary) -> Table:
    """Reads the labelled reviews of tables that may be learned from and have a token.

    Raises:
        InputError: A table cannot be read, or has no reviews of both classes.
    """
    texts: list[str] = []
    labels: list[int] = []
    for path in paths:
        source = read_source(path, options, needs_labels=True)
        rows = np.flatnonzero(source.labels >= 0)
        if len(found := np.unique(source.labels[rows])) < 2:
            have = f"all labels are {found[0]}" if len(found) else "no row is labelled"
            raise InputError(f"{path}: {have}: both classes are needed to fit on")
        texts += [source.texts[row] for row in rows]
        labels += source.labels[rows].tolist()
    return encode(pa.array(texts, pa.large_string()), np.array(labels) == 1, vocabulary, {})


def read_testing(paths: Sequence[Path], options: TableOptions, vocabulary: Vocabulary) -> Table:
    """Reads the reviews to test on that have a token.

    Raises:
        InputError: A table cannot be read, or has no labelled row to test on.
    """
    reviews = read_test(paths, options)
    return encode(as_text_array(reviews.texts), reviews.labels == 1, vocabulary, reviews.columns)


def encode(texts: pa.Array, labels: Labels, vocabulary: Vocabulary, columns: Mapping[str, Sequence[str]]) -> Table:
    """Returns the texts that have a token, in groups by the values of each column that has several."""
    encoded = Encoder(vocabulary, max_tokens=None).encode(as_text_array(texts))
    rows = np.flatnonzero(encoded.lengths)
    groups = {name: group_by_value([values[row] for row in rows]) for name, values in columns.items()}
    several = {name: found for name, found in groups.items() if len(found) > 1}
    return Table(texts.take(rows).to_pylist(), encoded.take(rows), labels[rows], several)


def model_right(scorer: Scorer, test: Table) -> Labels:
    """Returns whether a model classifies each review rightly [n]."""
    parts = []
    for start in range(0, len(test), _STEP):
        parts.append(scorer.score(test.texts[start : start + _STEP]))
        say(f"{scorer.name}: {min(start + _STEP, len(test)):,} of {len(test):,} reviews")
    return (np.concatenate(parts) >= POSITIVE_FROM) == test.labels


def tfidf_right(train: Table, test: Table) -> Labels:
    """Returns whether TF-IDF and logistic regression classify each review rightly [n]."""
    say(f"TF-IDF: fitting on {len(train):,} reviews")
    model = tfidf_model().fit(train.texts, train.labels)
    return np.asarray(model.predict(test.texts) == test.labels)


def nbsvm_right(train: Table, test: Table, vocab_size: int) -> Labels:
    """Returns whether NB-SVM classifies each review rightly [n]."""
    say(f"NB-SVM: fitting on {len(train):,} reviews")
    model = NbSvm(LabelledTexts(train.encoded, train.labels.astype(np.int8)), vocab_size)
    return (model.logits(test.encoded) > 0) == test.labels


def as_markdown(right: dict[str, Labels], models: list[str], fitted: int, groups: dict[str, Groups]) -> str:
    """Returns a table with a row for each model and classifier, then the accuracies in a table for each column."""
    baselines = [name for name in right if name not in models]
    count = len(right[models[0]])
    header = [f"{count:,} reviews", "right (95 % interval)", *(f"points above {name}" for name in baselines)]
    rows = []
    for name, hits in right.items():
        interval = share_interval(int(hits.sum()), count)
        cells = [cell(compare_paired(hits, right[other])) if name in models else "" for other in baselines]
        rows.append([name, format_interval(interval, "{:.2%}".format), *cells])
    note = (
        f"The classifiers are fitted on {fitted:,} reviews. In brackets: how many reviews only the model and only "
        "the classifier gets right, and the two-sided p-value of McNemar's exact test."
    )
    tables = [markdown_table(header, rows)]
    for column, found in groups.items():
        shares = [
            [name, f"{len(places):,}", *(f"{hits[places].mean():.2%}" for hits in right.values())]
            for name, places in found.items()
        ]
        tables.append(markdown_table([column, "reviews", *right], shares))
    return "\n\n".join([*tables, note])


def as_json(right: dict[str, Labels], models: list[str], fitted: int, groups: dict[str, Groups]) -> str:
    """Returns the same figures as JSON, as shares."""
    baselines = [name for name in right if name not in models]
    content = {
        "reviews": len(right[models[0]]),
        "fitted_on": fitted,
        "accuracy": accuracies(right),
        "paired": {
            model: {name: asdict(compare_paired(right[model], right[name])) for name in baselines} for model in models
        },
        "by": {
            column: {
                name: {
                    "reviews": len(places),
                    "accuracy": accuracies({each: hits[places] for each, hits in right.items()}),
                }
                for name, places in found.items()
            }
            for column, found in groups.items()
        },
    }
    return json.dumps(content, indent=2)


def accuracies(right: dict[str, Labels]) -> dict[str, dict[str, float]]:
    """Returns the share that each model and classifier gets right, with its interval."""
    return {name: asdict(share_interval(int(hits.sum()), len(hits))) for name, hits in right.items()}


def cell(difference: Paired) -> str:
    """Returns a cell such as `+1.20 (310 to 250, p = 0.012)`."""
    p = f"p = {difference.p:.2g}"
    return f"{100 * difference.share:+.2f} ({difference.first_only:,} to {difference.second_only:,}, {p})"


def say(line: str) -> None:
    """Prints progress to stderr, for the table goes to stdout."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
