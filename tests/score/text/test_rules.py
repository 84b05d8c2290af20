from __future__ import annotations

import json
import subprocess
import sys

import pytest
import spacy

from sentscore.text import rules as tokenizer_rules
from sentscore.text.rules import Rules


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules.of_tokenizer(spacy.blank("en").tokenizer)


def test_the_copy_is_what_its_version_of_spacy_has(rules) -> None:
    # With another version installed the copy is not used; its rules may be others.
    assert Rules.stored(spacy.__version__) in (rules, None)
    made_of = json.loads(tokenizer_rules.COPY.read_text())["spacy"]
    copy = Rules.stored(made_of)
    assert copy is not None
    assert copy.known
    assert copy.words_are_alike
    assert len(copy.special) > 1000


def test_another_version_or_format_has_no_copy(rules, tmp_path, monkeypatch) -> None:
    assert Rules.stored("3.7.0") is None
    path = tmp_path / "rules.json"
    path.write_text(rules.to_json())
    monkeypatch.setattr(tokenizer_rules, "COPY", path)
    assert Rules.stored(rules.spacy) == rules
    path.write_text(rules.to_json().replace('"format_version": 2', '"format_version": 3'))
    assert Rules.stored(rules.spacy) is None


def test_the_command_prints_the_copy(rules) -> None:
    command = [sys.executable, "-m", "sentscore.text.rules"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == rules.to_json()


def test_patterns_are_those_of_spacy(rules) -> None:
    tokenizer = spacy.blank("en").tokenizer
    assert rules.prefix == tokenizer.prefix_search.__self__
    assert rules.suffix == tokenizer.suffix_search.__self__
    assert rules.infix == tokenizer.infix_finditer.__self__
    assert rules.url == tokenizer.url_match.__self__


@pytest.mark.parametrize("chunk", ["don't", "(well-acted,", "8-10", "'em,", "=):(", "x-it's"])
def test_spacy_is_not_imported_where_its_rules_are_stored(chunk) -> None:
    assert Rules.stored(spacy.__version__) is not None, "python -m sentscore.text.rules > rules.json"
    code = (
        "import sys; from sentscore.text.tokenizer import tokenize_chunks; "
        f"print(list(tokenize_chunks([{chunk!r}, 'a', 'film.'])), 'spacy' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    tokens = [token.text for token in spacy.blank("en")(chunk)]
    assert printed.strip() == f"{[tokens, ['a'], ['film', '.']]} False"
