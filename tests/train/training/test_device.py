from __future__ import annotations

import pytest
import torch

from sentscore import DeviceError, UsageError
from sentscore_train.training import checkpoint
from sentscore_train.training.device import autocast, pick_device, resolve_precision, resolve_run_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_cuda_is_taken_where_it_is_there(monkeypatch, there, expected) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    assert pick_device().type == expected


@pytest.mark.parametrize("name", ["tpu", "cuda:99"])
def test_a_device_that_cannot_be_used_is_a_device_error(name) -> None:
    with pytest.raises(DeviceError, match=f"device {name} cannot be used .*: use --device cpu"):
        pick_device(name)


@pytest.mark.parametrize(("supported", "expected"), [(True, "bf16"), (False, "fp32")])
def test_bf16_is_taken_on_a_gpu_that_has_it(monkeypatch, supported, expected) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: supported)
    assert resolve_precision("auto", CUDA) == expected
    assert resolve_precision("fp32", CUDA) == "fp32"
    assert resolve_precision("auto", CPU) == "fp32"


def test_bf16_on_a_cpu_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"precision bf16 on cpu: .* use --precision fp32"):
        resolve_precision("bf16", CPU)


def test_a_run_that_is_carried_on_keeps_its_precision(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: True)
    assert resolve_run_precision(tmp_path, "auto", CUDA) == "bf16"
    checkpoint.write_resume(tmp_path, 1, {"recipe": {"precision": "fp32"}}, {})
    assert resolve_run_precision(tmp_path, "auto", CUDA) == "fp32"
    assert resolve_run_precision(tmp_path, "bf16", CUDA) == "bf16"


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_computed_in_the_precision(precision, dtype) -> None:
    with autocast(CPU, precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
