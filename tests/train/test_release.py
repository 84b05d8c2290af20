from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import sentscore_train.release
from sentscore import InputError, OutputError, UsageError
from sentscore.model.artifact import load_artifact
from sentscore_train.release import DEFAULT_SHAPE, RUNS, Earlier, ReleaseConfig, Run, Stage, StageError, release, stages
from sentscore_train.training.config import TrainConfig

# A stage that says that it ran, waits or fails as it is told, and leaves its folder.
PROGRAM = """
import sys, time
from pathlib import Path

folder, log, seconds, code = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
with log.open("a") as file:
    file.write(folder.name + "\\n")
time.sleep(seconds)
if code.exists():
    sys.exit(int(code.read_text()))
folder.mkdir()
"""
WAIT_S = 180.0


@pytest.fixture
def config(tmp_path: Path) -> ReleaseConfig:
    tests = (tmp_path / "data" / "aclImdb_v1.tar.gz", tmp_path / "t.csv")
    return ReleaseConfig(tmp_path / "out", tmp_path / "work", ("--table", "t.csv"), tests, tmp_path / "data")


class Small:
    """A release of three small stages."""

    def __init__(self, folder: Path) -> None:
        self.log, self.code, self.folder = folder / "log", folder / "code", folder
        self.seconds = 0.0
        self.stage_seconds: dict[str, float] = {}

    def stages(self, config: ReleaseConfig) -> list[Stage]:
        return [self.stage(name) for name in ("first", "second", "third")]

    def stage(self, name: str) -> Stage:
        folder = self.folder / name
        code = self.code if name == "second" else self.folder / "never"
        seconds = self.stage_seconds.get(name, self.seconds)
        return Stage(name, "small-stage", (str(folder), str(self.log), str(seconds), str(code)), folder)

    @property
    def ran(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    (tmp_path / "small_stage.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    found = Small(tmp_path)
    monkeypatch.setattr(sentscore_train.release, "stages", found.stages)
    return found


def wait_for(path: Path) -> None:
    end = time.monotonic() + WAIT_S
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.05)


def test_models_learn_are_asked_and_teach_the_next_ones(config) -> None:
    runs = (
        Run("large", "gru", {"hidden_size": 256}),
        Run("other", "lstm", {"source_share": (1, 3)}),
        Run("lstm-small", "lstm", {"num_layers": 1}, teachers=("large", "other"), is_shipped=True, purpose="Fast."),
    )
    listed = {stage.name: stage for stage in stages(config, runs)}
    assert list(listed) == ["large", "large-export", "other", "other-export", "lstm-small", "lstm-small-export"]
    work = config.work_dir
    large, small = " ".join(listed["large"].arguments), " ".join(listed["lstm-small"].arguments)
    assert large.startswith(f"gru --run-dir {work}/large --table t.csv --data-dir {config.data_dir} --seed 1234")
    assert large.endswith("--resume --hidden-size 256")
    assert " ".join(listed["other"].arguments).endswith("--resume --source-share 1 --source-share 3")
    assert small.startswith(f"lstm --run-dir {work}/lstm-small --table t.csv")
    assert small.endswith(f"--num-layers 1 --teacher {work}/teachers/large --teacher {work}/teachers/other")
    assert listed["large-export"].arguments == (f"{work}/large", f"{work}/teachers/large", "--force")
    exported = " ".join(listed["lstm-small-export"].arguments)
    assert exported.startswith(f"{work}/lstm-small {config.out_dir}/lstm-small --force")
    archive, table = config.tests
    assert exported.endswith(f"--precision int8 --precision fp16 --test {archive} --test {table} --purpose Fast.")
    assert listed["large"].command[:3] == [sys.executable, "-m", "sentscore_train"]


def test_models_of_an_earlier_release_teach_and_shipped_ones_start_from_them(config) -> None:
    runs = (
        Run("large", "gru", {"pretrain": 1}),
        Run("next", "gru", {"pretrain": 1, "epochs": 2}, teachers=("large",), is_shipped=True),
        Run("small", "gru", {"hidden_size": 64}, teachers=("next",), is_shipped=True),
    )
    first = (Earlier(Path("first/gru"), "gru", 128, 2), Earlier(Path("first/lstm"), "lstm", 64, 2))
    config = replace(config, earlier=first)
    listed = {stage.name: " ".join(stage.arguments) for stage in stages(config, runs)}
    both = "--teacher first/gru --teacher first/lstm"
    assert listed["large"].endswith("--resume --pretrain 1")
    large = config.work_dir / "teachers" / "large"
    assert listed["next"].endswith(f"--resume --epochs 2 --start first/gru --teacher {large} {both}")
    assert listed["small"].endswith(f"--resume --hidden-size 64 --teacher {config.out_dir}/next {both}")


def test_the_default_shape_is_that_of_a_training() -> None:
    assert {name: getattr(TrainConfig, name) for name in DEFAULT_SHAPE} == DEFAULT_SHAPE


def test_the_four_shipped_models_are_taught_by_runs_before_them() -> None:
    seen: set[str] = set()
    for run in RUNS:
        assert seen.issuperset(run.teachers), run.name
        assert run.name not in seen
        seen.add(run.name)
    assert {run.name for run in RUNS if run.is_shipped} == {"lstm", "gru", "lstm-small", "gru-small"}
    assert all(run.name.startswith(run.cell) for run in RUNS)
    for stage in stages(ReleaseConfig(Path("o"), Path("w"), (), (), Path("d"))):
        assert seen.issuperset(name.removesuffix("-export") for name in stage.needs)


def test_a_stage_is_run_once(small, config) -> None:
    announced: list[tuple[int, int, str]] = []
    release(config, lambda number, of, stage: announced.append((number, of, stage.name)))
    assert small.ran == ["first", "second", "third"]
    assert announced == [(1, 3, "first"), (2, 3, "second"), (3, 3, "third")]
    release(config)
    assert len(small.ran) == 3


def test_after_a_failure_the_rest_is_run(small, config) -> None:
    small.code.write_text("3")
    with pytest.raises(StageError, match="stage second failed with exit code 3") as error:
        release(config)
    assert error.value.exit_code == 3
    small.code.unlink()
    release(config)
    assert small.ran == ["first", "second", "second", "third"]


def test_a_stage_whose_folder_is_gone_is_run_again(small, config) -> None:
    release(config)
    (small.folder / "second").rmdir()
    release(config)
    assert small.ran == ["first", "second", "third", "second"]


def test_other_settings_are_not_mixed_into_a_release(small, config) -> None:
    release(config)
    small.seconds = 0.1
    with pytest.raises(UsageError, match=r"stage first was run with other settings: use the same ones or another"):
        release(config)


@pytest.mark.parametrize("content", ["{", '{"format_version": 1}', '{"done": {}}', '{"format_version": 2, "done": {}}'])
def test_a_state_that_cannot_be_read_is_an_input_error(small, config, content) -> None:
    config.work_dir.mkdir()
    (config.work_dir / "release.json").write_text(content)
    with pytest.raises(InputError, match=r"release\.json: .* another --work-dir"):
        release(config)
    assert small.ran == []


def test_a_stage_that_outlives_its_release_is_not_joined_by_another(small, config, tmp_path) -> None:
    small.seconds = 1.0
    script = (
        "import sentscore_train.release as release, test_release as test; from pathlib import Path;"
        f"small = test.Small(Path({str(tmp_path)!r})); small.seconds = 1.0; release.stages = small.stages;"
        f"folder = Path({str(tmp_path)!r});"
        "release.release(release.ReleaseConfig(folder / 'out', folder / 'work', (), (), folder / 'data'))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(Path(__file__).parent)])}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as process:
        wait_for(small.log)
        process.kill()
    with pytest.raises(UsageError, match="another release, or a stage of one, is at work there"):
        release(config)
    wait_for(small.folder / "first")
    (small.folder / "first").rmdir()  # nobody wrote down that it was done
    end = time.monotonic() + WAIT_S
    while True:
        try:
            release(config)
            break
        except UsageError:
            assert time.monotonic() < end
            time.sleep(0.05)
    assert small.ran == ["first", "first", "second", "third"]


def test_models_that_are_there_are_not_replaced_unasked(small, tmp_path) -> None:
    config = ReleaseConfig(tmp_path, tmp_path / "work", (), (), tmp_path / "data")  # the stages write to its out_dir
    (tmp_path / "third").mkdir()
    with pytest.raises(OutputError, match=r"third: exists already: replace it with --force or name another folder"):
        release(config)
    assert small.ran == []
    small.code.write_text("9")
    with pytest.raises(StageError, match="second"):
        release(replace(config, force=True))
    assert small.ran == ["first", "second"]


def test_stages_run_at_the_same_time_as_far_as_they_need_no_other(small, config, monkeypatch) -> None:
    def stages(config: ReleaseConfig) -> list[Stage]:
        first, second, third = Small.stages(small, config)
        return [first, replace(second, needs=("first",)), third]

    monkeypatch.setattr(sentscore_train.release, "stages", stages)
    small.seconds = 1.0
    announced: list[str] = []
    release(replace(config, jobs=2), lambda number, of, stage: announced.append(f"{number} {stage.name}"))
    assert announced == ["1 first", "3 third", "2 second"]
    assert sorted(small.ran[:2]) == ["first", "third"]
    assert small.ran[2:] == ["second"]
    assert sorted(path.name for path in (config.work_dir / "logs").iterdir()) == [
        "first.log",
        "second.log",
        "third.log",
    ]


def test_a_failure_stops_the_stages_beside_it(small, config) -> None:
    small.code.write_text("3")
    small.stage_seconds = {"first": 600.0, "second": 1.0, "third": 600.0}
    started = time.monotonic()
    with pytest.raises(StageError, match=r"stage second failed with exit code 3, as .*second\.log says"):
        release(replace(config, jobs=3))
    assert time.monotonic() - started < WAIT_S
    assert sorted(small.ran) == ["first", "second", "third"]
    assert not (small.folder / "first").exists()
    assert not (small.folder / "third").exists()


def test_what_ends_well_beside_a_failure_is_done(small, config, monkeypatch) -> None:
    small.code.write_text("3")
    monkeypatch.setattr(sentscore_train.release, "_POLL_S", 5.0)  # all have ended by the first look
    with pytest.raises(StageError, match="stage second failed"):
        release(replace(config, jobs=3))
    small.code.unlink()
    release(config)
    assert sorted(small.ran) == ["first", "second", "second", "third"]


def test_a_stage_that_is_done_may_have_had_other_threads(small, config, monkeypatch) -> None:
    def stages(config: ReleaseConfig) -> list[Stage]:
        threads = ("--threads", str(config.threads)) if config.threads else ()
        return [replace(stage, arguments=(*stage.arguments, *threads)) for stage in Small.stages(small, config)]

    monkeypatch.setattr(sentscore_train.release, "stages", stages)
    release(config)
    release(replace(config, threads=1))
    assert len(small.ran) == 3


def test_a_signal_waits_until_a_stage_that_is_started_is_known(small, config, monkeypatch) -> None:
    small.seconds = WAIT_S
    started: list[subprocess.Popen[bytes]] = []
    begin = subprocess.Popen

    def interrupted(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(begin(*arguments, **options))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in a shell's background it is ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            release(config)
    finally:
        signal.signal(signal.SIGINT, before)

    assert [process.returncode is not None for process in started] == [True]


def test_a_small_release_is_killed_and_carried_on(imdb, tmp_path) -> None:
    arguments = ["release", "out", "--work-dir", "work", "--data-dir", "data", "--imdb", str(imdb), "--fast"]
    rows = ["text,label,split", *(f"A {word} kettle,{label},train" for label, word in enumerate(("bad", "good")))]
    rows += [f"Number {number} is a {word} one.,{number % 2}," for number, word in enumerate(["bad", "good"] * 20)]
    (tmp_path / "kettles.csv").write_text("\n".join(rows) + "\n")
    command = [sys.executable, "-m", "sentscore_train", *arguments, "--table", "kettles.csv", "--text", "text"]
    command += ["--device", "cpu", "--jobs", "2", "--source-share", "1", "--source-share", "2"]
    state = tmp_path / "work" / "release.json"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        wait_for(state)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 130, errors
    done = len(json.loads(state.read_text())["done"])
    stages_in_all = 2 * len(RUNS)
    assert 1 <= done < stages_in_all
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    announced = [line for line in again.stderr.splitlines() if line.startswith("[")]
    assert len(announced) == stages_in_all - done
    assert all(f"/{stages_in_all}] sentscore-" in line for line in announced)
    for run in RUNS:
        if run.is_shipped:
            manifest = load_artifact(tmp_path / "out" / run.name).manifest
            assert set(manifest.precisions) == {"int8", "fp16"}
            assert manifest.metrics["test"]["reviews"] == 40
            homes = {each.name: "out" if each.is_shipped else "work/teachers" for each in RUNS}
            assert manifest.recipe["teachers"] == [f"{homes[name]}/{name}" for name in run.teachers]
            assert [source["name"] for source in manifest.data["sources"]] == ["IMDB", "kettles"]
