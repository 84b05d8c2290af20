"""ONNX Runtime sessions that say truly which device they run on; no other module creates them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import get_ident
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from sentscore.errors import Argument, ArtifactError, DeviceError, SentscoreError, UsageError
from sentscore.forks import renew_in_forks
from sentscore.model.artifact import LAYOUT, Artifact
from sentscore.model.cpu import multiplies_int8
from sentscore.model.cuda import cuda_devices, cudnn_version, explain_old_driver
from sentscore.model.options import ComputePrecision, Device, Precision, PrecisionChoice, graph_precision
from sentscore.model.runtime import ONLY_FATAL, load_onnxruntime, preload_cuda

INT8_LOSS: Final = 0.001
"""The share of the validation reviews by which int8 may be less accurate than fp32 for `auto` to take it."""

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
_INPUTS: Final = {"token_ids": "tensor(int32)", "lengths": "tensor(int32)"}
_OUTPUTS: Final = {"logit": "tensor(float)", "probability": "tensor(float)"}
_USE_CPU: Final = Argument("device", "cpu")
_LACKS_MEMORY: Final = re.compile(
    r"failed to allocate|bad.?alloc|memoryallocation|alloc_failed|out of memory", re.IGNORECASE
)
"""What ONNX Runtime, the CUDA runtime or one of its libraries says when there is no memory left."""
_LACKS_CUDNN: Final = re.compile("not_?implemented|cudnn", re.IGNORECASE)
_INSTALL_CUDA: Final = "pip install 'sentscore[cuda]'"


class OutOfMemory(DeviceError):
    """A batch for which a device has not enough memory."""


class Session:
    """A verified graph on one device. `run` may be called from several threads at once.

    Args:
        artifact: The verified artifact.
        device: `auto` takes CUDA when a session really runs on it, and the CPU otherwise.
        precision: `auto` takes int8 on a CPU that is made for it, where the model is as accurate in it on the
            validation reviews as in fp32, and fp32 otherwise. fp16 is for GPUs: a CPU rounds the weights and
            computes in fp32. tf32 is for CUDA alone.

    Attributes:
        device: What the session runs on, `cpu` or `cuda`.
        precision: What it computes in: `fp32`, `tf32`, `int8` or `fp16`.
        why_not_cuda: Why `auto` did not take CUDA; empty otherwise.

    Raises:
        DeviceError: `cuda` was asked for and cannot be used.
        ArtifactError: The graph cannot be loaded, or is not the one that the manifest describes.
        UsageError: The model has no graph in the precision, or the device cannot run it.
    """

    def __init__(
        self,
        artifact: Artifact,
        *,
        device: Device = "auto",
        precision: PrecisionChoice = "auto",
    ) -> None:
        _check_precision(artifact, device, precision)
        self.why_not_cuda = ""
        self.device: Literal["cpu", "cuda"] = "cpu"
        session = None
        if device != "cpu" and precision != "int8":
            session, self.why_not_cuda = _create_cuda_session(artifact, "fp32" if precision == "auto" else precision)
            if session is not None:
                self.device = "cuda"
            elif device == "cuda" or precision == "tf32":
                asked = "device cuda" if device == "cuda" else "tf32 runs on CUDA only, which"
                instead = _USE_CPU if device == "cuda" else Argument("precision", "fp32")
                raise DeviceError(
                    f"{asked} cannot be used: {self.why_not_cuda}; use ", instead, " or run `sentscore doctor`"
                )
        self.precision: ComputePrecision = "fp32" if precision == "auto" else precision
        if precision == "auto" and session is None and _prefers_int8(artifact):
            self.precision = "int8"
        self._file = file = artifact.path / LAYOUT.graph(graph_precision(self.precision))
        try:
            if session is None:
                session = _create_session(artifact, graph_precision(self.precision), [CPU])
            _verify(artifact, session, file)
        except ArtifactError:
            raise
        except Exception as error:  # ONNX Runtime's exceptions share no public base
            if lacks_memory(error):
                raise DeviceError(f"{file}: not enough memory to load it: free some or raise the limit") from error
            raise ArtifactError(
                f"{file}: ONNX Runtime cannot load it ({_to_one_line(error)}): export the model again"
            ) from error
        self._session = session
        self._running: set[int] = set()  # the threads in it
        self._left: list[Any] = []
        # A Scan allocates memory at each node of each step, and threads in one session would wait for each other there.
        self._artifact = artifact
        self._idle: SimpleQueue[Any] | None = None
        if self.device == "cpu" and has_scan(artifact, self.precision):
            self._idle = SimpleQueue()
            self._idle.put(session)
        renew_in_forks(self)

    def renew_after_fork(self) -> None:
        """Gives a forked process a session of its own, if threads were at work in this one and may have locked it."""
        if self._running and self.device == "cpu":
            self._left.append(self._session)  # to free it could be to wait for ever
            self._session = None
        self._running.clear()

    def run(
        self, token_ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Returns logits and probabilities, both float32 [B], for token_ids int32 [B, T] and lengths int32 [B].

        Raises:
            OutOfMemory: There is not enough memory.
            DeviceError: The GPU fails.
            ArtifactError: The graph cannot be run, or what it returns are no probabilities.
        """
        try:
            if self.device == "cuda":
                logit, probability = run_bound(self._session, token_ids, lengths, device="cuda")
            else:
                with self._free_session() as session:
                    logit, probability = session.run(list(_OUTPUTS), {"token_ids": token_ids, "lengths": lengths})
        except Exception as error:  # ONNX Runtime's exceptions share no public base
            raise self._explain(error, token_ids) from error
        if not logit.shape == probability.shape == lengths.shape:
            raise ArtifactError(
                f"{self._file}: returns {list(probability.shape)} probabilities for {len(lengths)} texts: "
                "export the model again"
            )
        wrong = ~((probability >= 0) & (probability <= 1))  # so is NaN
        if wrong.any():
            raise ArtifactError(
                f"{self._file}: returns {probability[wrong][0]} as a probability: export the model again or use another"
            )
        return logit, probability

    def _explain(self, error: Exception, token_ids: npt.NDArray[np.int32]) -> SentscoreError:
        """Returns the error to raise when a run has failed."""
        if lacks_memory(error):
            texts, tokens = token_ids.shape
            return OutOfMemory(
                f"{self._file}: not enough memory to score {texts:,} texts of {tokens:,} tokens at a time: "
                "use a smaller ",
                Argument("batch_tokens"),
                " or fewer ",
                Argument("threads"),
            )
        if self.device == "cuda":
            return DeviceError(
                f"device cuda failed ({_to_one_line(error)}): use ", _USE_CPU, " or run `sentscore doctor`"
            )
        return ArtifactError(
            f"{self._file}: ONNX Runtime cannot run it ({_to_one_line(error)}): export the model again"
        )

    @contextmanager
    def _free_session(self) -> Iterator[Any]:
        """Yields the session, or, where threads must not share one, a session that no other thread uses."""
        if self._idle is None:
            if self._session is None:
                self._session = _create_session(self._artifact, graph_precision(self.precision), [CPU])
            thread = get_ident()
            self._running.add(thread)
            try:
                yield self._session
            finally:
                self._running.discard(thread)
            return
        try:
            session = self._idle.get_nowait()
        except Empty:
            session = _create_session(self._artifact, graph_precision(self.precision), [CPU])
        try:
            yield session
        finally:
            self._idle.put(session)


