from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sentscore.errors import InputError, OutputError, SentscoreError, UsageError
from sentscore.files import hidden_sibling
from sentscore.jobs import Job, Summary, first_readable, plan_jobs, run_all
from sentscore.jobs.pipeline import Stages
from sentscore.jobs.run import ModelSummary
from sentscore.jobs.run_all import RunSummary


def summary(name: str, rows: int = 2) -> Summary:
    models = (ModelSummary("lstm", "cpu", "fp32", 1),)
    return Summary(name, "out", rows=rows, scored=rows - 1, models=models, seconds=0.5, stages=Stages(), kept=1)


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    (tmp_path / "in").mkdir()
    for name in "abcde":
        (tmp_path / "in" / f"{name}.csv").write_text("text\n")
    return list(plan_jobs([str(tmp_path / "in")], output=None, format=None, force=False))


@pytest.fixture
def run() -> Callable[[Job], Summary]:
    """Finds `b` and `d` bad."""

    def run(job: Job) -> Summary:
        name = Path(job.name).name
        if name == "b.csv":
            raise InputError(f"{job.name}: is damaged")
        if name == "d.csv":
            raise UsageError(f"{job.name}: has a column 'score' already")
        return summary(job.name)

    return run


def test_it_stops_at_a_bad_input(jobs: list[Job], run) -> None:
    seen: list[Summary] = []
    with pytest.raises(InputError, match=r"b\.csv: is damaged") as caught:
        run_all(jobs, run, on_summary=seen.append)
    assert len(seen) == 1
    assert caught.value.__notes__ == ["inputs finished: the first 1; --skip-existing leaves them out"]


def test_it_skips_bad_inputs(jobs: list[Job], run) -> None:
    bad: list[tuple[str, type[SentscoreError]]] = []
    done = run_all(jobs, run, on_error="skip", on_bad=lambda job, error: bad.append((job.name, type(error))))
    names = [jobs[1].name, jobs[3].name]
    assert bad == list(zip(names, [InputError, UsageError], strict=True))
    assert (done.outputs, done.rows, done.scored, done.empty, done.kept, done.bad) == (3, 6, 3, 3, 3, 2)
    assert done.models == (ModelSummary("lstm", "cpu", "fp32", 3),)
    assert done.name_bad() == ", ".join(names)
    assert done.rate == 0.0


@pytest.mark.parametrize(("max_bad", "stops_at"), [(0, "b.csv"), (1, "d.csv"), (2, None)])
def test_it_skips_so_many_and_no_more(jobs: list[Job], max_bad: int, stops_at: str | None, run) -> None:
    if stops_at is None:
        assert run_all(jobs, run, on_error="skip", max_bad=max_bad).bad == 2
        return
    with pytest.raises((InputError, UsageError), match=stops_at) as caught:
        run_all(jobs, run, on_error="skip", max_bad=max_bad)
    notes = " ".join(caught.value.__notes__)
    assert (f"--max-bad {max_bad} allows" in notes) == (max_bad > 0)


def test_other_errors_always_stop(jobs: list[Job]) -> None:
    def run(job: Job) -> Summary:
        raise OutputError("no space")

    with pytest.raises(OutputError):
        run_all(jobs, run, on_error="skip")


def test_what_is_skipped_leaves_no_scores(jobs: list[Job], run) -> None:
    path = jobs[1].target.path
    assert path is not None
    path.parent.mkdir()
    kept = hidden_sibling(path, "scores")
    kept.write_bytes(b"{}\n")
    run_all(jobs, run, on_error="skip")
    assert not kept.exists()


def test_parts_of_killed_runs_are_removed(jobs: list[Job], run) -> None:
    path = jobs[0].target.path
    assert path is not None
    path.parent.mkdir()
    parts = [hidden_sibling(path.with_name(name), "0123abcd.part") for name in ("a.csv", "other.csv")]
    for part in parts:
        part.touch()
    run_all(jobs, run, on_error="skip")
    assert not any(part.exists() for part in parts)


def test_existing_outputs_are_left_out_one_by_one(jobs: list[Job], run) -> None:
    for job in jobs[:2]:
        assert job.target.path is not None
        job.target.path.parent.mkdir(exist_ok=True)
        job.target.path.touch()
    seen: list[Job] = []
    done = run_all(jobs, run, skip_existing=True, on_error="skip", on_existing=seen.append)
    assert seen == jobs[:2]
    assert (done.existing, done.outputs, done.bad) == (2, 2, 1)


def test_an_interrupt_says_what_is_finished(jobs: list[Job]) -> None:
    def run(job: Job) -> Summary:
        if job is jobs[2]:
            raise KeyboardInterrupt
        return summary(job.name)

    with pytest.raises(KeyboardInterrupt) as caught:
        run_all(jobs, run)
    assert caught.value.__notes__ == ["inputs finished: the first 2; --skip-existing leaves them out"]


def test_twenty_names_are_kept_of_those_that_are_bad() -> None:
    done = RunSummary()
    for number in range(1_025):
        done.add_bad(str(number))
    assert done.name_bad().endswith("18, 19 and 1,005 more")


def test_the_first_readable_input_is_looked_for(jobs: list[Job], run) -> None:
    tried: list[str] = []

    def check(some) -> None:
        tried.append(some[0].name)
        run(some[0])

    first_readable(jobs[1:], lambda some: None if len(tried) == 9 else check(some))
    assert tried == [job.name for job in jobs[1:3]]
    tried.clear()
    first_readable(jobs[3:], check)  # a column that has the name of a new one makes an input bad, too
    assert tried == [job.name for job in jobs[3 : 3 + len(tried)]]
    tried.clear()
    first_readable([jobs[1]] * 9, check, most=4)
    assert len(tried) == 4
