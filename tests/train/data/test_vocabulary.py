from __future__ import annotations

from sentscore_train.data import vocabulary as module
from sentscore_train.data.vocabulary import build_vocabulary


def test_the_most_frequent_tokens_come_first_and_ties_by_alphabet(monkeypatch) -> None:
    monkeypatch.setattr(module, "_CORPUS_STEP", 2)
    vocabulary = build_vocabulary(["A film.<br />A film!", "a b", "it isn't a film"], size=4)
    assert vocabulary.tokens == ("<unk>", "<pad>", "a", "film", "!", ".")
    assert (vocabulary.unk_id, vocabulary.pad_id, vocabulary.lowercase) == (0, 1, True)


def test_case_can_be_kept() -> None:
    assert set(build_vocabulary(["A a"], lowercase=False).tokens) == {"<unk>", "<pad>", "A", "a"}


def test_texts_cannot_bring_the_special_tokens_twice() -> None:
    tokens = build_vocabulary(["<unk> <pad> <unk> x"]).tokens
    assert len(tokens) == len(set(tokens))
