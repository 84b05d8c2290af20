"""The reviews as the notebook has them: torchtext datasets of cased spaCy tokens, cached on disk."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from array import array
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import torch

from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.data.cache import ArrayCache, Arrays, hash_texts
from sentscore_train.data.imdb import load_imdb

if TYPE_CHECKING:
    from gensim.models import KeyedVectors
    from torchtext.data import Dataset, Field

_REPORT_EVERY: Final = 100  # reviews


class TokenizedReview(NamedTuple):
    """A review's label, `neg` or `pos`, and its tokens."""

    label: str
    tokens: list[str]


@dataclass(frozen=True)
class NotebookData:
    """What the notebook trains on. Ids 0 and 1 are `<unk>` and `<pad>`, labels 0 and 1 are `neg` and `pos`.

    Attributes:
        text: The text field with its vocabulary; `text.vocab.vectors` is float32 [V, E] if vectors were given.
        train: 70 % of the training reviews.
        validation: The other training reviews.
        test: The test reviews.
    """

    text: Field
    train: Dataset
    validation: Dataset
    test: Dataset

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens in order of their ids."""
        return tuple(self.text.vocab.itos)

    def encode_validation(self) -> LabelledTexts:
        """Returns the validation reviews as token ids, with their labels."""
        examples = self.validation.examples
        reviews = [[self.text.vocab[token] for token in example.text] for example in examples]
        offsets = np.cumsum([0, *map(len, reviews)], dtype=np.int64)
        ids = np.array(list(itertools.chain.from_iterable(reviews)), np.int32)
        labels = np.array([example.label == "pos" for example in examples], np.int8)
        return LabelledTexts(EncodedTexts(ids, offsets), labels)

    def describe(self, *, seed: int) -> dict[str, Any]:
        """Returns sizes and split, for the model card and to tell one data set from another."""
        return {
            "name": "IMDB",
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
            "split": "random reviews of the training set, as torchtext's Dataset.split draws them",
            "seed": seed,
            "vocabulary_size": len(self.vocabulary),
            "vocabulary_sha256": hashlib.sha256("\n".join(self.vocabulary).encode()).hexdigest(),
        }


def load_tokens(
    source: Path | None, data_dir: Path, *, allow_partial: bool = False, report: Report = silent
) -> dict[str, list[TokenizedReview]]:
    """Returns the reviews of `train` and `test`, from the cache if the same texts were tokenized before.

    torchtext's `datasets.IMDB` would read the reviews in the order of a folder's listing, which differs from one
    file system to the next. Here they are in order of label and tokens, so that one seed gives one split.

    Args:
        source: The reviews, as in `imdb.load_imdb`. Unlabelled ones are not needed.
        data_dir: The folder of downloads and of the cache.
        allow_partial: Whether to accept fewer reviews than published.
        report: The function that is told about a download and the tokenization.

    Raises:
        InputError: The source is missing, damaged, or not the data set.
        OutputError: The data folder cannot be written.
    """
    imdb = load_imdb(source, data_dir=data_dir, allow_partial=allow_partial, labelled_only=True, report=report)
    texts = imdb.train.texts + imdb.test.texts
    stored = ArrayCache(data_dir / "prepared").get(
        "notebook-tokens",
        {"texts": hash_texts(texts), "spacy": version("spacy")},
        lambda: _tokenize(texts, report),
    )
    # One string object for all places where a token stands: 14 million in 50,000 reviews, of 200,000 tokens.
    vocabulary = np.array(json.loads(stored["vocabulary"].tobytes()), dtype=object)
    encoded = EncodedTexts(stored["ids"], stored["offsets"])
    tokens = (vocabulary[encoded[row]].tolist() for row in range(len(encoded)))
    reviews = {}
    for name, split in (("train", imdb.train), ("test", imdb.test)):
        labels = ("pos" if label else "neg" for label in split.labels)
        reviews[name] = sorted(map(TokenizedReview, labels, itertools.islice(tokens, len(split))))
    return reviews


def build_notebook_data(
    reviews: dict[str, list[TokenizedReview]],
    *,
    seed: int,
    train_share: float,
    vocabulary_size: int,
    vectors: KeyedVectors | None,
) -> NotebookData:
    """Splits the reviews and builds the vocabulary as the notebook does.

    Args:
        reviews: The reviews of `train` and `test`.
        seed: The seed of the split.
        train_share: The share of the training reviews that stay in training.
        vocabulary_size: The number of tokens beside `<unk>` and `<pad>`.
        vectors: The word vectors. A token that has none gets one that torch draws from the normal distribution, in
            order of the ids. None builds the vocabulary without vectors.
    """
    from torchtext.data import Dataset, Example, Field, LabelField
    from torchtext.datasets import IMDB

    text, label = Field(), LabelField(dtype=torch.float)
    fields = [("label", label), ("text", text)]  # in the order of TokenizedReview
    train, test = (
        Dataset([Example.fromlist(review, fields) for review in reviews[split]], fields) for split in ("train", "test")
    )
    train.sort_key = test.sort_key = IMDB.sort_key
    # random.seed(SEED) in the notebook, without changing the state of the process
    train, validation = train.split(split_ratio=train_share, random_state=random.Random(seed).getstate())
    text.build_vocab(train, max_size=vocabulary_size)
    if vectors is not None:
        text.vocab.set_vectors(
            vectors.key_to_index,
            torch.from_numpy(vectors.vectors),
            vectors.vector_size,
            unk_init=torch.Tensor.normal_,
        )
    # The notebook builds this one from the training reviews, the most frequent label first, which leaves it
    # to the split whether 1 means positive.
    label.build_vocab(["neg", "pos"])
    return NotebookData(text, train, validation, test)


def _tokenize(texts: list[str], report: Report) -> Arrays:
    """Returns the tokens as JSON, the index of the token at every place, and the texts' offsets among the places."""
    import spacy

    # The tokenizer is the language's own: spaCy's trained pipelines use the same one.
    tokenizer = spacy.blank("en").tokenizer
    ids: dict[str, int] = {}
    places = array("i")
    offsets = [0]
    for done, text in enumerate(texts, start=1):
        places.extend(ids.setdefault(token.text, len(ids)) for token in tokenizer(text))
        offsets.append(len(places))
        if done % _REPORT_EVERY == 0 or done == len(texts):
            report(Progress("tokenize", done, len(texts)))
    return {
        "vocabulary": np.frombuffer(json.dumps(list(ids)).encode(), np.uint8),
        "ids": np.array(places, np.int32),
        "offsets": np.array(offsets, np.int64),
    }
