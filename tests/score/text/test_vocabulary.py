from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sentscore import ArtifactError
from sentscore.text.encoder import Encoder
from sentscore.text.normalize import as_text_array
from sentscore.text.rules import stored_rules
from sentscore.text.vocabulary import Vocabulary


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(("<unk>", "<pad>", "né", '"'), lowercase=True)


def test_json_and_back(vocabulary) -> None:
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    decoding = replace(vocabulary, html_entities=True)
    assert Vocabulary.from_json(decoding.to_json()) == decoding != vocabulary


def test_the_second_format_decodes_html_first_of_all(vocabulary) -> None:
    content = json.loads(replace(vocabulary, html_entities=True).to_json())
    assert content["format_version"] == 2
    assert content["tokenizer"]["normalization"][0] == "html_entities"
    texts = as_text_array(["n&eacute; &quot;"])
    ids = [Encoder(replace(vocabulary, html_entities=decodes)).encode(texts)[0].tolist() for decodes in (True, False)]
    assert ids[0] == [2, 3]
    assert ids[1] != ids[0]


def test_a_vocabulary_carries_its_rules(vocabulary) -> None:
    rules = replace(
        stored_rules(), spacy_version="9.9", special_cases={**stored_rules().special_cases, "xné": ["x", "né"]}
    )
    own = replace(vocabulary, rules=rules)
    texts = as_text_array(["xné"])
    assert Encoder(own).encode(texts)[0].tolist() == [0, 2]
    assert Encoder(vocabulary).encode(texts)[0].tolist() == [0]
    assert Vocabulary.from_json(own.to_json(), rules) == own
    with pytest.raises(ArtifactError, match=r"tokens of spaCy '9\.9', but .* spaCy 3\.8\.18"):
        Vocabulary.from_json(own.to_json())


def test_the_json_says_how_texts_become_tokens(vocabulary) -> None:
    content = json.loads(vocabulary.to_json())
    assert content["tokenizer"] == {
        "name": 'spacy.blank("en")',
        "spacy_version": "3.8.18",
        "normalization": ["br_to_space", "c1_to_windows_1252", "nfc", "lowercase", "split_whitespace"],
        "lowercase": True,
    }
    assert content["tokens"] == ["<unk>", "<pad>", "né", '"']
    assert (content["unk_id"], content["pad_id"], content["format_version"]) == (0, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 3}, "format version 3, but this sentscore reads 1 and 2"),
        ({"format_version": 2}, "is not known here"),  # its steps are those of version 1
        ({"tokens": ["a", "a"]}, "not distinct"),
        ({"tokens": None}, "not a vocabulary"),
        ({"unk_id": 9}, "unk_id 9 and pad_id 1"),
        ({"tokenizer": {"name": "bert", "spacy_version": "", "normalization": [], "lowercase": True}}, "bert"),
        ({"tokenizer": {}}, "not a vocabulary"),
    ],
)
def test_what_is_not_a_vocabulary_is_an_artifact_error(vocabulary, change, message) -> None:
    content = json.dumps({**json.loads(vocabulary.to_json()), **change})
    with pytest.raises(ArtifactError, match=message):
        Vocabulary.from_json(content, file="here/vocab.json")


def test_text_that_is_not_json_is_an_artifact_error() -> None:
    with pytest.raises(ArtifactError, match=r"here/vocab\.json: not a vocabulary"):
        Vocabulary.from_json("{", file="here/vocab.json")


def test_tokens_of_another_spacy_are_refused(vocabulary) -> None:
    content = vocabulary.to_json().replace('"spacy_version": "3.8.18"', '"spacy_version": "3.7.5"')
    with pytest.raises(ArtifactError, match=r"here/vocab\.json: tokens of spaCy '3\.7\.5', but .* of spaCy 3\.8\.18"):
        Vocabulary.from_json(content, file="here/vocab.json")
