from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import sentscore
from sentscore import UsageError
from sentscore.columns import result_columns, result_names


def test_names_of_one_and_of_several_models() -> None:
    assert result_names(["gru"], "p_") == ["p_sentiment", "p_score"]
    assert result_names(["lstm", "gru"]) == ["lstm_score", "lstm_sentiment", "gru_score", "gru_sentiment"]
    with pytest.raises(UsageError, match="--model gru: given twice"):
        result_names(["gru", "gru"])


def test_scores_become_columns_and_nothing_becomes_null() -> None:
    scores = np.array([0.5, np.nextafter(np.float32(0.5), np.float32(0)), np.nan], np.float32)
    sentiment, score = result_columns({"lstm": scores})
    assert (sentiment.type, score.type) == (pa.string(), pa.float32())
    assert sentiment.to_pylist() == ["positive", "negative", None]
    assert score.to_pylist()[:2] == scores[:2].tolist()
    assert score.null_count == 1
    first, second, *_ = result_columns({"lstm": scores, "gru": scores})
    assert (first.type, second.type) == (pa.float32(), pa.string())


def test_the_public_names_are_these_and_all_of_them_are_there() -> None:
    assert sentscore.__all__ == [
        "ArtifactError", "DeviceError", "InputError", "OutputError", "Scorer", "SentscoreError", "UsageError",
        "__version__",
    ]  # fmt: skip
    assert all(hasattr(sentscore, name) for name in sentscore.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sentscore.nothing
