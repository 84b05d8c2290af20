from __future__ import annotations

import pytest

from sentscore import ArtifactError
from sentscore.text import rules
from sentscore.text.rules import stored_rules


def test_rules_of_another_format_are_refused(tmp_path, monkeypatch) -> None:
    path = tmp_path / "rules.json"
    path.write_text(rules.RULES_FILE.read_text().replace('"format_version": 3', '"format_version": 2'))
    monkeypatch.setattr(rules, "RULES_FILE", path)
    with pytest.raises(ArtifactError, match=r"rules\.json: format version 2, but this sentscore reads 3"):
        stored_rules.__wrapped__()
