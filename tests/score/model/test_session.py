from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest

from sentscore import ArtifactError, DeviceError, UsageError
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
    with pytest.raises(DeviceError, match=r"device cuda cannot be used: .*; use `device='cpu'`") as error:
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
    with pytest.raises(DeviceError, match=r"the CUDA provider does not load: pip install 'sentscore\[cuda\]'"):
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
    assert reason.startswith("the CUDA provider does not load (Failed to load libcudart.so.13: no): pip install")

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


NO_CUDNN = """[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Exception during initialization: /src/cudnn_loader.cc:61
 const void* onnxruntime::cuda::LoadCudnn(const char*) cuDNN is not available"""


@pytest.mark.parametrize(
    ("error", "cudnn", "reason"),
    [
        (NO_CUDNN, "", "cuDNN is missing: pip install 'sentscore[cuda]'"),
        (NO_CUDNN, "9.14.0", " ".join(NO_CUDNN.split())),  # it is there, so this is something else
        ("CUDA failure 999: unknown", "", "CUDA failure 999: unknown"),
    ],
)
def test_a_missing_cudnn_is_named(artifact, monkeypatch, capfd, error, cudnn, reason) -> None:
    real = session_module._create_session

    def create(artifact: Artifact, precision: str, providers: list[object]) -> object:
        if len(providers) > 1:
            raise RuntimeError(error)
        return real(artifact, precision, providers)

    monkeypatch.setattr(session_module, "cuda_devices", lambda: 1)
    monkeypatch.setattr(session_module, "cudnn_version", lambda: cudnn)
    monkeypatch.setattr(session_module, "_create_session", create)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("noise"), raising=False)
    session = Session(artifact, device="auto")
    assert (session.device, session.why_not_cuda) == ("cpu", reason)
    with pytest.raises(DeviceError) as raised:
        Session(artifact, device="cuda")
    expected = f"device cuda cannot be used: {reason}; use `device='cpu'` or run `sentscore doctor`"
    assert str(raised.value) == expected
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("precision", "use_tf32", "computes_in"),
    [("auto", "0", "fp32"), ("fp32", "0", "fp32"), ("tf32", "1", "tf32")],
)
def test_tf32_is_used_where_it_is_asked_for_alone(artifact, monkeypatch, precision, use_tf32, computes_in) -> None:
    real, asked = session_module._create_session, []

    class OnCuda:
        def __init__(self) -> None:
            self.session = real(artifact, "fp32", [CPU])

        def __getattr__(self, name: str) -> object:
            return getattr(self.session, name)

        def get_providers(self) -> list[str]:
            return [CUDA, CPU]

    def create(artifact: Artifact, graph: str, providers: list[object]) -> object:
        asked.append((graph, providers))
        return OnCuda()

    monkeypatch.setattr(session_module, "cuda_devices", lambda: 1)
    monkeypatch.setattr(session_module, "_create_session", create)
    monkeypatch.setattr(session_module, "run_bound", lambda *some, **more: None)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    session = Session(artifact, device="cuda", precision=precision)
    assert (session.device, session.precision) == ("cuda", computes_in)
    assert asked == [("fp32", [(CUDA, {"use_tf32": use_tf32}), CPU])]


def test_tf32_without_cuda_is_an_error(artifact, monkeypatch) -> None:
    with pytest.raises(UsageError, match="tf32 runs on CUDA only: use `precision='fp32'`"):
        Session(artifact, device="cpu", precision="tf32")
    monkeypatch.setattr(session_module, "_create_cuda_session", lambda artifact, precision: (None, "no GPU"))
    expected = "tf32 runs on CUDA only, which cannot be used: no GPU; use `precision='fp32'` or run `sentscore doctor`"
    with pytest.raises(DeviceError) as error:
        Session(artifact, device="auto", precision="tf32")
    assert str(error.value) == expected


