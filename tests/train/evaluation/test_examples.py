from __future__ import annotations

import numpy as np

from sentscore_train.evaluation.examples import MOST_WORDS, find_errors, quote


def test_of_each_source_and_label_the_surest_and_a_typical_error_are_quoted() -> None:
    probabilities = np.array([0.9, 0.99, 0.6, 0.2, 0.4, 0.7, 0.1])
    labels = np.array([0, 0, 0, 0, 1, 1, 1], np.int8)
    texts = ["a", "b", "c", "d", "e", "f", "g"]
    found = find_errors(probabilities, labels, texts, ["film"] * 4 + ["shop"] * 3)
    assert [(each.source, each.label, each.quote, each.probability) for each in found] == [
        ("film", 0, "b", 0.99),
        ("film", 0, "a", 0.9),
        ("shop", 1, "g", 0.1),
        ("shop", 1, "e", 0.4),
    ]


def test_a_text_that_is_not_given_is_not_quoted() -> None:
    found = find_errors(np.array([0.9, 0.8]), np.array([0, 0], np.int8), ["", "dull"], ["mine", "mine"])
    assert [each.quote for each in found] == ["dull"]


def test_a_quote_has_the_last_words_without_markup() -> None:
    assert quote("Too long.<br /><br />Not bad &amp; not good") == "Too long. Not bad & not good"
    words = [str(number) for number in range(MOST_WORDS + 5)]
    assert quote(" ".join(words)).split() == ["…", *words[5:]]
    assert quote(" ".join(words[5:])).split() == words[5:]
