"""Builds a vocabulary of the most frequent tokens of a corpus, which are made as in scoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sentscore.text.normalize import as_text_array, split_words
from sentscore.text.tokenizer import Splitter, tokenize_words
from sentscore.text.vocabulary import Vocabulary

UNK, PAD = "<unk>", "<pad>"
_CORPUS_STEP = 10_000  # texts at a time, so that the memory stays that of a part of the corpus


def build_vocabulary(texts: Sequence[str], *, size: int = 25_000, lowercase: bool = True) -> Vocabulary:
    """Returns `<unk>` (id 0), `<pad>` (id 1) and the most frequent tokens. Ties are in alphabetical order.

    HTML's character references in the texts are decoded first, as the vocabulary says.

    Args:
        texts: [n] The corpus.
        size: The most tokens beside `<unk>` and `<pad>`.
        lowercase: Whether the texts are lower-cased first.
    """
    empty = Vocabulary((UNK, PAD), lowercase=lowercase, html_entities=True)
    return add_tokens(empty, count_tokens(texts, empty), most=size)


def count_tokens(texts: Sequence[str], vocabulary: Vocabulary) -> Counter[str]:
    """Returns how often each token occurs in texts [n] that become tokens as the vocabulary says."""
    words: Counter[str] = Counter()
    for start in range(0, len(texts), _CORPUS_STEP):
        part = as_text_array(texts[start : start + _CORPUS_STEP])
        counts = split_words(vocabulary.normalize(part)).strings().value_counts()
        values, numbers = counts.field("values").to_pylist(), counts.field("counts").to_pylist()
        for word, number in zip(values, numbers, strict=True):
            words[word] += number
    tokens: Counter[str] = Counter()
    for word_tokens, number in zip(tokenize_words(words, Splitter(vocabulary.rules)), words.values(), strict=True):
        for token in word_tokens:
            tokens[token] += number
    return tokens


def add_tokens(vocabulary: Vocabulary, counts: Counter[str], *, most: int, least: int = 1) -> Vocabulary:
    """Returns a vocabulary with further tokens behind its own, the most frequent first.

    Args:
        vocabulary: The vocabulary to begin with. Its tokens keep their ids.
        counts: How often each token occurs.
        most: The most tokens to add.
        least: How often a token must occur to be added.
    """
    known = {*vocabulary.tokens, UNK, PAD}
    new = [(token, count) for token, count in counts.items() if count >= least and token not in known]
    ranked = sorted(new, key=lambda item: (-item[1], item[0]))[:most]
    return replace(vocabulary, tokens=(*vocabulary.tokens, *(token for token, _ in ranked)))
