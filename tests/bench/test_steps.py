from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from steps import count_steps, windows

TEXTS = pa.array(["a", "b", "c"], pa.large_string())


def test_windows_repeat_the_texts() -> None:
    found = [window.rows["number"].to_pylist() for window in windows(TEXTS, 7)]
    assert found == [[0, 1, 2, 0, 1, 2, 0]]


@pytest.mark.parametrize(
    ("rows", "batch_tokens", "expected"),
    [
        (3, 12, (4, 7 / 12)),
        (3, 8, (5, 7 / 9)),
        (3, 4, (6, 7 / 8)),
        (6, 8, (6, 14 / 16)),
    ],
)
def test_steps_and_fill(rows: int, batch_tokens: int, expected: tuple[int, float]) -> None:
    assert count_steps(TEXTS, np.array([4, 2, 1]), rows, on_cuda=True, batch_tokens=batch_tokens) == expected
