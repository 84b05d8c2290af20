from __future__ import annotations

from sentscore.model.cpu import available_cpus, describe_arithmetic
from sentscore.model.runtime import load_onnxruntime


def test_there_is_a_cpu() -> None:
    assert available_cpus() >= 1


def test_the_arithmetic_is_that_of_onnxruntime_and_the_cpu() -> None:
    assert describe_arithmetic().startswith(f"onnxruntime {load_onnxruntime().__version__}, CPU ")
