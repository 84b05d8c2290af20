from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sentscore.errors import OutputError
from sentscore.jobs.inputs import Input
from sentscore.jobs.state import STATE_NAME, State

LSTM = {"models": [{"name": "lstm"}], "options": {"keep": None}}
GRU = {"models": [{"name": "gru"}], "options": {"keep": None}}


def found(name: str, version: str = "1") -> Input:
    return Input(f"in/{name}", name, 7, version, "in")


@pytest.fixture
def open_state(tmp_path: Path) -> Iterator[Callable[[], State]]:
    """Opens the state of a folder, as the next process does: the one before is closed."""
    states: list[State] = []

    def open_state() -> State:
        for state in states:
            state.close()
        states.append(State(tmp_path / "out"))
        return states[-1]

    yield open_state
    for state in states:
        state.close()


def make(state: State, folder: Path, *names: str, version: str = "1") -> None:
    for name in names:
        state.begin(name, found(name, version))
        (folder / "out" / name).touch()
        state.end(name)


def test_nothing_is_made_before_a_run_begins(tmp_path: Path, open_state) -> None:
    state = open_state()
    assert (state.unfinished, state.is_empty) == (None, True)
    assert state.compare("a", found("a"), LSTM) == "new"
    assert not (tmp_path / "out").exists()
    state.begin_run(LSTM)
    assert state.unfinished == LSTM


def test_what_was_done_is_known_to_the_next_run(tmp_path: Path, open_state) -> None:
    state = open_state()
    state.begin_run(LSTM)
    make(state, tmp_path, "a", "b", "c", "d")
    state.end_run()
    (tmp_path / "out" / "b").unlink()
    state = open_state()
    assert (state.unfinished, state.is_empty) == (None, False)
    assert [state.owns(name) for name in "abe"] == [True, True, False]
    assert state.compare("a", found("a"), LSTM) == "same"
    assert state.compare("a", found("a", "2"), LSTM) == "changed"
    assert state.compare("a", found("a"), GRU) == "made by another"
    assert state.compare("b", found("b"), LSTM) == "new"
    assert state.compare("e", found("e"), LSTM) == "new"
    assert list(state.gone()) == [str(tmp_path / "out" / name) for name in "cd"]


def test_a_run_that_was_killed_goes_on_without_a_trace(tmp_path: Path, open_state) -> None:
    path = tmp_path / "out" / STATE_NAME
    state = open_state()
    state.begin_run(LSTM)
    make(state, tmp_path, "a", "b", "c")
    state.end_run()
    whole = path.read_bytes()
    for cut in range(1, len(whole)):
        path.write_bytes(whole[:cut])
        state = open_state()
        state.begin_run(LSTM)
        done = whole[:cut].count(b'"done"') - (
            not whole[:cut].endswith(b"\n") and b'"done"' in whole[:cut].splitlines()[-1]
        )
        assert [state.is_done_now(name, found(name)) for name in "abc"] == [number < done for number in range(3)]
        for name in "abc"[done:]:
            make(state, tmp_path, name)
        state.end_run()
        assert path.read_bytes() == whole


def test_an_output_that_was_begun_is_ours_until_the_run_is_finished(open_state) -> None:
    state = open_state()
    state.begin_run(LSTM)
    state.begin("a", found("a"))
    assert open_state().owns("a")
    state = open_state()
    state.begin_run(LSTM)
    state.end_run()  # without `a`, which was bad
    state = open_state()
    assert not state.owns("a")
    assert state.compare("a", found("a"), LSTM) == "new"


def test_a_changed_input_that_is_bad_keeps_its_old_output(tmp_path: Path, open_state) -> None:
    state = open_state()
    state.begin_run(LSTM)
    make(state, tmp_path, "a")
    state.end_run()
    state.begin_run(LSTM)
    state.begin("a", found("a", "2"))
    state.end_run()
    state = open_state()
    assert state.owns("a")
    assert state.compare("a", found("a", "2"), LSTM) == "changed"


def test_another_model_begins_a_run_of_its_own(tmp_path: Path, open_state) -> None:
    state = open_state()
    state.begin_run(LSTM)
    make(state, tmp_path, "a")
    state = open_state()
    state.begin_run(GRU)
    assert not state.is_done_now("a", found("a"))
    make(state, tmp_path, "a")
    assert state.compare("a", found("a"), GRU) == "same"
    lines = [json.loads(line) for line in (tmp_path / "out" / STATE_NAME).read_text().splitlines()]
    assert [line.get("run") or line.get("done") for line in lines] == ["begun", None, "a", "begun", None, "a"]


def test_a_folder_in_use_is_refused(tmp_path: Path, open_state) -> None:
    first = State(tmp_path / "out")
    early = State(tmp_path / "out")
    first.begin_run(LSTM)
    with pytest.raises(OutputError, match="out: another run is writing there: wait for it"):
        State(tmp_path / "out")
    with pytest.raises(OutputError, match="another run is writing there"):
        early.begin_run(LSTM)
    first.close()
    assert open_state().unfinished == LSTM


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"done": "never begun"}', '{"begun": "a"}', '"run"'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / STATE_NAME
    path.write_text(json.dumps({"run": "begun", "made_by": LSTM}) + f"\n{line}\n")
    with pytest.raises(OutputError, match=r"_sentscore\.jsonl: line 2 is damaged: remove the file"):
        State(tmp_path)


def test_names_that_are_not_utf_8(tmp_path: Path, open_state) -> None:
    name = "caf\udce9"
    state = open_state()
    state.begin_run(LSTM)
    make(state, tmp_path, name)
    assert open_state().is_done_now(name, found(name))
