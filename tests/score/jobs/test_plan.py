from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from sentscore.errors import InputError, OutputError, UsageError
from sentscore.formats import Compression, Format, Kind
from sentscore.jobs import Job, plan_jobs, plan_whole
from sentscore.sinks import Target


def plan(*inputs: Path | str, output: Path | str | None = None, **options: Any) -> list[Job]:
    given = {"format": None, "force": False, **options}
    return list(plan_jobs([str(name) for name in inputs], output=None if output is None else str(output), **given))


def targets(jobs: list[Job]) -> list[tuple[Path | None, Format | None]]:
    return [(job.target.path, job.target.format) for job in jobs]


def test_beside_each_input_by_default(tmp_path: Path) -> None:
    jobs = plan(tmp_path / "a.csv.gz", tmp_path / "b.pq")
    assert targets(jobs) == [
        (tmp_path / "a.scored.csv.gz", Format(Kind.CSV, Compression.GZIP)),
        (tmp_path / "b.scored.pq", Format(Kind.PARQUET)),
    ]


def test_stdin_goes_to_stdout() -> None:
    assert targets(plan("-")) == [(None, None)]
    assert targets(plan("-", format=Format(Kind.CSV, Compression.GZIP))) == [(None, Format(Kind.CSV))]


def test_the_format_follows_the_output(tmp_path: Path) -> None:
    assert targets(plan("a.csv", output=tmp_path / "b.parquet")) == [(tmp_path / "b.parquet", Format(Kind.PARQUET))]
    assert targets(plan("a.csv.gz", output="-")) == [(None, Format(Kind.CSV))]


def test_several_into_a_folder(tmp_path: Path) -> None:
    jobs = plan("x/a.csv", "y/b.txt", output=tmp_path)
    assert [job.target.path for job in jobs] == [tmp_path / "a.csv", tmp_path / "b.txt"]


def test_a_device_is_written_to_and_not_replaced() -> None:
    [job] = plan("a.csv", output=os.devnull, force=True)
    assert job.target == Target(Path(os.devnull), Format(Kind.CSV), device=True)


def test_an_odd_name_takes_the_format_option(tmp_path: Path) -> None:
    [job] = plan(tmp_path / "a.dat", format=Format(Kind.CSV))
    assert job.target == Target(tmp_path / "a.scored.dat", Format(Kind.CSV))


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["a.csv", "a.csv"], None, "a.csv: given twice"),
        (["a.dat"], None, "a.dat: its name does not tell a format .* give --format"),
        (["a.csv"], "b.dat", "--output b.dat: its name does not tell a format"),
        (["a.csv", "b.csv"], "c.csv", "2 inputs need a folder"),
        (["a.csv", "b.csv"], "-", "2 inputs need a folder"),
        (["x/a.csv", "y/a.csv"], ".", "x/a.csv and y/a.csv would both go there"),
        (["-"], ".", "stdin have no name there"),
        (["a.csv"], "a.csv", "a.csv: is the input itself"),
        (["a.csv"], "x/../a.csv", "is the input itself"),
    ],
)
def test_what_does_not_fit_together(
    inputs: list[str], output: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
    (tmp_path / "a.dat").touch()
    with pytest.raises(UsageError, match=message):
        plan(*inputs, output=output, force=True)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_an_output_that_is_a_link_to_the_input(tmp_path: Path, link: Any) -> None:
    (tmp_path / "a.csv").write_text("text\n")
    link(tmp_path / "b.csv", tmp_path / "a.csv")
    with pytest.raises(UsageError, match=r"b\.csv: is the input itself"):
        plan(tmp_path / "a.csv", output=tmp_path / "b.csv", force=True)


def test_an_existing_output_needs_force(tmp_path: Path) -> None:
    (tmp_path / "a.scored.csv").touch()
    with pytest.raises(OutputError, match=r"a\.scored\.csv: exists already: give --force"):
        plan(tmp_path / "a.csv")
    assert len(plan(tmp_path / "a.csv", force=True)) == 1


def test_an_output_without_a_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"there is no folder .*: make it first"):
        plan("a.csv", output=tmp_path / "no" / "b.csv")


