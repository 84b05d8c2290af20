from __future__ import annotations

import pytest

from sentscore import UsageError
from sentscore.model.options import ModelOptions


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"device": "tpu"}, "device 'tpu' is not known: use one of auto, cpu, cuda"),
        ({"precision": "bf16"}, "precision 'bf16' is not known: use one of auto, fp32, tf32, int8, fp16"),
        ({"batch_tokens": 0}, "batch_tokens 0 must be at least 1"),
        ({"threads": -1}, "threads -1 must be at least 1"),
    ],
)
def test_values_are_checked(values, message) -> None:
    with pytest.raises(UsageError, match=message):
        ModelOptions(**values)


def test_by_default_the_machine_decides() -> None:
    assert ModelOptions() == ModelOptions("auto", "auto", None, None)
