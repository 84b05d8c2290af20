from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from sentscore import ArtifactError, DeviceError
from sentscore.model import engine as engine_module
from sentscore.model.artifact import load_artifact
from sentscore.model.engine import Engine
from sentscore.model.options import ModelOptions

WORDS = ["great", "awful", "film", ".", "not", "n't", "a", "story", "too", "long", "unknownword", "!"]


@pytest.fixture(scope="module")
def lstm(tiny_artifact) -> Engine:
    return Engine(load_artifact(tiny_artifact), ModelOptions("cpu"))


def reviews(count: int, longest: int = 90) -> pa.Array:
    random = np.random.default_rng(5)
    return pa.array([" ".join(random.choice(WORDS, random.integers(1, longest))) for _ in range(count)])


def test_equal_texts_are_scored_once(tiny_artifact, monkeypatch) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu"))
    texts = pa.array(["a great film", None, "awful", "a great film", "", "awful", "a great film"])
    expected = [engine.score(texts[row : row + 1])[0] for row in range(len(texts))]
    run = engine._session.run
    sizes = []
    monkeypatch.setattr(engine._session, "run", lambda ids, lengths: sizes.append(len(ids)) or run(ids, lengths))
    assert np.array_equal(engine.score(texts), expected, equal_nan=True)
    assert sum(sizes) == 2


def test_texts_can_be_submitted_while_others_are_scored(lstm) -> None:
    first, second = reviews(40), reviews(25, longest=20)
    with lstm.pool() as pool:
        scorings = [lstm.submit(lstm.encode(texts).result(), pool) for texts in (first, second)]
        found = [scoring.result() for scoring in scorings]
    assert np.array_equal(found[0], lstm.score(first))
    assert np.array_equal(found[1], lstm.score(second))
    assert all(scoring.wait(0) and scoring.tokens_done == scoring.tokens > 0 for scoring in scorings)


def test_some_of_the_texts_can_be_scored_and_the_scores_be_looked_at(lstm) -> None:
    texts = pa.array(["a great film", None, "awful", "a great film", "", "not a story"])
    wanted = np.array([False, True, False, True, True, True])
    with lstm.pool() as pool:
        scoring = lstm.submit(lstm.encode(texts).result(), pool, wanted=wanted)
        found = scoring.result()
        nothing = lstm.submit(lstm.encode(texts).result(), pool, wanted=np.zeros(6, np.bool_))
        assert np.isnan(nothing.result()).all()
        assert (nothing.tokens, nothing.futures) == (0, [])
    expected = lstm.score(texts)
    expected[2] = np.nan  # an equal text of a wanted one has a score too
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(scoring.scores_so_far(), expected, equal_nan=True)
    assert scoring.tokens == scoring.tokens_done == 6


def test_texts_can_be_encoded_in_other_processes(tiny_artifact) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu"))
    texts = ["left out", *reviews(60).to_pylist(), None, "", "a great film"]
    array = pa.chunked_array([texts[:30], texts[30:]]).slice(1)
    expected = engine.score(array)
    here = engine.encode(array).result()
    engine.encode_in_processes(2)
    assert engine.blocks_ahead == 3
    futures = [engine.encode(array.slice(start, 20)) for start in range(0, len(array), 20)]
    with engine.pool() as pool:
        found = [engine.submit(future.result(timeout=60), pool).result() for future in futures]
    assert np.array_equal(np.concatenate(found), expected, equal_nan=True)
    engine.encode_in_processes(0)
    assert engine.blocks_ahead == 0
    assert np.array_equal(engine.encode(array).result().encoded.ids, here.encoded.ids)


