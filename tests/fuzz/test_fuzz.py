"""A short attack with generated input; `python tests/fuzz/run.py --cases 100000` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from _driver import fuzz
from _worker import KINDS

CASES = 120
SEED = 13


@pytest.mark.parametrize("kind", KINDS)
def test_generated_cases_end_as_promised_and_lose_no_row(kind: str, tiny_artifact: Path) -> None:
    report = fuzz([kind], CASES, SEED, tiny_artifact, installed_every=100)

    assert report.cases[kind] == CASES
    assert not report.failures, "\n".join(map(str, report.failures))
