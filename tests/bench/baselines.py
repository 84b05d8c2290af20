"""Compares the models with linear classifiers on n-grams on the same reviews, as a Markdown table.

    pip install -e '.[train]'
    python tests/bench/baselines.py --train TRAIN.parquet --test TABLE.parquet [--model lstm --model gru] [--json]

Both tables have the columns `text` and `label` (0 or 1). The classifiers are TF-IDF of 1 and 2 words with logistic
regression, and NB-SVM on up to 3 tokens of the first model's vocabulary. They are fitted on all of TRAIN, while a model
of the default preset has learned from nine tenths of the labels. The accuracies have Wilson's 95 % interval. The
difference of a model and a classifier is tested with McNemar's exact test. Everything runs on the CPU. With 25,000
reviews in each table it takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

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
from sentscore_train.evaluation.reviews import read_table
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
    """

    texts: list[str]
    encoded: EncodedTexts
    labels: Labels

    def __len__(self) -> int:
        return len(self.texts)


def main() -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, required=True, help="labelled reviews to fit the classifiers on")
    parser.add_argument("--test", type=Path, required=True, help="labelled reviews to compare on")
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
    train, test = (read_labelled(path, vocabulary) for path in (args.train, args.test))
    if len(np.unique(train.labels)) < 2:
        raise InputError(f"{args.train}: all labels are {train.labels[0]:d}: both classes are needed to fit on")
    right = {scorer.name: model_right(scorer, test) for scorer in scorers}
    models = list(right)
    right["TF-IDF of 1 and 2 words + logistic regression"] = tfidf_right(train, test)
    right["NB-SVM of 1 to 3 tokens"] = nbsvm_right(train, test, len(vocabulary))
    show = as_json if args.json else as_markdown
    return show(right, models, len(train))


def read_labelled(path: Path, vocabulary: Vocabulary) -> Table:
    """Reads the reviews of a file that have a token.

    Raises:
        InputError: The file cannot be read, or has no texts with labels of 0 and 1.
    """
    reviews = read_table(path)
    encoded = Encoder(vocabulary, max_tokens=None).encode(as_text_array(reviews.texts))
    rows = np.flatnonzero(encoded.lengths)
    if not len(rows):
        raise InputError(f"{path}: no review: name a table of texts")
    return Table(reviews.texts.take(rows).to_pylist(), encoded.take(rows), reviews.labels[rows] == 1)


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


def as_markdown(right: dict[str, Labels], models: list[str], fitted: int) -> str:
    """Returns a table with a row for each model and classifier, and a column of differences for each classifier."""
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
    return f"{markdown_table(header, rows)}\n\n{note}"


def as_json(right: dict[str, Labels], models: list[str], fitted: int) -> str:
    """Returns the same figures as JSON, as shares."""
    baselines = [name for name in right if name not in models]
    content = {
        "reviews": len(right[models[0]]),
        "fitted_on": fitted,
        "accuracy": {name: asdict(share_interval(int(hits.sum()), len(hits))) for name, hits in right.items()},
        "paired": {
            model: {name: asdict(compare_paired(right[model], right[name])) for name in baselines} for model in models
        },
    }
    return json.dumps(content, indent=2)


def cell(difference: Paired) -> str:
    """Returns a cell such as `+1.20 (310 to 250, p = 0.012)`."""
    p = f"p = {difference.p:.2g}"
    return f"{100 * difference.share:+.2f} ({difference.first_only:,} to {difference.second_only:,}, {p})"


def say(line: str) -> None:
    """Prints progress to stderr, for the table goes to stdout."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
