"""The rivals: what a user could run on a table of reviews, sentscore included.

Libraries are imported where they are used, so that a run without a rival does not need its packages.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from _measure import Rows
from _networks import distilbert, notebook, torch_batches
from _rival import Labels, Rival, Setting, fastest_seconds, format_numbers
from sentscore.model.batching import batches_by_length, pad_batch
from sentscore.model.options import Precision

_PAD_ID: Final = 0  # behind a review's end, where the graph does not look


@dataclass(frozen=True)
class Entry:
    """A rival that the command line knows.

    Attributes:
        load: The function that loads and fits the rival, outside all timing.
        packages: The packages that it needs besides sentscore's core: import name -> name to install.
        needs_train: Whether it is fitted on labelled reviews.
        precision: The precision that the model must have.
    """

    load: Callable[[Setting], Rival]
    packages: dict[str, str]
    needs_train: bool = False
    precision: Precision = "fp32"


def tfidf_model() -> Any:
    """Returns an unfitted pipeline of scikit-learn: TF-IDF of words and pairs of words, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    return make_pipeline(vectorizer, LogisticRegression(C=10.0, max_iter=1_000))


def linear(setting: Setting, make: Callable[[], Any], label: str, note: str) -> Rival:
    """Returns a linear classifier of scikit-learn, fitted on the setting's labelled reviews."""
    table = pq.read_table(setting.train, columns=["text", "label"])
    texts, labels = table["text"].to_pylist(), table["label"].to_numpy()
    model = make()
    started = time.perf_counter()
    model.fit(texts, labels)
    seconds = time.perf_counter() - started

    def start(rows: Rows) -> Callable[[], npt.NDArray[np.float64]]:
        chosen = setting.reviews.take(rows)
        return lambda: model.predict_proba(chosen)[:, 1]

    return Rival(
        label=f"scikit-learn, {label} + logistic regression",
        takes="texts",
        threads=1,
        start=start,
        positive=_is_positive,
        notes=(f"fitted on {len(texts):,} reviews in {seconds:.1f} s, {len(model[0].vocabulary_):,} features; {note}",),
    )


class _ByClass:
    """Weights binary features by how much more often they occur in positive texts (Wang and Manning 2012)."""

    def fit(self, features: Any, labels: npt.NDArray[np.int8]) -> _ByClass:
        sums = [np.asarray(features[labels == label].sum(axis=0)).ravel() + 1.0 for label in (1, 0)]
        self.ratio = np.log((sums[0] / sums[0].sum()) / (sums[1] / sums[1].sum())).astype(np.float32)
        return self

    def transform(self, features: Any) -> Any:
        return features.multiply(self.ratio).tocsr()


def nbsvm_model() -> Any:
    """Returns an unfitted pipeline: NB-SVM on one to three words by scikit-learn, as its users write it."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectorizer = CountVectorizer(ngram_range=(1, 3), min_df=2, binary=True, dtype=np.float32)
    return make_pipeline(vectorizer, _ByClass(), LogisticRegression(max_iter=1_000))


def vader(setting: Setting) -> Rival:
    """Returns VADER's lexicon and rules."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()

    def start(rows: Rows) -> Callable[[], list[float]]:
        texts = setting.reviews.take(rows)
        return lambda: [analyzer.polarity_scores(text)["compound"] for text in texts]

    return Rival(
        label="VADER, lexicon and rules",
        takes="texts",
        threads=1,
        start=start,
        positive=lambda compounds: np.array(compounds) >= 0.0,
        notes=("positive from a compound of 0, since the reviews are of two classes",),
    )


_TRIALS: Final = 8  # times the reviews of slower rivals; a quarter of a second would not tell batch sizes apart