@pytest.mark.parametrize(
    ("device", "gpus", "outcome", "expected"),
    [
        ("auto", 1, "cuda", ["processes", "session"]),
        ("cuda", 1, "cuda", ["processes", "session"]),
        ("auto", 1, "cpu", ["processes", "session", "closed"]),
        ("cuda", 1, "error", ["processes", "session", "closed"]),
        ("auto", 0, "cpu", ["session"]),
        ("cpu", 1, "cpu", ["session"]),
    ],
)
def test_processes_start_before_the_session(
    tiny_artifact, monkeypatch, device: str, gpus: int, outcome: str, expected: list[str]
) -> None:
    events: list[str] = []

    class Processes:
        def __init__(self, vocabulary: object, processes: int) -> None:
            events.append("processes")
            self.processes = processes

        def close(self) -> None:
            events.append("closed")

    class FakeSession(engine_module.Session):
        def __init__(self, artifact: object, *, device: str, precision: str) -> None:
            events.append("session")
            if outcome == "error":
                raise DeviceError("device cuda cannot be used")
            super().__init__(artifact, device="cpu", precision=precision)
            self.device = outcome

    monkeypatch.setattr(engine_module, "cuda_devices", lambda: gpus)
    monkeypatch.setattr(engine_module, "available_cpus", lambda: 3)
    monkeypatch.setattr(engine_module, "EncodingProcesses", Processes)
    monkeypatch.setattr(engine_module, "Session", FakeSession)
    artifact, options = load_artifact(tiny_artifact), ModelOptions(device)
    if outcome == "error":
        with pytest.raises(DeviceError):
            Engine(artifact, options, in_processes=True)
    else:
        engine = Engine(artifact, options, in_processes=True)
        assert engine.blocks_ahead == (3 if outcome == "cuda" else 0)
    assert events == expected
    events.clear()
    if outcome != "error":
        assert Engine(artifact, options).blocks_ahead == 0
        assert events == ["session"]


KILLED = """
import os, signal, sys
from sentscore.model.artifact import load_artifact
from sentscore.model.engine import Engine
from sentscore.model.options import ModelOptions
import pyarrow as pa

if __name__ == "__main__":
    engine = Engine(load_artifact(sys.argv[1]), ModelOptions("cpu"))
    engine.encode_in_processes(1)
    print(len(engine.encode(pa.array(["a great film"])).result().encoded), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_encoding_processes_end_with_one_that_is_killed(tiny_artifact, tmp_path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    command = [sys.executable, tmp_path / "killed.py", tiny_artifact]
    # Those processes hold stdout open too: that its end is seen means that they are gone.
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"1\n")


def test_an_encoding_process_that_is_killed_is_reported(tiny_artifact) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu"))
    engine.encode_in_processes(1)
    text = pa.array(["a great film"])
    engine.encode(text).result(timeout=60)
    [process] = multiprocessing.active_children()
    process.kill()
    for _ in range(2):  # the second time it is known when it is given its work
        with pytest.raises(DeviceError, match=r"a process that encodes texts has ended, .* `device='cpu'`, which"):
            engine.encode(text).result(timeout=60)


def test_a_gpu_gets_batches_by_its_free_memory_and_threads(tiny_artifact, monkeypatch) -> None:
    artifact = load_artifact(tiny_artifact)
    for memory, threads, tokens in (
        (0, 2, 16_384), (8 << 30, 1, 262_144), (8 << 30, 2, 131_072), (8 << 30, 4, 65_536), (141 << 30, 2, 1_048_576),
    ):  # fmt: skip
        monkeypatch.setattr(engine_module, "free_memory", lambda memory=memory: memory)
        chosen = engine_module.choose_batch_tokens(artifact, device="cuda", precision="fp16", threads=threads)
        assert chosen == tokens


def little_memory(engine: Engine, monkeypatch: pytest.MonkeyPatch, *, most: int) -> list[tuple[int, ...]]:
    """Makes an engine's device a GPU on which larger batches than that fail; returns the shapes of all batches."""
    real, shapes = engine._session.run, []

    def run(token_ids: np.ndarray, lengths: np.ndarray) -> object:
        shapes.append(token_ids.shape)
        if token_ids.size > most:
            raise engine._session._explain(RuntimeError("CUDA failure 2: out of memory"), token_ids)
        return real(token_ids, lengths)

    monkeypatch.setattr(engine._session, "run", run)
    monkeypatch.setattr(engine, "device", "cuda")
    return shapes


