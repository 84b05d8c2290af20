from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sentscore.errors import OutputError
from sentscore.jobs.inputs import Input
from sentscore.jobs.state import STATE_NAME, State
from sentscore.jobs.stored_state import StoredState, find_related, local_state, relate
from sentscore.stores import parse_store_path

MADE_BY = {"models": [{"name": "lstm"}], "options": {}}


@pytest.mark.parametrize(
    ("root", "folder", "seen", "found"),
    [
        ("s3://b/lake", "s3://b/lake.scored", "../lake", "s3://b/lake/dt=1/a.csv"),
        ("s3://b", "s3://b/out/deep", "../..", "s3://b/dt=1/a.csv"),
        ("s3://b/x/y", "s3://b/", "x/y", "s3://b/x/y/dt=1/a.csv"),
        ("s3://other/lake", "s3://b/out", "s3://other/lake", "s3://other/lake/dt=1/a.csv"),
        ("/data/lake", "s3://b/out", "/data/lake", "/data/lake/dt=1/a.csv"),
    ],
)
def test_a_folder_as_seen_from_one_in_a_store(root: str, folder: str, seen: str, found: str) -> None:
    outputs = parse_store_path(folder)
    assert relate(root, outputs) == seen
    assert str(find_related(outputs, seen, "dt=1/a.csv")) == found


def test_a_folder_in_a_store_as_seen_from_one_here(tmp_path: Path) -> None:
    assert relate("s3://b/lake", tmp_path) == "s3://b/lake"
    assert str(find_related(tmp_path, "s3://b/lake", "a.csv")) == "s3://b/lake/a.csv"
    assert relate(str(tmp_path / "lake"), tmp_path / "out") == "../lake"
    assert find_related(tmp_path / "out", "../lake", "a.csv") == tmp_path / "out" / "../lake/a.csv"


def test_a_run_on_another_machine_goes_on_from_the_copy(s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    folder = parse_store_path(f"{s3.uri}/out")
    state = State(folder)
    state.begin_run(MADE_BY)
    state.begin("a.csv", Input(f"{s3.uri}/lake/a.csv", "a.csv", 10, "1", f"{s3.uri}/lake"))
    state.end("a.csv")
    s3.put("out/a.csv", b"")
    with pytest.raises(OutputError, match="another run is writing there"):
        State(folder)
    assert s3.get(f"out/{STATE_NAME}").count(b"\n") == 1  # what came since is sent later
    state.close()
    assert s3.get(f"out/{STATE_NAME}").count(b"\n") == 3
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    other = State(folder)
    assert other.unfinished == MADE_BY
    assert other.owns("a.csv")
    other.begin_run(MADE_BY)
    assert other.is_done_now("a.csv", Input(f"{s3.uri}/lake/a.csv", "a.csv", 10, "1", f"{s3.uri}/lake"))
    other.end_run()
    other.close()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    again = State(folder)
    assert again.unfinished is None
    again.close()


def test_a_copy_that_another_machine_has_sent_is_not_replaced(s3: Any) -> None:
    path = parse_store_path(f"{s3.uri}/out/{STATE_NAME}")
    now = 0.0
    stored = StoredState(path, clock=lambda: now)
    with local_state(path).open("w+b", buffering=0) as file:
        file.write(b"first\n")
        stored.fetch(file)
        assert local_state(path).read_bytes() == b""  # of outputs that are gone there is nothing to know
        file.seek(0)
        file.write(b"first\n")
        stored.send()
        assert s3.get(path.key) == b"first\n"
        file.write(b"second\n")
        stored.send()
        assert s3.get(path.key) == b"first\n"
        now = 31.0
        stored.send()
        assert s3.get(path.key) == b"first\nsecond\n"
        s3.put(path.key, b"theirs\n")
        with pytest.raises(OutputError, match="a run on another machine is writing there"):
            stored.send(now=True)
        assert s3.get(path.key) == b"theirs\n"
        stored.fetch(file)
        assert local_state(path).read_bytes() == b"theirs\n"
