"""Threads that share a scorer get the scores that one thread gets, bit for bit, from the first text on."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from sentscore import InputError, Scorer
from sentscore.model import session as session_module
from sentscore.model.artifact import Artifact, find_artifacts, load_artifact

Scores = npt.NDArray[np.float32]

README = Path(__file__).parents[2] / "README.md"
CALLERS = 8
TEXTS = 200  # of each caller
SHIPPED = [folder.name for folder in find_artifacts()]
KNOWN = ["great", "awful", "film", ".", "not", "n't", "a", "story", "too", "long", "!", "wonderful", "boring"]


@pytest.fixture(scope="module")
def artifacts(make_run, tmp_path_factory) -> dict[str, Artifact]:
    """The shipped models, and small ones with random weights."""
    from sentscore_export.export import export
    from sentscore_export.parity import ParityConfig

    small = ParityConfig(batches=2, max_batch=4, max_tokens=20)
    found = {name: load_artifact(name) for name in SHIPPED}
    for kind in ("lstm", "gru"):
        folder = tmp_path_factory.mktemp("tiny") / kind
        export(make_run(kind), folder, precisions=["int8"], parity=small)
        found[f"tiny-{kind}"] = load_artifact(folder)
    return found


@pytest.fixture(autouse=True)
def _switch_often() -> Iterator[None]:
    """Makes Python switch between threads as often as it can, so that what can go wrong does."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture(scope="module")
def parts() -> list[list[str]]:
    """The texts of each caller: words that others have too, and words that nobody else has."""
    random = np.random.default_rng(11)
    parts = []
    for caller in range(CALLERS):
        own = [f"{word}{mark}{caller}x{n}" for n, word in enumerate(KNOWN * 40) for mark in ("-", "'", "!", "")]
        words = [*KNOWN * 60, *(f"film{n}" for n in range(500)), *own]
        parts.append([" ".join(random.choice(words, random.integers(1, 25))) for _ in range(TEXTS)])
    return parts


def load(artifact: Artifact, precision: str, threads: int | None = 2) -> Scorer:
    return Scorer.load(artifact, device="cpu", precision=precision, threads=threads, batch_tokens=500)


def score_together(score: Callable[[Sequence[str]], Scores], parts: Sequence[Sequence[str]]) -> list[Scores]:
    begin = threading.Barrier(len(parts))
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(lambda texts: (begin.wait(), score(texts))[1], parts))


def assert_same_bits(found: Sequence[Scores], expected: Sequence[Scores]) -> None:
    differ = [int((one.view(np.uint32) != other.view(np.uint32)).sum()) for one, other in zip(found, expected)]  # noqa: B905
    assert differ == [0] * len(expected)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("model", ["tiny-lstm", "tiny-gru", *SHIPPED])
def test_eight_threads_of_a_cold_and_a_warm_scorer(model, precision, artifacts, parts) -> None:
    alone = load(artifacts[model], precision, threads=1)
    expected = [alone.score(part) for part in parts]
    for _ in range(1 if model in SHIPPED else 3):
        scorer = load(artifacts[model], precision)
        assert_same_bits(score_together(scorer.score, parts), expected)
        assert_same_bits(score_together(scorer.score, parts), expected)
        assert_same_bits([scorer.score(part) for part in parts], expected)


def test_record_batches_in_several_threads(artifacts, parts) -> None:
    alone = load(artifacts["tiny-lstm"], "fp32", threads=1)
    scorer = load(artifacts["tiny-lstm"], "fp32")

    def score(texts: Sequence[str]) -> Scores:
        batches = [pa.record_batch({"text": texts[start : start + 50]}) for start in range(0, len(texts), 50)]
        return pa.Table.from_batches(scorer.score_batches(batches))["score"].to_numpy()

    assert_same_bits(score_together(score, parts), [alone.score(part) for part in parts])


def test_coroutines(artifacts, parts) -> None:
    alone = load(artifacts["tiny-gru"], "int8", threads=1)
    scorer = load(artifacts["tiny-gru"], "int8")

    async def score() -> list[Scores]:
        return await asyncio.gather(*(asyncio.to_thread(scorer.score, part) for part in parts))

    assert_same_bits(asyncio.run(score()), [alone.score(part) for part in parts])


