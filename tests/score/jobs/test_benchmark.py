from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sentscore import Scorer, UsageError
from sentscore.jobs.benchmark import benchmark, matrix_gflop_per_s, measure, multiply_adds_per_token, write_reviews


@pytest.fixture(scope="module")
def scorer(tiny_artifact) -> Scorer:
    return Scorer.load(tiny_artifact, device="cpu", threads=2)


@pytest.fixture
def table(scorer, tmp_path) -> Path:
    write_reviews(tmp_path / "reviews.parquet", scorer.vocabulary, 60)
    return tmp_path / "reviews.parquet"


def test_texts_have_the_lengths_of_reviews_and_the_seed_decides(scorer, tmp_path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_reviews(tmp_path / name, scorer.vocabulary, 3_000, seed=seed)
    first, again, other = (pq.read_table(tmp_path / name)["text"].to_pylist() for name in "abc")
    assert first == again != other
    lengths = np.array([len(text.split()) for text in first])
    assert 250 < lengths.mean() < 290
    assert lengths.min() >= 8
    assert lengths.max() <= 2_800


def test_stages_and_rates_belong_together(scorer, table) -> None:
    runs = []
    found = benchmark(scorer, table, repetitions=3, warm_up=1, on_run=lambda done, total: runs.append((done, total)))
    assert runs == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert (found.model, found.device, found.precision, found.threads, found.rows) == ("lstm", "cpu", "fp32", 2, 60)
    assert 0 < found.reviews_per_s.low <= found.reviews_per_s.median <= found.reviews_per_s.high
    tokens = sum(len(text.split()) for text in pq.read_table(table)["text"].to_pylist())
    assert found.tokens_per_s.median / found.reviews_per_s.median == pytest.approx(tokens / 60, rel=0.01)
    main_thread = sum(found.stages[name] for name in ("read", "encode", "wait", "write"))
    assert 0 < main_thread <= 1
    assert 0 < found.stages["score"] <= 1
    assert found.peak_mebibytes > 10
    assert found.machine_gflop_per_s > found.gflop_per_s > 0


def test_no_repetition_is_a_usage_error(scorer, table) -> None:
    with pytest.raises(UsageError, match="repetitions 0"):
        benchmark(scorer, table, repetitions=0)


def test_multiply_adds_follow_from_the_architecture() -> None:
    architecture = {"cell": "lstm", "embedding_dim": 100, "hidden_size": 256, "num_layers": 2}
    assert multiply_adds_per_token(architecture) == 2 * 4 * 256 * (100 + 256) + 2 * 4 * 256 * (512 + 256)
    assert multiply_adds_per_token({**architecture, "cell": "gru"}) == 0.75 * multiply_adds_per_token(architecture)


def test_the_interval_holds_the_median() -> None:
    found = measure(np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    assert (found.median, found.low, found.high) == (3.0, 1.0, 100.0)
    assert measure(np.array([7.0])).high == 7.0


def test_matrix_products_have_a_rate() -> None:
    assert matrix_gflop_per_s(runs=1) > 0.1
