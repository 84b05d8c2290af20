"""Builds the vocabulary of a corpus and turns its texts into token ids, and tells how far that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array
from sentscore.text.rules import stored_rules
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.cache import ArrayCache, Arrays, hash_texts
from sentscore_train.data.corpus import Corpus
from sentscore_train.data.vocabulary import build_vocabulary

_CODE: Final = 2  # must rise when the same texts get another vocabulary, other ids or other vectors
_STEP: Final = 1_000  # reviews between two reports


def encode_texts(encoder: Encoder, texts: Sequence[str], report: Report = silent) -> EncodedTexts:
    """Returns the token ids of texts.

    Args:
        encoder: Makes the ids, and says how many a text may have.
        texts: The texts [n], at least one.
        report: The function that is told how many of them are done.
    """
    parts = []
    for start in range(0, len(texts), _STEP):
        parts.append(encoder.encode(as_text_array(texts[start : start + _STEP])))
        report(Progress("encoding the reviews", min(start + _STEP, len(texts)), len(texts)))
    lengths = np.concatenate([part.lengths for part in parts])
    offsets = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))
    return EncodedTexts(np.concatenate([part.ids for part in parts]), offsets)


@dataclass(frozen=True)
class EncodedCorpus:
    """The texts of a corpus as token ids.

    Attributes:
        texts: All texts.
        vocabulary: The vocabulary of the ids.
        made_from: What `texts` depends on.
    """

    texts: EncodedTexts
    vocabulary: Vocabulary
    made_from: dict[str, Any]


def encode_corpus(corpus: Corpus, vocabulary_size: int, cache: ArrayCache, report: Report = silent) -> EncodedCorpus:
    """Returns the whole texts of a corpus as ids of the vocabulary that all of them make.

    Args:
        corpus: The texts.
        vocabulary_size: The number of tokens besides `<unk>` and `<pad>`.
        cache: The cache of the vocabulary and the ids.
        report: The function that is told how far each step is.

    Raises:
        OutputError: The cache cannot be written.
    """
    texts = corpus.texts
    made_from = {
        "corpus": hash_texts(texts),
        "spacy": stored_rules().spacy_version,
        "size": vocabulary_size,
        "code": _CODE,
    }
    report(Progress("building the vocabulary", 0, 1))
    stored = cache.get("vocabulary", made_from, lambda: _vocabulary_arrays(texts, vocabulary_size))
    vocabulary = Vocabulary.from_json(stored["json"].tobytes().decode("utf-8"))
    made_from = {**made_from, "vocabulary": hash_texts(vocabulary.tokens)}
    stored = cache.get("ids", made_from, lambda: _encode(vocabulary, texts, report))
    return EncodedCorpus(EncodedTexts(stored["ids"], stored["offsets"]), vocabulary, made_from)


def _vocabulary_arrays(texts: Sequence[str], size: int) -> Arrays:
    content = build_vocabulary(texts, size=size).to_json()
    return {"json": np.frombuffer(content.encode("utf-8"), np.uint8)}


def _encode(vocabulary: Vocabulary, texts: Sequence[str], report: Report) -> Arrays:
    encoded = encode_texts(Encoder(vocabulary, max_tokens=None), texts, report)
    return {"ids": encoded.ids, "offsets": encoded.offsets}
