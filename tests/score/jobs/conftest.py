from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from sentscore.formats import parse_format
from sentscore.jobs import Summary, plan_jobs, run_job
from sentscore.model.artifact import Artifact, load_artifact
from sentscore.model.engine import Engine, Scoring
from sentscore.model.options import ModelOptions
from sentscore.scorer import Scorer
from sentscore.text.encoder import MOSTLY_UNKNOWN, TRUNCATED, EncodedTexts
from sentscore.text.processes import DistinctTexts


def length_score(text: str | None) -> float:
    """The score of a text by `LengthEngine`; NaN for a blank one."""
    return float("nan") if not (text or "").strip() else float(np.float32(len(text or "") % 100 / 99))


def length_flags(text: str | None) -> np.uint8:
    """The flags of a text by `LengthEngine`: the longest ones are truncated, those with a question mark unknown."""
    return np.uint8((TRUNCATED if len(text or "") > 95 else 0) + (MOSTLY_UNKNOWN if "?" in (text or "") else 0))


class LengthEngine(Engine):
    """An engine that goes by the length of a text, keeps the number of texts of each block, and may stop at one."""

    blocks_ahead = 0

    def __init__(self, artifact: Artifact, stop_at: int | None = None) -> None:
        super().__init__(artifact, ModelOptions("cpu", threads=1))
        self.stop_at = stop_at
        self.calls: list[int] = []

    def encode(self, texts: pa.ChunkedArray) -> Future[pa.ChunkedArray]:
        done: Future[pa.ChunkedArray] = Future()
        done.set_result(texts)
        return done

    def submit(self, texts: pa.ChunkedArray, pool: Executor, *, wanted: npt.NDArray[np.bool_] | None = None) -> Scoring:
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        self.calls.append(len(texts))
        rows = np.arange(len(texts))
        encoded = EncodedTexts(rows.astype(np.int32), np.arange(len(texts) + 1))
        scoring = Scoring(DistinctTexts(encoded, rows, np.array([length_flags(text) for text in texts.to_pylist()])))
        scoring.add(rows, self.scores(texts), len(texts), 0.5)
        return scoring

    def scores(self, texts: pa.ChunkedArray) -> npt.NDArray[np.float32]:
        return np.array([length_score(text) for text in texts.to_pylist()], np.float32)


MakeScorer = Callable[..., Scorer]
Run = Callable[..., Summary]


@pytest.fixture(scope="session")
def make_scorer(tiny_artifact: Path, tiny_gru_artifact: Path) -> MakeScorer:
    """Makes a scorer that goes by the length of a text, called `lstm` or `gru`."""
    artifacts = {"lstm": load_artifact(tiny_artifact), "gru": load_artifact(tiny_gru_artifact)}

    def make(name: str = "lstm", engine: type[LengthEngine] = LengthEngine, *, stop_at: int | None = None) -> Scorer:
        scorer = Scorer(artifacts[name], ModelOptions("cpu", threads=1))
        scorer.engine = engine(artifacts[name], stop_at)
        return scorer

    return make


@pytest.fixture(scope="session")
def run(make_scorer: MakeScorer) -> Run:
    """Scores a file with one scorer or those given."""
    by_length = make_scorer()

    def run(
        name: Path | str,
        output: Path | str | None = None,
        *,
        format: str | None = None,
        scorers: Sequence[Scorer] = (by_length,),
        **options: Any,
    ) -> Summary:
        [job] = plan_jobs(
            [str(name)],
            output=None if output is None else str(output),
            format=parse_format(format) if format else None,
            force=True,
        )
        return run_job(job, scorers, **options)

    return run


@pytest.fixture(scope="session")
def expected_score() -> Callable[[str | None], float]:
    """The score of a text by the scorers of `make_scorer`; NaN for a blank one."""
    return length_score


@pytest.fixture(scope="session")
def expected_sentiment() -> Callable[[str | None], str | None]:
    """The sentiment of a text by the scorers of `make_scorer`; None for a blank one."""

    def sentiment(text: str | None) -> str | None:
        score = length_score(text)
        return None if math.isnan(score) else "positive" if score >= 0.5 else "negative"

    return sentiment
