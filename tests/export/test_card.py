from __future__ import annotations

import pytest

from sentscore.model.artifact import find_artifacts, load_artifact
from sentscore_export.card import TRIALS, model_card


@pytest.mark.parametrize("folder", find_artifacts(), ids=lambda folder: folder.name)
def test_a_shipped_card_is_the_one_of_its_manifest(folder) -> None:
    card = model_card(load_artifact(folder).manifest, has_plot=(folder / "plots" / "curves.svg").is_file())
    assert (folder / "README.md").read_text(encoding="utf-8") == card


def test_the_card_gives_the_manifests_figures() -> None:
    manifest = load_artifact("gru").manifest
    card = model_card(manifest, has_plot=True)
    test = manifest.metrics["test"]
    for name, each in {"all": test, **test["by"]["source"]}.items():
        low, high = each["accuracy_interval"]
        assert f"| test, {name} | {each['accuracy']:.2%} | {low:.2%} to {high:.2%} | {each['auc']:.4f} |" in card
    assert f"| test | {manifest.calibration['temperature']:.4f} | {test['loss']:.4f} |" in card
    assert f"| test | 1.0000 | {test['uncalibrated']['loss']:.4f} |" in card
    for precision, measured in manifest.precisions.items():
        assert f"\n## {precision}\n" in card
        assert f"| validation | {measured['accuracy']:.2%} | {measured['accuracy_fp32']:.2%} |" in card
    assert TRIALS.read_text(encoding="utf-8") in card
    assert "(plots/curves.svg)" in card


def test_a_card_without_plot_and_trials_has_neither() -> None:
    manifest = load_artifact("gru").manifest
    manifest.recipe["preset"] = "notebook"
    card = model_card(manifest, has_plot=False)
    assert "curves.svg" not in card
    assert "What was tried" not in card
