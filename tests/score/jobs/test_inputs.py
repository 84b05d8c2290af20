from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentscore.errors import InputError
from sentscore.jobs.inputs import Input, Inputs, LeftOut, _translate, parse_argument


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = [
        "lake/dt=1/b.parquet",
        "lake/dt=1/a.csv.gz",
        "lake/dt=1/_SUCCESS",
        "lake/dt=2/c.parquet",
        "lake/dt=2/.crc/d.parquet",
        "lake/dt=2.csv",
        "lake/notes.doc",
        "lake/e.scored.csv",
        "lake/old.scored/f.csv",
        "[1].csv",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lake"


def relative(argument: str, **options: bool) -> list[str]:
    return [found.relative for found in Inputs(parse_argument(argument), **options)]


ALL = ["dt=1/a.csv.gz", "dt=1/b.parquet", "dt=2.csv", "dt=2/c.parquet"]


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("lake", ALL),
        ("lake/", ALL),
        (".", ["[1].csv", *(f"lake/{name}" for name in ALL)]),
        ("lake/**", ALL),
        ("lake/**/*.parquet", ["dt=1/b.parquet", "dt=2/c.parquet"]),
        ("lake/*/*.parquet", ["dt=1/b.parquet", "dt=2/c.parquet"]),
        ("lake/*.csv", ["dt=2.csv"]),
        ("lake/dt=[!2]*", ["dt=1/a.csv.gz", "dt=1/b.parquet"]),
        ("lake/dt=?/?.*", ["dt=1/a.csv.gz", "dt=1/b.parquet", "dt=2/c.parquet"]),
        ("l*/dt=2/**/c.parquet", ["lake/dt=2/c.parquet"]),
        ("lake/*.scored.csv", ["e.scored.csv"]),
        ("lake/dt=2/.*/*", [".crc/d.parquet"]),
        ("lake/none/*.csv", []),
        ("lake/dt=1[!x]a.csv.gz", []),
        ("lake/[]", []),
        ("[1].csv", ["[1].csv"]),
        ("lake/dt=1/b.parquet", ["b.parquet"]),
    ],
)
def test_what_an_argument_stands_for(lake: Path, argument: str, found: list[str]) -> None:
    assert relative(argument) == found


def test_files_are_sorted_by_their_whole_paths(lake: Path) -> None:
    found = relative("lake")
    assert found == sorted(found)


def test_what_is_left_out_is_counted(lake: Path) -> None:
    inputs = Inputs(parse_argument("lake"))
    for _ in range(2):  # by each listing anew
        list(inputs)
        assert inputs.left_out == LeftOut(hidden=2, unknown=1, own=2)
    assert inputs.left_out.describe() == (
        "2 with names that begin with . or _, 1 of unknown formats, 2 outputs of sentscore"
    )
    assert LeftOut().describe() == ""


def test_any_format_takes_names_that_tell_none(lake: Path) -> None:
    assert relative("lake", any_format=True) == sorted([*ALL, "notes.doc"])


def test_a_file_has_its_size_and_version(lake: Path) -> None:
    [found] = Inputs(parse_argument("lake/dt=2"))
    path = lake / "dt=2" / "c.parquet"
    assert found == Input("lake/dt=2/c.parquet", "c.parquet", 5, str(path.stat().st_mtime_ns), "lake/dt=2")
    assert list(Inputs(parse_argument("-"))) == [Input("-", "-")]
    assert list(Inputs(parse_argument("none.csv"))) == [Input("none.csv", "none.csv")]


def test_a_folder_of_outputs_is_left_out_where_it_lies_inside(lake: Path) -> None:
    inputs = Inputs(parse_argument("lake"), excluded=lake / "dt=1")
    assert [found.relative for found in inputs] == ["dt=2.csv", "dt=2/c.parquet"]
    assert inputs.left_out.own == 3


def test_links_are_followed_but_not_round_and_round(lake: Path) -> None:
    (lake / "dt=1" / "up").symlink_to("..")
    (lake / "more").symlink_to(lake / "dt=2")
    (lake / "gone.csv").symlink_to("nowhere")
    inputs = Inputs(parse_argument("lake"))
    assert [found.relative for found in inputs] == [*ALL, "gone.csv", "more/c.parquet"]
    assert inputs.left_out.looped == 1


def test_what_is_no_file_is_left_out(lake: Path) -> None:
    os.mkfifo(lake / "pipe.csv")
    assert relative("lake") == ALL


def test_uris_of_this_machine_are_paths(lake: Path) -> None:
    (lake / "a b%.csv").touch()
    for uri in (f"file://{lake}/a%20b%25.csv", f"file:{lake}/a%20b%25.csv", f"FILE://localhost{lake}/a%20b%25.csv"):
        assert parse_argument(uri).name == str(lake / "a b%.csv")
    assert parse_argument(f"file://{lake}/dt%3D1").root == lake / "dt=1"
    assert parse_argument(f"file://{lake}/**/*.csv").root == lake


@pytest.mark.parametrize(
    ("uri", "message"),
    [("foo://bucket/in", "foo is no store that is known"), ("file://host/in", "is on the host host")],
)
def test_other_uris_are_refused(uri: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_argument(uri)


def test_a_folder_that_may_not_be_listed(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:  # what root is never told
        if path.endswith("dt=2"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match="lake/dt=2: permission denied: check who may read it"):
        relative("lake")


def test_files_are_listed_one_by_one(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(path), scandir(path))[1])
    found = iter(Inputs(parse_argument("lake")))
    assert next(found).relative == "dt=1/a.csv.gz"
    assert listed == ["lake", "lake/dt=1"]


@given(st.text("ab[]!^*?-\\&|~.", max_size=8), st.text("ab[]!^-\\&|~.", max_size=5))
def test_patterns_match_what_those_of_the_shell_do(pattern: str, name: str) -> None:
    import re
    from fnmatch import fnmatchcase

    if pattern != "**":
        assert (re.fullmatch(_translate((pattern,)), name) is not None) == fnmatchcase(name, pattern)
