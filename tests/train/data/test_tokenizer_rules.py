from __future__ import annotations

import subprocess
import sys

import pytest
import spacy
from spacy.tokenizer import Tokenizer

from sentscore.text.rules import RULES_FILE, stored_rules
from sentscore.text.tokenizer import Splitter
from sentscore_train.data.tokenizer_rules import read_rules


def test_the_stored_rules_are_those_of_the_installed_spacy() -> None:
    assert stored_rules().spacy_version == spacy.__version__
    assert stored_rules() == read_rules(spacy.blank("en").tokenizer)
    assert len(stored_rules().special_cases) > 1000


def test_the_command_prints_the_stored_file() -> None:
    command = [sys.executable, "-m", "sentscore_train.data.tokenizer_rules"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == RULES_FILE.read_text()


def test_patterns_are_those_of_spacy() -> None:
    rules, tokenizer = stored_rules(), spacy.blank("en").tokenizer
    assert rules.prefix == tokenizer.prefix_search.__self__
    assert rules.suffix == tokenizer.suffix_search.__self__
    assert rules.infix == tokenizer.infix_finditer.__self__
    assert rules.url == tokenizer.url_match.__self__


def test_all_special_cases_may_be_looked_for() -> None:
    tokenizer = spacy.blank("en").tokenizer
    tokenizer.faster_heuristics = False
    tokenizer.rules = tokenizer.rules  # adds them anew
    splitter, stored = Splitter(read_rules(tokenizer)), Splitter(stored_rules())
    special_cases = [word for word in tokenizer.rules if word.split() == [word]]
    words = [f"x-{word}-{after}" for word in special_cases for after in ("", "y.")]
    expected = [[token.text for token in tokenizer(word)] for word in words]
    assert expected != [stored.split(word) for word in words]
    assert [splitter.split(word) for word in words] == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prefix_search": None}, "searches by None"),
        ({"infix_finditer": lambda text: iter(())}, "searches by <function"),
        ({"token_match": str.isalpha}, "token_match"),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(changes, message) -> None:
    english = spacy.blank("en").tokenizer
    own = {
        name: getattr(english, name)
        for name in ("rules", "prefix_search", "suffix_search", "infix_finditer", "url_match")
    }
    with pytest.raises(ValueError, match=message):
        read_rules(Tokenizer(english.vocab, **{**own, **changes}))
