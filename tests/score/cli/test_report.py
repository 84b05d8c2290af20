from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sentscore.cli.report import report


@pytest.fixture
def scored(write_scored: Callable[..., Path]) -> Path:
    random = np.random.default_rng(0)
    return write_scored("scored.parquet", [f"film {row}" for row in range(300)], {"lstm": random.beta(4, 2, 300)})


@pytest.fixture
def earlier(write_scored: Callable[..., Path]) -> Path:
    random = np.random.default_rng(1)
    return write_scored("earlier.parquet", [f"film {row}" for row in range(300)], {"lstm": random.beta(2, 4, 300)})


def test_a_page_is_written_beside_the_file_and_replaced(scored: Path, invoke) -> None:
    page = scored.with_name("scored.report.html")
    for texts in (1, 2):
        result = invoke("report", scored, "--texts", texts)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.startswith(f"{page}: 300 rows, 0 without a score, ")
        assert page.read_text(encoding="utf-8").count("the most positive, text".capitalize()) == texts
    assert sorted(each.name for each in scored.parent.iterdir()) == ["scored.parquet", "scored.report.html"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 0, "Drift: the distribution of the score"),
        (["--fail-on-drift"], 7, "Drift: the distribution of the score"),
        (["--fail-on-drift", "--drift-psi", "9"], 0, "No drift: no index reaches the limit of 9"),
    ],
)
def test_drift_ends_with_an_exit_code_where_it_is_asked_to(
    scored: Path, earlier: Path, invoke, options: list[str], code: int, said: str
) -> None:
    result = invoke("report", scored, "--against", earlier, *options)
    assert result.exit_code == code
    assert said in result.stderr
    assert scored.with_name("scored.report.html").exists()


def test_files_that_cannot_be_compared_do_not_pass_for_alike(
    scored: Path, write_scored: Callable[..., Path], invoke, assert_one_line
) -> None:
    empty = write_scored("empty.parquet", [None], {"lstm": [np.nan]})
    result = invoke("report", empty, "--against", scored)
    assert (result.exit_code, "Nothing could be compared." in result.stderr) == (0, True)
    result = invoke("report", empty, "--against", scored, "--fail-on-drift")
    assert result.exit_code == 3
    assert f"{scored}: nothing could be compared, for it or {empty} has no scores" in result.stderr


def test_the_same_file_is_no_drift(scored: Path, invoke) -> None:
    result = invoke("report", scored, "--against", scored, "--fail-on-drift")
    assert result.exit_code == 0
    assert "No drift" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--by", "shop"], 3, "no column 'shop' for --by; it has 'review', 'score', 'sentiment'"),
        (["--time", "day"], 3, "no column 'day' for --time; it has"),
        (["--time", "review"], 3, "column 'review' is no time .* for --time; it has to hold dates"),
        (["--against", "missing.parquet"], 3, "missing.parquet: .*"),
        (["--fail-on-drift"], 2, "--fail-on-drift: there is nothing to compare with"),
        (["--model", "nothing"], 4, "no such model"),
    ],
)
def test_errors(scored: Path, invoke, assert_one_line, options: list[str], code: int, message: str) -> None:
    assert_one_line(invoke("report", scored, "--column", "review", *options), code, message)
    assert [each.name for each in scored.parent.iterdir()] == ["scored.parquet"]


def test_files_that_are_not_scored_or_not_there(tmp_path: Path, reviews: Path, invoke, assert_one_line) -> None:
    assert_one_line(invoke("report", reviews), 3, "no column of scores; it has 'id', 'review': score it with")
    assert_one_line(invoke("report", tmp_path / "x.parquet"), 3, "x.parquet: ")
    assert_one_line(invoke("report", tmp_path), 3, "")


def test_a_page_replaces_nothing_but_a_page(
    scored: Path, earlier: Path, reviews: Path, invoke, assert_one_line
) -> None:
    index = scored.with_name("index.html")
    index.write_text('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n<title>Mine</title>')
    before = {path: path.read_bytes() for path in (scored, earlier, reviews, index)}
    assert_one_line(invoke("report", scored, "-o", scored), 2, "is an input: name another file")
    assert_one_line(invoke("report", scored, "--against", earlier, "-o", earlier), 2, "is an input")
    assert_one_line(invoke("report", scored, "-o", reviews), 6, "is there and is no page of sentscore")
    assert_one_line(invoke("report", scored, "-o", index), 6, "index.html: is there and is no page of sentscore")
    assert_one_line(invoke("report", scored, "-o", scored.parent), 6, "is no file: name a file for the page")
    assert {path: path.read_bytes() for path in before} == before


def test_the_extra_is_checked_before_anything_is_read(
    tmp_path: Path, invoke, assert_one_line, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "vl_convert" else find_spec(name, *rest)
    )
    message = r"vl_convert is not installed: pip install 'sentscore\[report\]'"
    assert_one_line(invoke("report", tmp_path / "not there.parquet"), 2, message)


def test_it_is_importable(scored: Path, tmp_path: Path) -> None:
    made = report([str(scored)], output=tmp_path / "new" / "page.html")
    assert made.rows == 300
    assert (tmp_path / "new" / "page.html").read_bytes() == made.page
