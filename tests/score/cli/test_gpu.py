"""The whole command on a GPU that is not there: the sessions say that they run on CUDA, and run on the CPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv as pacsv
import pytest

from sentscore import Scorer

SIMULATED = """
import sys

import onnxruntime

from sentscore.cli import main
from sentscore.jobs import pipeline
from sentscore.model import engine, session


class OnCuda:
    def __init__(self, session):
        self.session = session

    def __getattr__(self, name):
        return getattr(self.session, name)

    def get_providers(self):
        return [session.CUDA, session.CPU]


def create(artifact, precision, providers):
    if len(providers) == 1:
        return real_create(artifact, precision, providers)
    return OnCuda(real_create(artifact, precision, [session.CPU]))


def run_bound(session, token_ids, lengths, *, device):
    if token_ids.size > MOST_TOKENS:
        raise RuntimeError("CUDA failure 2: out of memory")
    return real_run_bound(session, token_ids, lengths, device="cpu")


if __name__ == "__main__":
    MOST_TOKENS = int(sys.argv.pop(1))
    real_create, real_run_bound = session._create_session, session.run_bound
    session._create_session, session.run_bound = create, run_bound
    session.cuda_devices = engine.cuda_devices = lambda: 1
    engine.available_cpus = lambda: 3
    engine.free_memory = lambda: 8 << 30
    onnxruntime.get_available_providers = lambda: [session.CUDA, session.CPU]
    onnxruntime.preload_dlls = lambda: print("noise of a library")
    pipeline.CUDA_BLOCK_ROWS, pipeline._ENCODED_ROWS = 90, 25
    main()
"""


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    path = tmp_path / "simulated.py"
    path.write_text(SIMULATED)
    return path


@pytest.mark.parametrize(("most_tokens", "warnings"), [(1 << 20, 0), (1_000, 1)])
def test_stdout_has_the_scores_of_the_cpu_and_nothing_else(
    tmp_path: Path, tiny_artifact: Path, simulated: Path, most_tokens: int, warnings: int
) -> None:
    texts = ["a great film . " * (n % 11) + f"not {n % 7}" for n in range(300)]
    content = "text\n" + "".join(f'"{text}"\n' for text in texts)
    command = [sys.executable, simulated, most_tokens, "file", "-", "--format", "csv", "-m", tiny_artifact]
    done = subprocess.run(
        [*map(str, command), "--device", "cuda"], input=content.encode(), capture_output=True, check=True, timeout=120
    )
    errors = done.stderr.decode()
    assert "(lstm in fp32 on cuda)" in errors
    assert errors.count("warning: lstm: the GPU had too little memory for a batch of") == warnings
    assert len(errors.splitlines()) == 1 + warnings
    (tmp_path / "out.csv").write_bytes(done.stdout)
    found = pacsv.read_csv(tmp_path / "out.csv")
    assert found.column_names == ["text", "sentiment", "score"]
    assert found["text"].to_pylist() == texts
    expected = Scorer.load(tiny_artifact, device="cpu", precision="fp32").score(texts)
    assert np.array_equal(found["score"].to_numpy().astype(np.float32), expected)