def _check_precision(artifact: Artifact, device: Device, precision: PrecisionChoice) -> None:
    """Checks that a model and a device have a precision.

    Raises:
        UsageError: One of them has not.
    """
    if precision not in ("auto", "tf32", *artifact.graphs):
        raise UsageError(f"model {artifact.name} has no {precision} graph: use ", Argument("precision", "fp32"))
    if precision == "int8" and device == "cuda":
        raise UsageError("int8 runs on the CPU only: use ", _USE_CPU, ", or ", Argument("precision", "fp32"))
    if precision == "tf32" and device == "cpu":
        raise UsageError("tf32 runs on CUDA only: use ", Argument("precision", "fp32"))


def lacks_memory(error: BaseException) -> bool:
    """Returns whether an error says that there is no memory left."""
    return isinstance(error, MemoryError) or bool(_LACKS_MEMORY.search(str(error)))


def has_scan(artifact: Artifact, precision: str) -> bool:
    """Returns whether the graph's recurrent layers are Scans of small nodes, as in the GRU's int8 graph."""
    return precision == "int8" and bool(artifact.manifest.architecture["cell"] == "gru")


def run_bound(
    session: Any,  # noqa: ANN401 - onnxruntime is untyped
    token_ids: npt.NDArray[np.int32],
    lengths: npt.NDArray[np.int32],
    *,
    device: str,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Runs an ONNX Runtime session with its inputs and outputs bound, so that nothing is copied twice.

    The lengths stay in the CPU's memory, where ONNX Runtime's recurrent layers read them.

    Args:
        session: The ONNX Runtime session.
        token_ids: The padded ids, int32 [B, T]; the array may be reused afterwards.
        lengths: The tokens of each text, int32 [B].
        device: The session's device, as ONNX Runtime names it.

    Returns:
        Logits and probabilities, both float32 [B].
    """
    onnxruntime = load_onnxruntime()
    binding = session.io_binding()
    binding.bind_ortvalue_input("token_ids", onnxruntime.OrtValue.ortvalue_from_numpy(token_ids, device, 0))
    binding.bind_cpu_input("lengths", lengths)
    for name in _OUTPUTS:
        binding.bind_output(name, "cpu")
    session.run_with_iobinding(binding)
    logit, probability = binding.copy_outputs_to_cpu()
    return logit, probability


def _prefers_int8(artifact: Artifact) -> bool:
    measured = artifact.manifest.precisions.get("int8")
    if "int8" not in artifact.graphs or not measured or not multiplies_int8():
        return False
    return bool(measured["accuracy"] >= measured["accuracy_fp32"] - INT8_LOSS)


def check_providers(artifact: Artifact) -> dict[str, str]:
    """Tries each execution provider; returns `works` by its name, or the reason why it does not."""
    results = {}
    providers: dict[Device, str] = {"cpu": CPU, "cuda": CUDA}
    for device, provider in providers.items():
        try:
            Session(artifact, device=device)
            results[provider] = "works"
        except (DeviceError, ArtifactError) as error:
            results[provider] = str(error).split("; use ")[0]
    return results


def _create_cuda_session(artifact: Artifact, precision: ComputePrecision) -> tuple[Any, str]:
    """Returns a session on CUDA and an empty text, or None and the reason why there is none."""
    onnxruntime = load_onnxruntime()
    if CUDA not in onnxruntime.get_available_providers():
        return None, "this onnxruntime is built without CUDA: install onnxruntime-gpu"
    if not cuda_devices():
        return None, "no NVIDIA GPU or driver is found"
    if why := explain_old_driver(getattr(onnxruntime, "cuda_version", "")):
        return None, why
    try:
        printed = preload_cuda()
        provider = (CUDA, {"use_tf32": "1" if precision == "tf32" else "0"})  # ONNX Runtime's default is 1
        session = _create_session(artifact, graph_precision(precision), [provider, CPU])
        if CUDA in session.get_providers():
            run_bound(session, np.zeros((1, 1), np.int32), np.ones(1, np.int32), device="cuda")
            return session, ""
    except Exception as error:  # ONNX Runtime's exceptions share no public base
        # The CUDA provider does without cuDNN, but its recurrent layers do not, and say so in a page of C++.
        lacks_cudnn = _LACKS_CUDNN.search(str(error)) and not cudnn_version()
        return None, f"cuDNN is missing: {_INSTALL_CUDA}" if lacks_cudnn else _to_one_line(error)
    why = f" ({_to_one_line(printed)})" if printed else ""
    return None, f"the CUDA provider does not load{why}: {_INSTALL_CUDA}"


def _create_session(artifact: Artifact, precision: Precision, providers: list[Any]) -> Any:  # noqa: ANN401
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ONLY_FATAL
    # One thread a session and several sessions at work: faster at small batches than many threads in one.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Batches differ in shape, and ONNX Runtime would keep a pattern of allocations for every one of them.
    options.enable_mem_pattern = False
    # The weights are in the verified bytes; a graph that refers to other files finds no folder.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    if precision == "fp16":
        weights = artifact.graphs["fp32"]
        options.add_external_initializers_from_files_in_memory([LAYOUT.model], [weights], [len(weights)])
    # Without a fallback: it prints to stdout, and hides that CUDA failed.
    return onnxruntime.InferenceSession(artifact.graphs[precision], options, providers=providers, enable_fallback=0)


def _verify(artifact: Artifact, session: Any, file: Path) -> None:  # noqa: ANN401
    """Checks that the graph is the one that the manifest and the vocabulary belong to."""
    inputs = {node.name: node.type for node in session.get_inputs()}
    outputs = {node.name: node.type for node in session.get_outputs()}
    if inputs != _INPUTS or outputs != _OUTPUTS:
        raise ArtifactError(f"{file}: inputs {inputs}, outputs {outputs} are not sentscore's: export the model again")
    found = session.get_modelmeta().custom_metadata_map
    expected = {
        "format_version": str(artifact.manifest.format_version),
        "name": artifact.manifest.name,
        "vocabulary_sha256": artifact.vocabulary_sha256,
    }
    for key, value in expected.items():
        if found.get(key) != value:
            raise ArtifactError(
                f"{file}: its metadata has {key} {found.get(key)!r}, the artifact {value!r}: export the model again"
            )


def _to_one_line(error: BaseException | str) -> str:
    return " ".join(str(error).split())[:300]
