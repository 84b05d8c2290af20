from __future__ import annotations

from pathlib import Path

import pytest

from sentscore.cli.options import complete_model


def test_completion_offers_shipped_models_and_folders(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert complete_model("ls") == ["lstm"]
    assert complete_model("x") == []
    assert complete_model(f"{shipped.parent}/") == [str(shipped)]


@pytest.mark.parametrize("options", [(), ("a", "--bogus"), ("a", "--batch-tokens", "0"), ("a", "--device", "tpu")])
def test_wrong_options_exit_with_2(options: tuple[str, ...], invoke) -> None:
    result = invoke("file", *options)
    assert (result.exit_code, result.stdout) == (2, "")
