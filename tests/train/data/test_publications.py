from __future__ import annotations

from sentscore_train.data.publications import find_publication


def test_a_published_table_is_known_by_its_texts() -> None:
    found = find_publication("f34281cfe09416d1377fd0575678b744e32acc94e8710c7dfbd444925265617f")
    assert found is not None
    assert "Liu et al. 2017" in found.citation
    assert find_publication("0" * 64) is None