def sessions(setting: Setting, precision: Precision) -> Rival:
    """Returns ONNX Runtime alone: sentscore's time without that for texts and files."""
    from concurrent.futures import ThreadPoolExecutor

    from sentscore.model.session import Session

    session = Session(setting.artifact, device="cpu", precision=precision)
    encoded = setting.reviews.encoded

    def start(rows: Rows, batch_tokens: int) -> Callable[[], list[npt.NDArray[np.float32]]]:
        lengths = encoded.lengths[rows]
        batches = [
            pad_batch(encoded, rows[batch], _PAD_ID) for batch in batches_by_length(lengths, batch_tokens=batch_tokens)
        ]

        def go() -> list[npt.NDArray[np.float32]]:
            with ThreadPoolExecutor(setting.threads) as pool:
                return list(pool.map(lambda batch: session.run(*batch)[1], batches))

        return go

    budgets = (1_024, 2_048, 4_096, 8_192, 12_288, 16_384, 32_768, 65_536)  # narrow networks want many
    many = _TRIALS * setting.trial
    trial = setting.trial_rows(many, group=min(many, 64))
    best = min(budgets, key=lambda tokens: fastest_seconds(start(trial, tokens)))
    return Rival(
        label=f"sentscore {precision}, ONNX Runtime sessions alone, batches of {best:,} tokens",
        takes="padded token ids",
        threads=setting.threads,
        start=lambda rows: start(rows, best),
        notes=(f"an upper bound; fastest of {format_numbers(budgets)} tokens a batch, padding included",),
    )


def command(setting: Setting, precision: Precision) -> Rival:
    """Returns the command line, from the start of its process to the closed Parquet file."""
    source, target = setting.folder / "reviews.parquet", setting.folder / "scored.parquet"
    arguments = [sys.executable, "-m", "sentscore", "file", str(source), "--output", str(target)]
    arguments += ["--model", setting.model, "--device", "cpu", "--precision", precision]

    def go() -> Path:
        done = subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)}: exit code {done.returncode}: {done.stderr.strip()}")
        return target

    def start(rows: Rows) -> Callable[[], Path]:
        target.unlink(missing_ok=True)
        pq.write_table(pa.table({"text": setting.reviews.take(rows)}), source)
        return go

    return Rival(
        label=f"`sentscore file --precision {precision}`, the whole process",
        takes="a Parquet file",
        threads=setting.threads,
        start=start,
        positive=lambda path: _is_positive(pq.read_table(path, columns=["score"])["score"].to_numpy()),
        notes=("starting Python, loading and verifying the model and closing the file are in its time",),
    )


def _is_positive(scores: npt.NDArray[Any]) -> Labels:
    return np.asarray(scores >= 0.5)


_TORCH: Final = {"torch": "torch"}
_TRAIN: Final = {**_TORCH, "safetensors": "safetensors"}
ENTRIES: Final[dict[str, Entry]] = {
    "notebook": Entry(notebook, _TRAIN),
    "torch": Entry(torch_batches, _TRAIN),
    "distilbert": Entry(distilbert, {**_TORCH, "transformers": "transformers", "tokenizers": "tokenizers"}),
    "tfidf": Entry(
        partial(linear, make=tfidf_model, label="TF-IDF of 1 and 2 words", note="sublinear_tf, min_df=2, C=10"),
        {"sklearn": "scikit-learn"},
        needs_train=True,
    ),
    "nbsvm": Entry(
        partial(linear, make=nbsvm_model, label="NB-SVM on 1 to 3 words", note="binary, min_df=2, C=1"),
        {"sklearn": "scikit-learn"},
        needs_train=True,
    ),
    "vader": Entry(vader, {"vaderSentiment": "vaderSentiment"}),
    "sessions": Entry(partial(sessions, precision="fp32"), {}),
    "file": Entry(partial(command, precision="fp32"), {}),
    "sessions-int8": Entry(partial(sessions, precision="int8"), {}, precision="int8"),
    "file-int8": Entry(partial(command, precision="int8"), {}, precision="int8"),
}
"""All rivals by the name that `--only` takes."""
