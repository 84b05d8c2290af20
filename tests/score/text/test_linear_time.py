from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest

from sentscore.text.encoder import EncodedTexts, Encoder, head_and_tail
from sentscore.text.normalize import as_text_array, split_words
from sentscore.text.rules import stored_rules
from sentscore.text.tokenizer import MAX_WORD_CHARACTERS, Splitter
from sentscore.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(("<unk>", "<pad>", "a", "."), lowercase=True, html_entities=True)

# Four times the work takes four times the time, and sixteen times if it grows with the square.
TIMES = 4
MOST = 8.0
REPETITIONS = 3
TRIES = 3

TEXTS: dict[str, Callable[[int], str]] = {
    "marks": lambda size: "a" + "\u0301\u0323" * size,
    "marks that are two": lambda size: "a" + "\u0344\u0f73" * size,
    "marks, a few at a time": lambda size: ("a" + "\u0301\u0323" * 7) * (size // 8),
    "marks without a class": lambda size: "a" + "\u0e35" * size,
    "Hangul": lambda size: "\u1112\u1161\u11ab" * size,
    "capitals": lambda size: "\u0130\u00c9" * size,
    "breaks": lambda size: "<br /><BR>" * size,
    "unfinished breaks": lambda size: "<br" * size,
    "a break that does not end": lambda size: "<br" + " " * (4 * size) + "x",
    "breaks that come about": lambda size: "<br<br />/>" * size,
    "C1 characters": lambda size: "it\x92s\x81" * size,
    "white space": lambda size: " \u2003\t" * (4 * size),
    "letters": lambda size: "x" * (8 * size),
    "words": lambda size: " ".join(map("w{}".format, range(size))),
    "long words": lambda size: " ".join(map("a word beyond{}".replace(" ", "_").format, range(size))),
    "punctuation": lambda size: "(" * size,
    "quotes": lambda size: "''" * (size // 8),
    "currencies": lambda size: "$\u20ac" * (size // 8),
    "emoji": lambda size: "\U0001f600" * (size // 8),
    "dots": lambda size: "a.." * size,
    "URLs": lambda size: "http://a.b/:@" * size,
    "what may become a URL": lambda size: "::@@." * (size // 32) + "b",
    "references": lambda size: "&amp;&#65;" * size,
    "ampersands": lambda size: "&" * (8 * size),
    "unfinished references": lambda size: "&amp&#12" * size,
    "a reference that does not end": lambda size: "&" + "a" * (16 * size),
    "a number without an end": lambda size: "&#" + "1" * (16 * size) + ";",
    "zeros": lambda size: "&#" + "0" * (16 * size) + ";",
    "special cases": lambda size: "(x:(" * size,
}


def measure(work: Callable[[], object]) -> float:
    """Returns the seconds of the processor that the work takes."""
    seconds = []
    for _ in range(REPETITIONS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return median(seconds)


def grow(work: Callable[[int], Callable[[], object]]) -> float:
    """Returns how many times as long four times the work takes, at a size that takes long enough to be measured.

    A machine that is short of memory can make one measurement many times too long. What grows with the square is too
    long in each of several tries.
    """
    size = 1 << 10
    once = measure(work(size))
    while once < 0.01 and size < 1 << 20:
        size *= 4
        once = measure(work(size))
    least = float("inf")
    for _ in range(TRIES):
        least = min(least, measure(work(TIMES * size)) / once)
        if least < MOST:
            break
        once = measure(work(size))
    return least


@pytest.mark.parametrize("kind", TEXTS)
def test_ids_of_a_text_take_linear_time(kind) -> None:
    def work(size: int) -> Callable[[], object]:
        texts = as_text_array([TEXTS[kind](size)])
        return lambda: Encoder(VOCABULARY).encode(texts)  # a new one, which remembers no word

    assert grow(work) < MOST


def test_ids_of_many_texts_take_linear_time() -> None:
    def work(size: int) -> Callable[[], object]:
        texts = as_text_array(["A film.", None, "", "Caf\u00e9", " "] * size)
        return lambda: Encoder(VOCABULARY).encode(texts)

    assert grow(work) < MOST


@pytest.mark.parametrize("step", [VOCABULARY.normalize, split_words])
def test_a_step_alone_takes_linear_time(step) -> None:
    def work(size: int) -> Callable[[], object]:
        texts = as_text_array(["a\u0301 <br> \u2003&amp;" * size])
        return lambda: step(texts)

    assert grow(work) < MOST


def test_to_cut_a_long_text_takes_linear_time() -> None:
    def work(size: int) -> Callable[[], object]:
        encoded = EncodedTexts(np.zeros(16 * size, np.int32), np.array([0, 16 * size], np.int64))
        return lambda: head_and_tail(encoded, 8)

    assert grow(work) < MOST


@pytest.mark.parametrize("affixes", ["$", "\U0001f600", "'s", "''", "(", ".,", "-!"])
def test_affixes_are_cut_in_linear_time(affixes) -> None:
    def work(size: int) -> Callable[[], object]:
        word = (affixes * size)[:size]
        return lambda: [Splitter(stored_rules()).split(word) for _ in range(3)]

    work(1)()  # compiles the patterns
    part = measure(work(MAX_WORD_CHARACTERS // TIMES))
    assert measure(work(MAX_WORD_CHARACTERS)) < MOST * part
