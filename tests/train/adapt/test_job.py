from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sentscore import OutputError, UsageError
from sentscore_train.adapt.job import Job, check_output


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("lstm", tmp_path / "mine", tmp_path / "mine.run")


def test_a_model_that_exists_is_replaced_only_by_force(job) -> None:
    check_output(job)
    job.output.mkdir()
    with pytest.raises(OutputError, match="--force"):
        check_output(job)
    check_output(replace(job, force=True))


def test_a_run_is_carried_on_or_replaced_only_if_that_is_said(job) -> None:
    job.run_dir.mkdir()
    check_output(job)
    (job.run_dir / "resume.json").touch()
    with pytest.raises(UsageError, match="--resume"):
        check_output(job)
    check_output(replace(job, resume=True))
    check_output(replace(job, force=True))


def test_the_run_has_a_folder_of_its_own(job) -> None:
    with pytest.raises(UsageError, match="is the --output too"):
        check_output(replace(job, run_dir=job.output))
