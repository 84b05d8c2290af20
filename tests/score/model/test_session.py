from __future__ import annotations

import numpy as np
import pytest

from sentscore import ArtifactError, DeviceError
from sentscore.model import session as session_module
from sentscore.model.artifact import Artifact, load_artifact
from sentscore.model.cuda import cuda_devices
from sentscore.model.runtime import load_onnxruntime
from sentscore.model.session import CPU, CUDA, Session, check_providers, run_bound

onnxruntime = load_onnxruntime()

HAS_CUDA = cuda_devices() > 0 and CUDA in onnxruntime.get_available_providers()
needs_cuda = pytest.mark.skipif(not HAS_CUDA, reason="needs an NVIDIA GPU")
needs_no_cuda = pytest.mark.skipif(HAS_CUDA, reason="a GPU is here, and CUDA works")


@pytest.fixture(scope="module")
def artifact(tiny_artifact) -> Artifact:
    return load_artifact(tiny_artifact)


def test_logit_and_probability_belong_together(artifact) -> None:
    session = Session(artifact, device="cpu")
    logit, probability = session.run(np.array([[2, 3, 4], [5, 6, 1]], np.int32), np.array([3, 2], np.int32))
    assert logit.shape == probability.shape == (2,)
    temperature = artifact.manifest.calibration["temperature"]
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logit / temperature)), atol=1e-6)
    assert session.device == "cpu"


@needs_no_cuda
def test_cuda_without_a_gpu_is_a_device_error_and_auto_takes_the_cpu(artifact) -> None:
    with pytest.raises(DeviceError, match=r"device cuda cannot be used: .*; use --device cpu") as error:
        Session(artifact, device="cuda")
    assert error.value.exit_code == 5
    session = Session(artifact, device="auto")
    assert session.device == "cpu"
    assert session.why_not_cuda


def test_a_cuda_provider_that_falls_back_to_the_cpu_is_not_cuda(artifact, monkeypatch) -> None:
    """ONNX Runtime gives a CPU session without an exception when its CUDA libraries do not load."""
    real = session_module._create_session
    monkeypatch.setattr(session_module, "cuda_devices", lambda: 1)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(
        session_module, "_create_session", lambda artifact, precision, providers: real(artifact, precision, [CPU])
    )
    with pytest.raises(DeviceError, match=r"the CUDA provider does not load: install sentscore\[cuda\]"):
        Session(artifact, device="cuda")
    assert Session(artifact, device="auto").device == "cpu"


def test_the_reason_has_what_preloading_said(artifact, monkeypatch) -> None:
    real = session_module._create_session
    monkeypatch.setattr(session_module, "cuda_devices", lambda: 1)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(
        onnxruntime, "preload_dlls", lambda: print("Failed to load libcudart.so.13:\tno"), raising=False
    )
    monkeypatch.setattr(
        session_module, "_create_session", lambda artifact, precision, providers: real(artifact, precision, [CPU])
    )
    reason = Session(artifact, device="auto").why_not_cuda
    assert reason.startswith("the CUDA provider does not load (Failed to load libcudart.so.13: no): install")

    def fail() -> None:
        raise RuntimeError("no such folder")

    monkeypatch.setattr(onnxruntime, "preload_dlls", fail)
    assert Session(artifact, device="auto").why_not_cuda == "no such folder"


def test_a_cuda_session_that_fails_to_run_is_not_cuda(artifact, monkeypatch) -> None:
    class Broken:
        def get_providers(self) -> list[str]:
            return [CUDA, CPU]

        def io_binding(self) -> None:
            raise RuntimeError("CUDA failure 999:\n unknown")

    real = session_module._create_session
    monkeypatch.setattr(session_module, "cuda_devices", lambda: 1)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(
        session_module,
        "_create_session",
        lambda artifact, precision, providers: Broken() if len(providers) > 1 else real(artifact, precision, providers),
    )
    session = Session(artifact, device="auto")
    assert (session.device, session.why_not_cuda) == ("cpu", "CUDA failure 999: unknown")


def test_a_run_with_bound_memory_gives_the_same(artifact) -> None:
    """What runs on CUDA, on the CPU provider; buffers may be reused at once."""
    session = Session(artifact, device="cpu")
    ids = np.random.default_rng(0).integers(0, 36, (8, 20), dtype=np.int32)
    lengths = np.random.default_rng(1).integers(1, 21, 8, dtype=np.int32)
    expected = session.run(ids, lengths)
    found = run_bound(session._session, ids, lengths, device="cpu")
    ids[:] = 0
    for each, reference in zip(found, expected, strict=True):
        assert np.array_equal(each, reference)


@needs_cuda
def test_cuda_agrees_with_the_cpu(artifact) -> None:
    ids = np.random.default_rng(0).integers(0, 36, (64, 200), dtype=np.int32)
    lengths = np.random.default_rng(1).integers(1, 201, 64, dtype=np.int32)
    cuda = Session(artifact, device="cuda", exact=True)
    assert cuda.device == "cuda"
    expected = Session(artifact, device="cpu").run(ids, lengths)
    for found, reference in zip(cuda.run(ids, lengths), expected, strict=True):
        np.testing.assert_allclose(found, reference, atol=1e-5)


def test_the_cpu_provider_works(artifact) -> None:
    providers = check_providers(artifact)
    assert providers[CPU] == "works"
    assert (providers[CUDA] == "works") == HAS_CUDA


def test_bytes_that_are_no_graph_are_an_artifact_error(artifact) -> None:
    from dataclasses import replace

    with pytest.raises(ArtifactError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        Session(replace(artifact, graphs={"fp32": b"nothing"}), device="cpu")
