"""A short attack with generated input; `python tests/fuzz/run.py --cases 100000` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from _driver import fuzz
from _model import CELLS, make_models
from _worker import KINDS, make_case

CASES = 120
SEED = 13


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models")
    make_models(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_generated_cases_end_as_promised_and_lose_no_row(kind: str, models: Path) -> None:
    report = fuzz([kind], CASES, SEED, models, installed_every=100)

    assert report.cases[kind] == CASES
    assert not report.failures, "\n".join(map(str, report.failures))


def test_a_worker_that_is_killed_is_a_crash_and_leaves_no_folder(tmp_path, monkeypatch) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os, sys\n"
        "root = sys.argv[sys.argv.index('--root') + 1]\n"
        f"open({str(tmp_path / 'root')!r}, 'w').write(root)\n"
        "os.mkdir(root + '/case')\n"
        'print(\'{"begun": 0, "flavour": "odd"}\', flush=True)\n'
        "os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.setattr("_driver._RUN", worker)

    [failure] = fuzz(["csv"], 1, SEED, tmp_path).failures

    assert [group for group, _ in failure.complaints] == ["crash"]
    assert not Path((tmp_path / "root").read_text()).exists()


def test_a_case_is_what_its_kind_seed_and_number_say(models: Path) -> None:
    def make(kind: str) -> list[tuple[str, str, str, dict[bytes, bytes]]]:
        cases = [make_case(kind, SEED, number, models) for number in range(40)]
        return [(case.model, case.precision, case.flavour, case.files) for case in cases]

    for kind in KINDS:
        first = make(kind)
        assert first == make(kind)
        assert {each[:2] for each in first} == {(cell, precision) for cell in CELLS for precision in ("fp32", "int8")}