@pytest.mark.parametrize("threads", [1, 4])
def test_a_batch_that_the_memory_of_a_gpu_does_not_hold_is_halved(tiny_artifact, monkeypatch, threads) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu", batch_tokens=4_000, threads=threads))
    texts = reviews(300)
    expected = engine.score(texts)
    assert engine.memory_limit.note == ""
    shapes = little_memory(engine, monkeypatch, most=1_100)
    assert np.array_equal(engine.score(texts), expected)
    note = engine.memory_limit.note
    assert note.startswith("the GPU had too little memory for a batch of 3,")
    assert note.endswith(" tokens: batches were halved, to " + note.split()[-1])
    shapes.clear()
    assert np.array_equal(engine.score(texts), expected)
    assert all(rows * tokens <= 1_100 for rows, tokens in shapes)  # what fits is known by now
    assert engine.memory_limit.note == note


def test_a_batch_of_a_gpu_has_at_most_so_many_rows(tiny_artifact, monkeypatch) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu", batch_tokens=4_000, threads=1))
    texts = reviews(300)
    expected = engine.score(texts)
    monkeypatch.setattr(engine_module, "CUDA_MOST_ROWS", 7)
    shapes = little_memory(engine, monkeypatch, most=10**6)
    assert np.array_equal(engine.score(texts), expected)
    assert max(rows for rows, _ in shapes) == 7


def test_a_text_that_a_gpu_has_no_memory_for_is_a_device_error(tiny_artifact, monkeypatch) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu", batch_tokens=4_000, threads=1))
    little_memory(engine, monkeypatch, most=10)
    with pytest.raises(DeviceError, match=r"not enough memory to score 1 texts of .* tokens at a time"):
        engine.score(reviews(300))


def test_a_batch_that_a_cpu_has_no_memory_for_is_not_halved(tiny_artifact, monkeypatch) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu", batch_tokens=4_000, threads=1))
    shapes = little_memory(engine, monkeypatch, most=10)
    monkeypatch.setattr(engine, "device", "cpu")
    with pytest.raises(DeviceError, match="not enough memory to score"):
        engine.score(reviews(300))
    assert all(rows >= 44 for rows, _ in shapes)


@pytest.mark.parametrize(
    ("units", "lstm", "gru"),
    [(16, 8_192, 32_768), (64, 8_192, 32_768), (96, 3_640, 21_845), (128, 2_048, 12_288), (256, 2_048, 12_288)],
)
def test_a_narrow_network_gets_larger_batches_on_a_cpu(tiny_artifact, tiny_gru_artifact, units, lstm, gru) -> None:
    for path, tokens in ((tiny_artifact, lstm), (tiny_gru_artifact, gru)):
        artifact = load_artifact(path)
        artifact.manifest.architecture["hidden_size"] = units
        assert engine_module.choose_batch_tokens(artifact, device="cpu", precision="int8", threads=2) == tokens


def test_an_error_in_a_batch_reaches_the_caller(tiny_artifact, monkeypatch) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu", batch_tokens=1, threads=2))

    def fail(*_: object) -> None:
        raise ArtifactError("damaged")

    monkeypatch.setattr(engine._session, "run", fail)
    with pytest.raises(ArtifactError, match="damaged"):
        engine.score(reviews(10))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("sentscore.model.engine.pad_batch", "to put 10 texts into a batch: use a smaller `batch_tokens`"),
        ("sentscore.text.encoder.Encoder.encode_and_flag", "to encode 10 texts: score fewer at a time"),
    ],
)
def test_too_little_memory_is_a_device_error(tiny_artifact, monkeypatch, place, message) -> None:
    engine = Engine(load_artifact(tiny_artifact), ModelOptions("cpu"))
    texts = reviews(10)
    expected = engine.score(texts)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise MemoryError

        patch.setattr(place, fail)
        with pytest.raises(DeviceError, match=f"not enough memory {message}"):
            engine.score(texts)
    assert np.array_equal(engine.score(texts), expected)
