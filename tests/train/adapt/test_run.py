from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sentscore import Scorer, UsageError
from sentscore.model.artifact import load_artifact
from sentscore.progress import Progress
from sentscore_export.export import export
from sentscore_export.parity import ParityConfig
from sentscore_train.adapt import run
from sentscore_train.adapt.config import AdaptConfig
from sentscore_train.adapt.job import Job
from sentscore_train.adapt.run import adapt, export_stage
from sentscore_train.models.classifier import Dropout
from sentscore_train.release import Stage
from sentscore_train.training import checkpoint

sys.path.insert(0, str(Path(__file__).parent))
from _reviews import make_source

CPU = torch.device("cpu")
CONFIG = AdaptConfig(held_out=0.25, epochs=4, batch_size=8, learning_rate=2e-2, pull=0.1, dropout=Dropout())


class Killer:
    """Interrupts a run at its nth report of an epoch."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, progress: Progress) -> None:
        self.left -= progress.phase.startswith("epoch")
        if not self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def start(make_run, tmp_path_factory) -> Path:
    """An exported model with small weights: one with large ones is chaotic, and amplifies what floats round off."""
    run_dir = make_run("lstm")
    tensors = checkpoint.read_tensors(run_dir / "best.safetensors")
    checkpoint.write_tensors(run_dir / "best.safetensors", {name: 0.4 * tensor for name, tensor in tensors.items()})
    out = tmp_path_factory.mktemp("start") / "lstm"
    export(run_dir, out, parity=ParityConfig(batches=2, max_batch=4, max_tokens=20))
    return out


@pytest.fixture
def job(start: Path, tmp_path: Path) -> Job:
    return Job(str(start), tmp_path / "mine", tmp_path / "mine.run")


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    """The exports that were asked for, none of which runs."""
    stages: list[Stage] = []
    monkeypatch.setattr(run, "run_stage", lambda stage, descriptor: stages.append(stage))
    return stages


def test_a_model_learns_what_its_users_words_mean(job) -> None:
    source, further = make_source(count=400), make_source("more", 100, seed=1)
    announced: list[Stage] = []
    change = adapt(job, [source], [further], CONFIG, device=CPU, announce=announced.append)
    assert change.before.accuracy < 0.7
    assert change.after.accuracy > 0.95
    assert [stage.name for stage in announced] == ["export"]
    artifact = load_artifact(job.output)
    assert set(artifact.graphs) == {"fp32", "int8"}
    scorer = Scorer.load(job.output, device="cpu")
    unseen = make_source(seed=2)
    assert ((scorer.score(unseen.texts) > 0.5) == (unseen.labels == 1)).mean() > 0.95
    manifest = artifact.manifest
    assert manifest.metrics["validation before"]["accuracy"] == change.before.accuracy
    assert manifest.metrics["validation"]["accuracy"] == pytest.approx(change.after.accuracy)
    assert (manifest.data["train"], manifest.data["validation"], manifest.data["unlabelled"]) == (300, 100, 100)
    assert manifest.recipe["start"].startswith("lstm@")
    begun = load_artifact(job.model)
    assert manifest.data["start"] == {
        "name": "lstm",
        "manifest_sha256": begun.manifest_sha256,
        "data": begun.manifest.data,
    }


def test_a_killed_run_carries_on_to_the_same_weights(job, exported, tmp_path) -> None:
    source = make_source()
    whole = replace(job, run_dir=tmp_path / "whole.run")
    often = replace(CONFIG, checkpoint_every_s=0.0)
    adapt(whole, [source], [], CONFIG, device=CPU)
    with pytest.raises(KeyboardInterrupt):
        adapt(job, [source], [], often, device=CPU, report=Killer(50))
    with pytest.raises(UsageError, match="--resume"):
        adapt(job, [source], [], CONFIG, device=CPU)
    resumed = replace(job, resume=True)
    seen: list[int] = []
    adapt(resumed, [source], [], CONFIG, device=CPU, report=lambda progress: seen.append(progress.phase == "epoch 1/4"))
    assert not any(seen)
    first, second = (checkpoint.read_tensors(each.run_dir / "best.safetensors") for each in (whole, job))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert [stage.arguments[0] for stage in exported] == [str(whole.run_dir), str(job.run_dir)]


def test_a_run_is_not_carried_on_with_other_reviews_or_settings(job, exported) -> None:
    adapt(job, [make_source()], [], CONFIG, device=CPU)
    resumed = replace(job, resume=True)
    with pytest.raises(UsageError, match="another reviews"):
        adapt(resumed, [make_source(seed=5)], [], CONFIG, device=CPU)
    with pytest.raises(UsageError, match="another epochs"):
        adapt(resumed, [make_source()], [], replace(CONFIG, epochs=9), device=CPU)
    adapt(replace(job, force=True), [make_source(seed=5)], [], CONFIG, device=CPU)
    assert len(exported) == 2


def test_the_held_out_reviews_do_not_move_the_weights(job, exported, tmp_path) -> None:
    """The same division with other held-out texts gives the same model but for the temperature."""
    found = []
    for seed in (0, 1):
        source = make_source(count=300)
        source = replace(source, validation=np.arange(300) >= 240)
        for row in range(240, 300):
            source.texts[row] = f"the film {'sturdy' if source.labels[row] else 'flimsy'} other{seed} {row}"
        run_dir = tmp_path / f"{seed}.run"
        adapt(replace(job, run_dir=run_dir), [source], [], replace(CONFIG, epochs=1), device=CPU)
        found.append(checkpoint.read_tensors(run_dir / "best.safetensors"))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_the_export_has_the_jobs_name_and_replaces_only_by_force(job) -> None:
    assert "--force" not in export_stage(job).arguments
    stage = export_stage(replace(job, name="shop", force=True))
    assert stage.program == "sentscore-export"
    assert stage.arguments[:2] == (str(job.run_dir), str(job.output))
    assert "--force" in stage.arguments
    assert stage.arguments[stage.arguments.index("--name") + 1] == "shop"
