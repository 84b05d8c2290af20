from __future__ import annotations

import html
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _perturbations import (
    NEUTRAL_EMOJI,
    _mistype,
    _neighbours,
    first_sentence,
    groups_of_one_label,
    last_sentence,
    perturbations,
    sentences,
    upper_case,
    with_emoji,
    with_html_entities,
    with_typing_errors,
    without_punctuation,
)

REVIEW = "It's a well-made film, café and all!<br /><br />I didn't laugh once. Would I see it again? No."


def test_upper_case() -> None:
    assert upper_case("Not bad, Zoë.<br />") == "NOT BAD, ZOË.<BR />"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (REVIEW, "Its a well made film café and all I didnt laugh once Would I see it again No"),
        ("“Good” \u2013 for $5 (or 10 %)", "Good for 5 or 10"),
        ("don\u2019t", "dont"),
        ("?!", ""),
    ],
)
def test_without_punctuation_words_stay_apart(text, expected) -> None:
    assert without_punctuation(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Tom & Jerry\'s" <br />', "&quot;Tom &amp; Jerry&#x27;s&quot; &lt;br /&gt;"),
        ("café \u2013 Ærø", "caf&eacute; &ndash; &AElig;r&oslash;"),
        ("plain ☃ text", "plain ☃ text"),
    ],
)
def test_html_entities_have_their_names(text, expected) -> None:
    assert with_html_entities(text) == expected


@given(st.text())
def test_html_entities_lose_nothing(text) -> None:
    assert html.unescape(with_html_entities(text)) == text


def test_sentences_end_at_marks_and_breaks_are_spaces() -> None:
    assert sentences(REVIEW) == [
        "It's a well-made film, café and all!",
        "I didn't laugh once.",
        "Would I see it again?",
        "No.",
    ]
    assert sentences(" <br /> ") == sentences("") == []


def test_the_first_and_the_last_sentence() -> None:
    assert first_sentence(REVIEW) == "It's a well-made film, café and all!"
    assert last_sentence(REVIEW) == "No."
    assert first_sentence("no mark at all") == last_sentence("no mark at all") == "no mark at all"
    assert first_sentence("<br />") == last_sentence("") == ""


def test_an_emoji_stands_after_each_sentence_and_all_come_up() -> None:
    words = with_emoji(REVIEW, seed=1).split(" ")
    behind = [words[place + 1] for place, word in enumerate(words[:-1]) if word in {"all!", "once.", "again?", "No."}]
    assert len(behind) == 4
    assert set(behind) <= set(NEUTRAL_EMOJI)
    assert {emoji for emoji in NEUTRAL_EMOJI if emoji in with_emoji("Yes. " * 60, seed=1)} == set(NEUTRAL_EMOJI)
    assert " ".join(word for word in words if word not in NEUTRAL_EMOJI) == " ".join(sentences(REVIEW))


def test_neighbouring_keys_touch() -> None:
    assert sorted(_neighbours()["g"]) == sorted("tyfhvb")
    assert sorted(_neighbours()["q"]) == sorted("wa")
    assert sorted(_neighbours()["m"]) == sorted("njk")
    assert all(letter in _neighbours()[other] for letter, near in _neighbours().items() for other in near)


def test_every_kind_of_typing_error_is_made_and_no_other() -> None:
    found = {with_typing_errors("go", seed=seed, share=0.5) for seed in range(20_000)}
    first = ["", "gg", *"tyfhvb"]  # dropped, doubled, beside
    second = ["", "oo", *_neighbours()["o"]]
    assert found == {"og", *(a + b for a in ["g", *first] for b in ["o", *second])}
    assert all(with_typing_errors("G", seed=seed, share=1.0) in {"", "GG", *"TYFHVB"} for seed in range(50))


def test_as_many_letters_are_wrong_as_asked_for() -> None:
    text = "a " * 50_000
    wrong = sum(word != "a" for word in with_typing_errors(text, seed=3).split(" ")[:-1])
    assert wrong / 50_000 == pytest.approx(0.02, abs=0.0025)  # four standard deviations


@given(st.text(), st.integers(0, 5))
def test_only_letters_are_typed_wrong(text, seed) -> None:
    def others(of: str) -> str:
        return "".join(c for c in of if not (c.isascii() and c.isalpha()))

    assert others(_mistype(text, Random(seed), 1.0)) == others(text)
    assert with_typing_errors(text, seed=seed, share=0.0) == text


def test_markup_is_not_typed() -> None:
    assert with_typing_errors("1<br />2<BR>3", seed=0, share=1.0) == "1<br />2<BR>3"


@pytest.mark.parametrize("name", list(perturbations(0)))
def test_a_text_is_changed_alike_wherever_it_stands(name) -> None:
    texts = [f"{REVIEW} Number {number}, seen in a full cinema." * 3 for number in range(12)]
    change = perturbations(7)[name]
    there = [change(text) for text in texts]
    back = [perturbations(7)[name](text) for text in reversed(texts)]
    assert there == back[::-1]


def test_another_seed_draws_other_errors_and_emoji_and_another_text_too() -> None:
    long = REVIEW * 20
    assert with_typing_errors(long, seed=1) != with_typing_errors(long, seed=2)
    assert with_emoji(long, seed=1) != with_emoji(long, seed=2)
    beginnings = [with_typing_errors(long + end, seed=1)[:500] for end in ("", "!")]
    assert beginnings[0] != beginnings[1]


def test_another_process_draws_the_same_and_does_without_spacy_where_no_sentence_is_asked_for() -> None:
    code = (
        "import sys; from _perturbations import with_typing_errors; "
        "print(ascii(with_typing_errors(sys.argv[1], seed=5)), 'spacy' in sys.modules)"
    )
    text = REVIEW * 5
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    }
    command = [sys.executable, "-c", code, text]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert found.strip() == f"{with_typing_errors(text, seed=5)!a} False"


@given(st.lists(st.integers(0, 1), max_size=60), st.integers(1, 6), st.integers(0, 3))
def test_groups_have_one_label_and_no_row_twice(labels, size, seed) -> None:
    of = np.array(labels, np.int8)
    groups = groups_of_one_label(of, size=size, seed=seed)
    assert groups.shape == (sum(int((of == label).sum()) // size for label in (0, 1)), size)
    assert len(set(groups.ravel().tolist())) == groups.size
    assert (of[groups] == of[groups][:, :1]).all()


def test_groups_follow_from_the_seed() -> None:
    labels = np.arange(100, dtype=np.int8) % 2
    first, again, other = (groups_of_one_label(labels, size=5, seed=seed).tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other
