from __future__ import annotations

from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data import vocabulary as module
from sentscore_train.data.vocabulary import add_tokens, build_vocabulary, count_tokens


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


def test_further_tokens_come_behind_those_that_keep_their_ids() -> None:
    known = build_vocabulary(["b a a"])
    counts = count_tokens(["c c <unk> B d d D &amp; &amp; e"], known)
    assert counts["b"] == 1
    longer = add_tokens(known, counts, most=2, least=2)
    assert longer.tokens == ("<unk>", "<pad>", "a", "b", "d", "&")
    assert (longer.lowercase, longer.html_entities) == (True, True)
    assert add_tokens(known, counts, most=9, least=2).tokens[6:] == ("c",)


def test_tokens_are_counted_as_the_vocabulary_makes_them() -> None:
    cased = Vocabulary(("<unk>", "<pad>"), lowercase=False)
    assert count_tokens(["A a &amp;"], cased) == {"A": 1, "a": 1, "&": 1, "amp": 1, ";": 1}
