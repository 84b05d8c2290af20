from __future__ import annotations

import pytest

import sentscore


def test_the_public_names_are_these_and_all_of_them_are_there() -> None:
    assert sentscore.__all__ == [
        "ArtifactError", "DeviceError", "InputError", "OutputError", "Scorer", "SentscoreError", "UsageError",
        "__version__",
    ]  # fmt: skip
    assert all(hasattr(sentscore, name) for name in sentscore.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = sentscore.nothing
