"""Builds a vocabulary of the most frequent tokens of a corpus, which are made as in scoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sentscore.text.normalize import as_text_array, normalize, split_words
from sentscore.text.tokenizer import tokenize_words
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
    words: Counter[str] = Counter()
    for start in range(0, len(texts), _CORPUS_STEP):
        part = as_text_array(texts[start : start + _CORPUS_STEP])
        counts = split_words(normalize(part, lowercase=lowercase, html_entities=True)).strings().value_counts()
        values, numbers = counts.field("values").to_pylist(), counts.field("counts").to_pylist()
        for word, number in zip(values, numbers, strict=True):
            words[word] += number
    tokens: Counter[str] = Counter()
    for word_tokens, number in zip(tokenize_words(words), words.values(), strict=True):
        for token in word_tokens:
            tokens[token] += number
    for special in (UNK, PAD):
        tokens.pop(special, None)
    ranked = sorted(tokens.items(), key=lambda item: (-item[1], item[0]))[:size]
    tokens_by_id = (UNK, PAD, *(token for token, _ in ranked))
    return Vocabulary(tokens_by_id, lowercase=lowercase, html_entities=True)