def test_a_driver_that_is_too_old_is_named(artifact, monkeypatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(session_module, "cuda_devices", lambda: 1)
    monkeypatch.setattr(session_module, "explain_old_driver", lambda cuda: asked.append(cuda) or "the driver is old")
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0", raising=False)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    with pytest.raises(DeviceError, match="device cuda cannot be used: the driver is old; use"):
        Session(artifact, device="cuda")
    assert asked == ["13.0"]


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
    cuda = Session(artifact, device="cuda", precision="fp32")
    assert cuda.device == "cuda"
    expected = Session(artifact, device="cpu").run(ids, lengths)
    for found, reference in zip(cuda.run(ids, lengths), expected, strict=True):
        np.testing.assert_allclose(found, reference, atol=1e-5)


def test_the_cpu_provider_works(artifact) -> None:
    providers = check_providers(artifact)
    assert providers[CPU] == "works"
    assert (providers[CUDA] == "works") == HAS_CUDA


IDS, LENGTHS = np.array([[2, 3, 4], [5, 6, 1]], np.int32), np.array([3, 2], np.int32)


class Returning:
    """Stands for a session that returns or raises what it is told to."""

    def __init__(self, *outcome: object) -> None:
        self.outcome = outcome

    def run(self, names: object, inputs: object) -> object:
        if isinstance(self.outcome[0], Exception):
            raise self.outcome[0]
        return [np.array(each, np.float32) for each in self.outcome]


def run_with(artifact: Artifact, *outcome: object) -> object:
    session = Session(artifact, device="cpu")
    session._session = Returning(*outcome)
    return session.run(IDS, LENGTHS)


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_the_edges_are_probabilities(artifact, edge) -> None:
    assert run_with(artifact, [-200, 200], [edge, 0.5])[1].tolist() == [edge, 0.5]


@pytest.mark.parametrize("value", [7.5, -1e-7, 1.0000001, float("nan"), float("inf")])
def test_what_is_no_probability_is_an_artifact_error(artifact, value) -> None:
    shown = np.float32(value)
    with pytest.raises(ArtifactError, match=rf"model\.onnx: returns {shown} as a probability: export") as error:
        run_with(artifact, [0, 0], [0.5, value])
    assert error.value.exit_code == 4


@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1), ()])
def test_too_few_or_too_many_probabilities_are_an_artifact_error(artifact, shape) -> None:
    with pytest.raises(ArtifactError, match=r"model\.onnx: returns \[.*\] probabilities for 2 texts: export"):
        run_with(artifact, np.zeros(shape), np.zeros(shape))


def test_weights_that_are_not_numbers_are_an_artifact_error(artifact) -> None:
    model = onnx.load_from_string(artifact.graphs["fp32"])
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            weights.CopyFrom(
                onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * np.float32("nan"), weights.name)
            )
    session = Session(replace(artifact, graphs={"fp32": model.SerializeToString()}), device="cpu", precision="fp32")
    with pytest.raises(ArtifactError, match=r"model\.onnx: returns nan as a probability"):
        session.run(IDS, LENGTHS)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("/onnxruntime_src/bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 12"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("CUDA failure 2: out of memory ; GPU=0"),
        RuntimeError("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED"),
    ],
    ids=str,
)
def test_too_little_memory_is_a_device_error(artifact, error, monkeypatch) -> None:
    expected = r"model\.onnx: not enough memory to score 2 texts of 3 tokens at a time: use a smaller `batch_tokens` or"
    with pytest.raises(DeviceError, match=expected) as raised:
        run_with(artifact, error)
    assert raised.value.exit_code == 5

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(session_module, "_create_session", fail)
    with pytest.raises(DeviceError, match=r"model\.onnx: not enough memory to load it: free some"):
        Session(artifact, device="cpu")


def test_a_graph_that_cannot_be_run_is_an_artifact_error(artifact) -> None:
    token_ids = np.full((1, 1), 10**6, np.int32)
    with pytest.raises(ArtifactError, match=r"model\.onnx: ONNX Runtime cannot run it \(.*Gather.*\): export") as error:
        Session(artifact, device="cpu").run(token_ids, np.ones(1, np.int32))
    assert "\n" not in str(error.value)


def test_a_gpu_that_fails_is_a_device_error(artifact, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA failure 700: an illegal memory access\n was encountered")

    session = Session(artifact, device="cpu")
    session.device = "cuda"
    monkeypatch.setattr(session_module, "run_bound", fail)
    with pytest.raises(DeviceError, match=r"device cuda failed .CUDA failure 700: an illegal memory access was enc"):
        session.run(IDS, LENGTHS)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory a process has")
def test_a_limit_of_memory_is_a_device_error(tiny_artifact) -> None:
    script = f"""
import re, resource, sys
from pathlib import Path
from sentscore import DeviceError, Scorer
scorer = Scorer.load({str(tiny_artifact)!r}, device="cpu", batch_tokens=1_000_000, threads=1)
texts = [f"{{'great film ' * 400}}{{n}}" for n in range(1_000)]
few = scorer.score(texts[:1])
used = int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), resource.RLIM_INFINITY))
try:
    scorer.score(texts)
except DeviceError as error:
    print(error)
assert scorer.score(texts[:1]) == few
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "not enough memory" in done.stdout
    assert "use a smaller `batch_tokens` or fewer `threads`" in done.stdout


def test_bytes_that_are_no_graph_are_an_artifact_error(artifact) -> None:
    with pytest.raises(ArtifactError, match=r"model\.onnx: ONNX Runtime cannot load it"):
        Session(replace(artifact, graphs={"fp32": b"nothing"}), device="cpu")