@pytest.mark.parametrize("model", ["tiny-lstm", *SHIPPED[:1]])
def test_the_endpoint_in_the_readme_under_load(model, artifacts, parts) -> None:
    """FastAPI runs an endpoint that is a plain function in a pool of threads."""
    scorer = load(artifacts[model], "int8")
    [example] = re.findall(r"```python\n(from fastapi import .*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {"scorer": scorer}
    exec(example, names)
    parts = [[*part, " "] for part in parts]

    async def ask() -> list[Scores]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=names["app"]), base_url="http://test") as client:
            requests = [client.post("/score", json=part[n::4], timeout=60) for part in parts for n in range(4)]
            answers = await asyncio.gather(*requests)
        return [np.array(answer.raise_for_status().json(), np.float32) for answer in answers]

    alone = load(artifacts[model], "int8", threads=1)
    assert_same_bits(asyncio.run(ask()), [alone.score(part[n::4]) for part in parts for n in range(4)])


def test_a_callers_error_is_its_own(artifacts, parts) -> None:
    scorer = load(artifacts["tiny-lstm"], "fp32")
    expected = [load(artifacts["tiny-lstm"], "fp32", threads=1).score(part) for part in parts[1:]]
    bad = pa.array([b"\xff"] * 10, pa.binary()).view(pa.string())

    def score(texts: Sequence[str]) -> Scores:
        if texts is not parts[0]:
            return scorer.score(texts)
        for _ in range(20):
            with pytest.raises(InputError, match="UTF-8"):
                scorer.score(bad)
        return np.empty(0, np.float32)

    assert_same_bits(score_together(score, parts)[1:], expected)


def test_there_are_never_more_sessions_than_threads(artifacts, parts, monkeypatch) -> None:
    """The GRU in int8 has a session for each thread, and each keeps its memory."""
    made = []
    create = session_module._create_session
    monkeypatch.setattr(session_module, "_create_session", lambda *args: made.append(args) or create(*args))
    scorer = load(artifacts["tiny-gru"], "int8", threads=2)
    for _ in range(3):
        score_together(scorer.score, parts)
    assert len(made) == scorer.engine._session._idle.qsize() <= 2


def test_a_few_texts_do_not_wait_for_the_thousands_of_another_caller(artifacts, parts) -> None:
    scorer = load(artifacts["tiny-lstm"], "fp32", threads=1)
    many = [f"{text} {n}" for n in range(8) for part in parts for text in part]
    done = []
    long = threading.Thread(target=lambda: done.append(("many", scorer.score(many))))
    long.start()
    while not scorer.engine._threads._threads:  # until its first batch is at work
        assert not done
    done.append(("few", scorer.score(parts[0][:3])))
    long.join()
    assert [name for name, _ in done] == ["few", "many"]


# Threads that score words never seen before, so that they are often in the table of words, and often in ONNX Runtime.
SCORING_THREADS = """
import os, random, sys, threading, time
from sentscore import Scorer
model, precision, daemon = sys.argv[1:]
scorer = Scorer.load(model, device="cpu", precision=precision, threads=2)
chance = random.Random(5)
def make_text(words):
    return " ".join("".join(chance.choices("abcdefghij", k=chance.randrange(2, 9))) for _ in range(words))
asked = ["A great film.", "Not a story, too long!"]
expected = scorer.score(asked).tobytes()
working = True
def work():
    while working:
        scorer.score([make_text(40) for _ in range(60)])
for _ in range(3):
    threading.Thread(target=work, daemon=daemon == "daemon").start()
time.sleep(0.2)
"""

FORK = """
forks = 20
right = 0
for _ in range(forks):
    time.sleep(0.01 * chance.random())
    child = os.fork()
    if child == 0:
        os._exit(0 if scorer.score(asked).tobytes() == expected else 3)
    end = time.monotonic() + 10
    while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.002)
    if not ended[0]:
        os.kill(child, 9)
        os.waitpid(child, 0)
        break
    right += ended[1] == 0
working = False
print(right, "of", forks)
"""


def run(script: str, *arguments: object) -> tuple[int, str, str]:
    """Runs a script in a process of its own. Returns its exit code and what it printed to stdout and stderr."""
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
@pytest.mark.parametrize(("model", "precision"), [("lstm", "fp32"), ("gru", "int8")])
def test_a_process_that_is_forked_while_threads_score_can_score_itself(model, precision, artifacts) -> None:
    model = model if model in SHIPPED else artifacts[f"tiny-{model}"].path
    assert run(SCORING_THREADS + FORK, model, precision, "no daemon") == (0, "20 of 20\n", "")


@pytest.mark.parametrize(("model", "precision"), [("lstm", "fp32"), ("gru", "int8")])
def test_a_program_ends_in_order_while_daemon_threads_score(model, precision, artifacts) -> None:
    """Python ends a daemon thread that comes back from ONNX Runtime, which would end the whole process by a signal."""
    model = model if model in SHIPPED else artifacts[f"tiny-{model}"].path
    assert run(SCORING_THREADS, model, precision, "daemon") == (0, "", "")
