from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import numpy as np
import pytest

from sentscore_train.data.cache import ArrayCache, Arrays, hash_texts


def make_ones() -> Arrays:
    return {"ones": np.ones(3, np.float32)}


def fail() -> Arrays:
    raise AssertionError("made again")


def test_a_result_is_made_once_for_each_key(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path / "new")
    cache.get("ones", {"size": 3}, make_ones)
    found = cache.get("ones", {"size": 3}, fail)["ones"]
    assert found.dtype == np.float32
    assert found.tolist() == [1, 1, 1]
    with pytest.raises(AssertionError, match="made again"):
        cache.get("ones", {"size": 4}, fail)


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    cache = ArrayCache(tmp_path)
    cache.get("ones", {}, make_ones)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:20])
    assert cache.get("ones", {}, make_ones)["ones"].tolist() == [1, 1, 1]
    assert cache.get("ones", {}, fail)["ones"].tolist() == [1, 1, 1]


def test_a_hash_counts_the_borders_between_texts() -> None:
    assert hash_texts(["ab", "c"]) != hash_texts(["a", "bc"])
    assert hash_texts(["ab", "c"]) == hash_texts(iter(["ab", "c"]))


@contextmanager
def start_maker(folder: Path, *, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a process that takes so long to make `ones` in the folder `cache`, and waits until it has begun."""
    script = (
        "import sys, time; from pathlib import Path; import numpy as np\n"
        "from sentscore_train.data.cache import ArrayCache\n"
        "def make():\n"
        "    Path(sys.argv[1], 'begun').touch(); time.sleep(float(sys.argv[2]))\n"
        "    return {'ones': np.ones(3, np.float32)}\n"
        "ArrayCache(Path(sys.argv[1], 'cache')).get('ones', {}, make)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(folder), str(seconds)]) as process:
        while not (folder / "begun").exists():
            assert process.poll() is None
            time.sleep(0.01)
        yield process


def test_what_one_process_makes_the_others_wait_for(tmp_path: Path) -> None:
    with start_maker(tmp_path, seconds=1) as process:
        assert ArrayCache(tmp_path / "cache").get("ones", {}, fail)["ones"].tolist() == [1, 1, 1]
    assert process.returncode == 0
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".safetensors"]


def test_a_process_that_is_killed_while_making_keeps_nobody_out(tmp_path: Path) -> None:
    told: list[str] = []
    with start_maker(tmp_path, seconds=60) as process:
        waiting = ArrayCache(tmp_path / "cache", lambda progress: told.append(progress.phase))
        Timer(0.5, process.kill).start()
        assert waiting.get("ones", {}, make_ones)["ones"].tolist() == [1, 1, 1]
    assert told == ["waiting for another process that makes the same"]
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".safetensors"]