def test_a_folder_in_the_place_of_an_output(tmp_path: Path) -> None:
    (tmp_path / "a.scored.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        plan(tmp_path / "a.csv", force=True)


def test_whole_files_go_to_stdout_as_csv_or_to_one_output(tmp_path: Path) -> None:
    assert plan_whole(["a", "b"], output=None, force=False).target == Target(None, Format(Kind.CSV))
    path = tmp_path / "c.parquet"
    assert plan_whole(["a", "b"], output=str(path), force=False).target == Target(path, Format(Kind.PARQUET))
    path.touch()
    with pytest.raises(OutputError, match="exists already"):
        plan_whole(["a", "b"], output=str(path), force=False)


def test_only_force_replaces_an_output_that_appears_later(tmp_path: Path) -> None:
    assert [plan(tmp_path / "a.csv", force=force)[0].target.replace for force in (False, True)] == [False, True]
    assert not plan(tmp_path / "a.csv", skip_existing=True)[0].target.replace
    whole = [plan_whole(["a"], output=str(tmp_path / "b.csv"), force=force) for force in (False, True)]
    assert [job.target.replace for job in whole] == [False, True]


def test_one_that_exists_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.scored.csv").touch()
    [job] = plan(tmp_path / "a.csv", skip_existing=True)
    assert job.target.exists


class TestNames:
    def test_an_empty_output_is_not_the_current_folder(self) -> None:
        with pytest.raises(UsageError, match="--output is empty: name a file"):
            plan("a.csv", output="")
        with pytest.raises(UsageError, match="--output is empty"):
            plan_whole(["a.csv"], output="", force=False)

    @pytest.mark.parametrize("name", ["n" * 252 + ".csv", "folder/" * 600 + "a.csv", "n" * 256 + "/a.csv"])
    def test_one_that_no_file_can_have(self, name: str) -> None:
        for plan_one in (
            lambda: plan("a.csv", output=name),
            lambda: plan("a.csv", "b.csv", output=name),
            lambda: plan_whole(["a.csv"], output=name, force=False),
        ):
            with pytest.raises(OutputError, match=r"n?/?a?\.csv: the name is too long .* give a shorter --output"):
                plan_one()
        for plan_one in (lambda: plan(name), lambda: plan_whole([name], output=None, force=False)):
            with pytest.raises(InputError, match="name is too long"):
                plan_one()

    def test_a_default_output_that_no_file_can_have(self, tmp_path: Path) -> None:
        path = tmp_path / ("n" * 251 + ".csv")
        path.touch()
        with pytest.raises(OutputError, match=r"n\.scored\.csv: the name is too long .* give a shorter --output"):
            plan(path)
        with pytest.raises(OutputError, match="too long"):
            plan(path, output=tmp_path, to=Format(Kind.PARQUET))
        assert len(plan(path, output=tmp_path / "short.csv")) == 1


class TestPlacesThatCannotBeLookedAt:
    @pytest.fixture
    def loop(self, tmp_path: Path) -> Path:
        (tmp_path / "loop.csv").symlink_to("loop.csv")
        return tmp_path / "loop.csv"

    def test_a_link_to_itself(self, tmp_path: Path, loop: Path) -> None:
        for plan_one in (lambda: plan(loop), lambda: plan_whole([str(loop)], output=None, force=False)):
            with pytest.raises(InputError, match=r"loop\.csv: cannot be read: Too many levels of symbolic links"):
                plan_one()
        for force in (False, True):
            with pytest.raises(OutputError, match=r"loop\.csv: cannot be written \(Too many levels"):
                plan(tmp_path / "a.csv", output=loop, force=force)

    @pytest.mark.skipif(os.name == "nt", reason="there are no such rights there")
    def test_a_folder_that_may_not_be_looked_into(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        stat = os.stat

        def refuse(path: Any, **options: Any) -> os.stat_result:  # what root is never told
            if "secret" in Path(path).parts:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return stat(path, **options)

        monkeypatch.setattr(os, "stat", refuse)
        secret = tmp_path / "secret" / "a.csv"
        for name in (secret, secret.with_suffix("")):
            with pytest.raises(InputError, match="permission denied: check who may read it"):
                plan(name)
        for output in (secret, secret.parent / "b"):
            with pytest.raises(OutputError, match=r"cannot be written .*: choose another place"):
                plan(tmp_path / "a.csv", output=output)

    @pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="no such folder there")
    def test_what_is_open_needs_an_output(self, tmp_path: Path) -> None:
        with (tmp_path / "a.csv").open("wb") as file:
            for name in (f"/dev/fd/{file.fileno()}", f"/proc/self/fd/{file.fileno()}", "/dev/stdin"):
                if Path(name).parent.is_dir():
                    with pytest.raises(UsageError, match="give an --output"):
                        plan(name, format=Format(Kind.CSV))
                    assert plan(name, output="-", format=Format(Kind.CSV))


class TestFolders:
    @pytest.fixture(autouse=True)
    def _lake(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("lake/dt=1/a.csv", "lake/dt=1/b.csv.gz", "lake/dt=2/a.csv", "lake/c.doc", "more/a.csv"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("text\n")
        monkeypatch.chdir(tmp_path)

    @pytest.mark.parametrize(
        ("inputs", "output", "places"),
        [
            (["lake"], None, ["lake.scored/dt=1/a.csv", "lake.scored/dt=1/b.csv.gz", "lake.scored/dt=2/a.csv"]),
            (["lake/"], "out", ["out/dt=1/a.csv", "out/dt=1/b.csv.gz", "out/dt=2/a.csv"]),
            (["lake/**/a.csv"], "out/", ["out/dt=1/a.csv", "out/dt=2/a.csv"]),
            (["lake/dt=1/*.csv"], None, ["lake/dt=1.scored/a.csv"]),
            (["lake/dt=1/b.csv.gz", "more"], "out", ["out/b.csv.gz", "out/a.csv"]),
            (["lake/dt=2", "more/a.csv"], None, ["lake/dt=2.scored/a.csv", "more/a.scored.csv"]),
            (["more/a.csv"], "out/", ["out/a.csv"]),
            (["more/a.csv"], "lake", ["lake/a.csv"]),
            (["lake"], "lake/out", ["lake/out/dt=1/a.csv", "lake/out/dt=1/b.csv.gz", "lake/out/dt=2/a.csv"]),
        ],
    )
    def test_the_tree_of_the_inputs_is_that_of_the_outputs(
        self, inputs: list[str], output: str | None, places: list[str]
    ) -> None:
        jobs = plan(*inputs, output=output)
        assert [str(job.target.path) for job in jobs] == places
        assert not Path("out").exists()  # before there is an output

    def test_the_current_folder_has_a_name_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path / "more")
        [job] = plan(".")
        assert (job.name, job.target.path) == ("a.csv", tmp_path / "more.scored" / "a.csv")

    @pytest.mark.parametrize(
        ("inputs", "output", "message"),
        [
            (["lake", "more"], None, None),
            (["lake/dt=1", "lake/dt=2"], "out", "out/a.csv: lake/dt=1/a.csv and lake/dt=2/a.csv would both go there"),
            (["lake"], "-", "--output -: a folder's outputs need a folder"),
            (["lake"], "lake", "lake: is the folder of the inputs itself"),
            (["lake/dt=1/*.csv"], "lake/dt=1", "is the folder of the inputs itself"),
            (["lake", "more/a.csv"], "more", "more/a.csv: is the input itself"),
            (["more/a.csv", "lake/dt=2/a.csv"], "all.csv", "2 inputs need a folder: end its name in /"),
        ],
    )
    def test_what_does_not_fit_together(self, inputs: list[str], output: str | None, message: str | None) -> None:
        if message is None:
            assert len(plan(*inputs, output=output)) == 4
            return
        with pytest.raises(UsageError, match=message):
            plan(*inputs, output=output, force=True)

    def test_outputs_that_would_be_inputs_of_the_next_night(self, tmp_path: Path) -> None:
        (tmp_path / "lake" / "lake").mkdir()
        (tmp_path / "lake" / "lake" / "d.csv").touch()
        with pytest.raises(UsageError, match=r"lake/d\.csv: would lie among the inputs in lake"):
            plan("lake", output=".")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("none/*.csv", "no such file, and as a pattern it matches none"),
            ("lake/*.doc", "it matches none; left out: 1 of unknown formats .give --format"),
            ("empty", "empty: holds no file to score .*: check the path"),
            ("foo://bucket/in", "foo is no store that is known"),
        ],
    )
    def test_nothing_to_score(self, tmp_path: Path, name: str, message: str) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match=message):
            plan(name)
        if "empty" not in name:
            with pytest.raises(InputError, match=message):
                plan("more", name, output="out")

    def test_an_output_folder_that_cannot_be_made(self) -> None:
        for output, message in (("more/a.csv/x", "more/a.csv is no folder"), ("file://host/a", "of this machine")):
            with pytest.raises(OutputError, match=message):
                plan("lake", output=output)
        with pytest.raises(UsageError, match="foo is no store that is known"):
            plan("lake", output="foo://bucket/")

    def test_the_outputs_may_have_another_format(self) -> None:
        to = Format(Kind.TSV, Compression.ZSTD)
        jobs = plan("lake/dt=2*", "more/a.csv", to=to)
        assert targets(jobs) == [(Path("lake.scored/dt=2/a.tsv.zst"), to), (Path("more/a.scored.tsv.zst"), to)]
        assert plan("more/a.csv", output="-", to=to)[0].target == Target(None, to)
        Path("more/a.csv.gz").touch()
        with pytest.raises(
            UsageError, match=r"more.scored/a.tsv.zst: more/a.csv and more/a.csv.gz would both go there"
        ):
            plan("more", to=to)
        with pytest.raises(UsageError, match=r"--to: the name of --output b\.csv tells its format"):
            plan("more/a.csv", output="b.csv", to=to)

    def test_the_format_option_takes_files_of_any_name(self) -> None:
        assert [job.target.path.name for job in plan("lake", format=Format(Kind.CSV)) if job.target.path] == [
            "c.doc",
            "a.csv",
            "b.csv.gz",
            "a.csv",
        ]

    def test_outputs_that_exist(self) -> None:
        Path("lake.scored/dt=2").mkdir(parents=True)
        Path("lake.scored/dt=2/a.csv").touch()
        with pytest.raises(OutputError, match=r"lake.scored/dt=2/a.csv: exists already: .* --skip-existing"):
            plan("lake")
        found = plan_jobs(["lake"], output=None, format=None, force=False, skip_existing=True)
        assert (found.files, found.existing, found.pending, found.size) == (3, 1, 2, 15)
        assert found.left_out.unknown == 1
        assert [job.target.replace for job in plan("lake", force=True)] == [True] * 3

    def test_whole_files_of_a_folder_are_one_table(self) -> None:
        job = plan_whole(["lake", "more/*"], output=None, force=False)
        assert job.inputs == ("lake/c.doc", "lake/dt=1/a.csv", "lake/dt=1/b.csv.gz", "lake/dt=2/a.csv", "more/a.csv")
