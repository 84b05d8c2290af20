from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sentscore.pages.report.collect import Agreement, Collected, collect, find_unknown_shares
from sentscore.pages.report.distributions import Distribution
from sentscore.pages.report.layout import read_layout
from sentscore.sources import source
from sentscore.text.encoder import Encoder
from sentscore.text.vocabulary import Vocabulary


@pytest.fixture
def encoder() -> Encoder:
    return Encoder(Vocabulary(tokens=("<unk>", "<pad>", "great", "film"), lowercase=True))


def read(paths: list[Path], encoder: Encoder | None = None) -> Collected:
    return collect([read_layout(str(path), by="shop", time="day") for path in paths], encoder=encoder, texts=4)


def test_a_stream_is_counted_as_the_whole_is(write_scored, monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> None:
    monkeypatch.setattr(source, "WINDOW_ROWS", 97)
    random = np.random.default_rng(0)
    scores = random.beta(0.5, 0.5, 2_000).astype(np.float32)
    other = np.clip(scores + random.normal(0, 0.3, 2_000), 0, 1).astype(np.float32)
    texts = [f"great film {'x' * int(random.integers(60))} {row}" for row in range(2_000)]
    scores[random.integers(0, 2_000, 90)] = np.nan
    other[np.isnan(scores)] = np.nan
    shops = random.choice(["a", "b", "c"], 2_000)
    days = np.datetime64("2026-01-01") + random.integers(0, 20, 2_000)
    columns = {"shop": shops, "day": pa.array(days)}
    half = slice(0, 1_234), slice(1_234, 2_000)
    paths = [
        write_scored(
            f"{number}.parquet",
            texts[part],
            {"lstm": scores[part], "gru": other[part]},
            **{
                name: column[part] if name == "shop" else column[part.start : part.stop]
                for name, column in columns.items()
            },
        )
        for number, part in enumerate(half)
    ]
    found = read(paths, encoder)
    known = ~np.isnan(scores)

    assert (found.rows, found.scored) == (2_000, int(known.sum()))
    assert found.models[0].positive == int((scores >= 0.5).sum())
    assert found.models[1].scores.to_bars(20) == np.histogram(other[known].astype(float), 20, (0, 1))[0].tolist()
    lengths = Distribution("length")
    lengths.add(np.array([len(text) for text, is_known in zip(texts, known, strict=True) if is_known]))
    assert np.array_equal(found.lengths.counts, lengths.counts)
    assert found.groups is not None
    for shop in "abc":
        group = found.groups.count(1, shop)
        assert (group.size, group.positive) == ((known & (shops == shop)).sum(), (other[shops == shop] >= 0.5).sum())
    assert found.periods is not None
    found.periods.finish()
    assert sum(each.positive for each in found.periods.periods(0)) == found.models[0].positive
    assert [each.text for each in found.positive.texts] == [
        texts[row] for row in np.argsort(-scores, kind="stable")[:4]
    ]
    assert [each.text for each in found.negative.texts] == [texts[row] for row in np.argsort(scores, kind="stable")[:4]]
    uncertain = np.argsort(np.abs(scores - np.float32(0.5)), kind="stable")[:4]
    assert [each.text for each in found.uncertain.texts] == [texts[row] for row in uncertain]
    assert [each.row for each in found.positive.texts] == [
        row if row < 1_234 else row - 1_234 for row in np.argsort(-scores, kind="stable")[:4]
    ]
    apart = known & ((scores >= 0.5) != (other >= 0.5))
    assert found.agreement is not None
    assert found.agreement.apart == int(apart.sum())
    assert found.agreement.size == int(known.sum())
    assert found.agreement.difference == pytest.approx(np.abs(scores - other)[known].sum(dtype=np.float64), rel=1e-6)
    difference = np.where(apart, np.abs(scores - other), np.nan)
    assert [each.text for each in found.agreement.texts.texts] == [
        texts[row] for row in np.argsort(-difference, kind="stable")[:4]
    ]
    assert found.agreement.grid.sum() == known.sum()
    assert found.unknown is not None
    assert found.unknown.size == found.scored


def test_a_file_without_rows(write_scored) -> None:
    path = write_scored("x.parquet", [], {"lstm": []})
    found = collect([read_layout(str(path))], encoder=None, texts=3)
    assert (found.rows, found.scored, found.positive.texts) == (0, 0, [])


def test_the_share_of_unknown_words(encoder: Encoder) -> None:
    texts = pa.array(["great film", "great qq zz film", "", "qq"], pa.large_string())
    assert find_unknown_shares(encoder, texts).tolist() == [0, 0.5, 1]


def test_models_that_agree_have_no_texts_apart(write_scored) -> None:
    path = write_scored("x.parquet", ["a", "b"], {"lstm": [0.95, 0.15], "gru": [0.85, 0.45]})
    agreement = collect([read_layout(str(path))], encoder=None, texts=3).agreement
    assert isinstance(agreement, Agreement)
    assert agreement.texts.texts == []
    assert agreement.sentiments.tolist() == [[1, 0], [0, 1]]
    assert (agreement.grid[9, 8], agreement.grid[1, 4]) == (1, 1)
