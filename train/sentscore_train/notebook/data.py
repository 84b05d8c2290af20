"""The reviews as the notebook has them: torchtext datasets of cased spaCy tokens, cached on disk."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from sentscore.files import new_file
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.batches import LabelledTexts
from sentscore_train.data.imdb import find_source, prepare_torchtext_root, source_key
from sentscore_train.progress import Progress, Report, silent

if TYPE_CHECKING:
    from torchtext.data import Dataset, Example, Field, LabelField
    from torchtext.vocab import Vectors

_FORMAT: Final = 1  # of the cache file; another number makes it anew
_REPORT_EVERY: Final = 100  # reviews


@dataclass(frozen=True)
class Tokens:
    """The tokens of one split of the reviews.

    Attributes:
        labels: [n] `neg` or `pos`.
        tokens: [n] tokens of each review.
    """

    labels: list[str]
    tokens: list[list[str]]


@dataclass(frozen=True)
class NotebookData:
    """What the notebook trains on; ids 0 and 1 are `<unk>` and `<pad>`, labels 0 and 1 `neg` and `pos`.

    Attributes:
        text: the text field with its vocabulary; `text.vocab.vectors` is float32 [V, E] if they were given.
        train: 70 % of the training reviews.
        validation: the others.
        test: the test reviews.
    """

    text: Field
    train: Dataset
    validation: Dataset
    test: Dataset

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens in id order."""
        return tuple(self.text.vocab.itos)

    def encoded_validation(self) -> LabelledTexts:
        """The validation reviews as token ids, with their labels."""
        examples = self.validation.examples
        reviews = [[self.text.vocab[token] for token in example.text] for example in examples]
        offsets = np.cumsum([0, *map(len, reviews)], dtype=np.int64)
        ids = np.array(list(itertools.chain.from_iterable(reviews)), np.int32)
        labels = np.array([example.label == "pos" for example in examples], np.int8)
        return LabelledTexts(EncodedTexts(ids, offsets), labels)

    def facts(self, *, seed: int) -> dict[str, Any]:
        """Sizes and split, for the model card and to tell one data set from another."""
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
) -> dict[str, Tokens]:
    """The tokens of `train` and `test`, from the cache where the same reviews were tokenised before.

    torchtext's `datasets.IMDB` reads and tokenises the reviews in the order of a folder's listing, which
    differs from one file system to the next; they are put in order of label and tokens, so that one seed
    gives one split.

    Args:
        source: as in `imdb.load_imdb`.
        data_dir: where downloads and the cache go.
        allow_partial: accept fewer reviews than published.
        report: told about a download and the tokenising.

    Raises:
        InputError: the source is missing, damaged, or not the data set.
        OutputError: the data folder cannot be written.
    """
    source = find_source(source, data_dir=data_dir, report=report)
    made_of = json.dumps(
        {
            "format": _FORMAT,
            "source": source_key(source),
            "spacy": version("spacy"),
            "torchtext": version("torchtext"),
        }
    )
    name = hashlib.sha256(made_of.encode()).hexdigest()[:16]
    cache = data_dir / "cache" / f"notebook-tokens-{name}.parquet"
    if not cache.is_file() or (found := _read_cache(cache)) is None:
        root = prepare_torchtext_root(source, data_dir, allow_partial=allow_partial, report=report)
        found = _tokenize(root, report)
        _write_cache(cache, found)
    return found


def notebook_data(
    tokens: dict[str, Tokens], *, seed: int, train_share: float, vocabulary_size: int, vectors: Vectors | None
) -> NotebookData:
    """Splits the reviews and builds the vocabulary as the notebook does.

    Args:
        tokens: of `train` and `test`.
        seed: of the split.
        train_share: of the training reviews that stay in training.
        vocabulary_size: tokens beside `<unk>` and `<pad>`.
        vectors: where each token's vector is looked up; None builds the vocabulary without vectors.
    """
    from torchtext.data import Dataset
    from torchtext.datasets import IMDB

    text, label = _fields()
    fields = [("text", text), ("label", label)]
    train, test = (Dataset(_examples(tokens[split]), fields) for split in ("train", "test"))
    train.sort_key = test.sort_key = IMDB.sort_key
    # random.seed(SEED) in the notebook, without changing the state of the process
    train, validation = train.split(split_ratio=train_share, random_state=random.Random(seed).getstate())
    text.build_vocab(train, max_size=vocabulary_size, vectors=vectors)
    # The notebook builds this one from the training reviews, the most frequent label first, which leaves it
    # to the split whether 1 means positive.
    label.build_vocab(["neg", "pos"])
    return NotebookData(text, train, validation, test)


def _fields(tokenize: Callable[[str], list[str]] | None = None) -> tuple[Field, LabelField]:
    from torchtext.data import Field, LabelField

    return Field(tokenize=tokenize), LabelField(dtype=torch.float)


def _examples(reviews: Tokens) -> list[Example]:
    from torchtext.data import Example

    examples = []
    for tokens, label in zip(reviews.tokens, reviews.labels, strict=True):
        example = Example()
        example.text, example.label = tokens, label
        examples.append(example)
    return examples


def _tokenize(root: Path, report: Report) -> dict[str, Tokens]:
    import spacy
    from torchtext.datasets import IMDB

    # The tokenizer is the language's own: spaCy's trained pipelines use the same one.
    tokenizer = spacy.blank("en").tokenizer
    total = sum(1 for _ in (root / "imdb" / "aclImdb").glob("t*/*/*.txt"))
    counter = itertools.count(1)

    def tokenize(text: str) -> list[str]:
        done = next(counter)
        if done % _REPORT_EVERY == 0 or done == total:
            report(Progress("tokenize", done, total))
        return [token.text for token in tokenizer(text)]

    found = {}
    splits = IMDB.splits(*_fields(tokenize), root=str(root))
    for name, dataset in zip(("train", "test"), splits, strict=True):
        examples = sorted(dataset.examples, key=lambda example: (example.label, example.text))
        found[name] = Tokens([example.label for example in examples], [example.text for example in examples])
    return found


def _write_cache(path: Path, tokens: dict[str, Tokens]) -> None:
    table = pa.table(
        {
            "split": [split for split, reviews in tokens.items() for _ in reviews.labels],
            "label": [label for reviews in tokens.values() for label in reviews.labels],
            "tokens": pa.array(
                itertools.chain.from_iterable(reviews.tokens for reviews in tokens.values()),
                type=pa.large_list(pa.large_string()),
            ),
        }
    )
    with new_file(path, parents=True) as file:
        pq.write_table(table, file, compression="zstd")


def _read_cache(path: Path) -> dict[str, Tokens] | None:
    """The tokens, or None where the file is damaged."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        return None
    lists = table["tokens"].combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = lists.chunk(0)
    # One string for all places where a token stands: 14 million in 50,000 reviews, of 200,000 tokens.
    encoded = lists.flatten().dictionary_encode()
    distinct = np.array(encoded.dictionary.to_pylist(), dtype=object)
    texts = distinct[encoded.indices.to_numpy(zero_copy_only=False)]
    bounds = lists.offsets.to_numpy()
    splits, labels = table["split"].to_pylist(), table["label"].to_pylist()
    found = {}
    for split in ("train", "test"):
        rows = [row for row, name in enumerate(splits) if name == split]
        found[split] = Tokens(
            [labels[row] for row in rows], [texts[bounds[row] : bounds[row + 1]].tolist() for row in rows]
        )
    return found
