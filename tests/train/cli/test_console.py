from __future__ import annotations

import pytest

from sentscore.progress import Progress
from sentscore_train.cli import console
from sentscore_train.cli.console import progress_bars


def test_lines_tell_the_speed_and_the_time_left(monkeypatch, capsys) -> None:
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    with progress_bars() as report:
        for clock[0], done in ((100.0, 0), (130.0, 500), (160.0, 1_000), (220.0, 7_000), (250.0, 10_000)):
            report(Progress("comparing", done, 10_000))
    assert capsys.readouterr().err.splitlines() == [
        "comparing 0/10,000",
        "comparing 1,000/10,000 17/s 9 min left",
        "comparing 7,000/10,000 58/s 51 s left",
        "comparing 10,000/10,000 67/s",
    ]


@pytest.mark.parametrize(("accuracy", "shown"), [(None, ""), (0.5, " accuracy 50.00%")])
def test_a_phase_of_one_step_has_no_speed(capsys, accuracy, shown) -> None:
    with progress_bars() as report:
        report(Progress("reading", 0, 1))
        report(Progress("reading", 1, 1, accuracy=accuracy))
    assert capsys.readouterr().err.splitlines() == ["reading 0/1", f"reading 1/1{shown}"]


def test_a_phase_of_unknown_length_tells_how_much_is_done(capsys) -> None:
    with progress_bars() as report:
        report(Progress("reading", 300, None))
        report(Progress("reading", 600, None))
        report(Progress("scoring", 1, 2))
    assert capsys.readouterr().err.splitlines() == ["reading 300", "scoring 1/2"]
