"""Times the encoder and spaCy called a document at a time, in one thread, as a Markdown table.

    python tests/bench/encoder.py REVIEWS.parquet... [--warm 50000] [--timed 50000] [--runs 5] [--model lstm]

The reviews come from a column `text`, in a random order with a fixed seed. The steady encoder has encoded the first
`--warm` of them before. The next `--timed`, which it has not seen, are timed. The three take turns window by window, so
that a busy machine slows all of them. First, the ids of all reviews are compared with those that spaCy gives each word
alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import spacy

from sentscore.model.artifact import load_artifact
from sentscore.text.encoder import EncodedTexts, Encoder
from sentscore.text.normalize import as_text_array, split_words
from sentscore.text.tokenizer import MAX_WORD_CHARACTERS
from sentscore.text.vocabulary import Vocabulary

WINDOW = 4_096  # texts in a call
PART = 800  # about as many texts as the encoder takes at once
WARM_UP = 500  # reviews that spaCy tokenises before it is timed


def read_reviews(files: list[Path], number: int) -> pa.Array:
    """Returns the first reviews of a random order."""
    columns = [pq.read_table(file, columns=["text"])["text"].cast(pa.large_string()) for file in files]
    reviews = pa.chunked_array([chunk for column in columns for chunk in column.chunks])
    order = np.random.default_rng(1234).permutation(len(reviews))
    return reviews.take(pa.array(order[:number])).combine_chunks()


def encode(encoder: Encoder, reviews: pa.Array) -> list[EncodedTexts]:
    """Returns the ids of the reviews, a window at a time."""
    return [encoder.encode(reviews.slice(start, WINDOW)) for start in range(0, len(reviews), WINDOW)]


def check(encoder: Encoder, reviews: pa.Array) -> int:
    """Compares the ids with those that spaCy gives each word alone. Returns how many ids were compared."""
    tokenizer = spacy.blank("en").tokenizer
    vocabulary = encoder.vocabulary
    id_by_token = {token: index for index, token in enumerate(vocabulary.tokens)}

    @cache
    def reference(word: str) -> list[int]:
        parts = [word[place : place + MAX_WORD_CHARACTERS] for place in range(0, len(word), MAX_WORD_CHARACTERS)]
        return [id_by_token.get(token.text, vocabulary.unk_id) for part in parts for token in tokenizer(part)]

    compared = 0
    for window in range(0, len(reviews), WINDOW):
        texts = as_text_array(reviews.slice(window, WINDOW))
        words = split_words(vocabulary.normalize(texts))
        strings = words.strings().to_pylist()
        encoded = encoder.encode(texts)
        for review, (start, stop) in enumerate(pairwise(words.offsets.tolist())):
            if encoded[review].tolist() != [index for word in strings[start:stop] for index in reference(word)]:
                sys.exit(f"review {window + review}: the ids are not spaCy's")
        compared += len(encoded.ids)
    return compared


def seconds(work: Callable[[], object]) -> float:
    """Returns the seconds of processor time, which in one thread are those of the clock unless the machine is busy."""
    started = time.process_time()
    work()
    return time.process_time() - started


def encode_by_spacy(nlp: spacy.language.Language, vocabulary: Vocabulary, texts: list[str]) -> None:
    """Looks up the ids of normalised texts with spaCy, called a document at a time."""
    id_by_token = {token: index for index, token in enumerate(vocabulary.tokens)}
    for text in texts:
        [id_by_token.get(token.text, vocabulary.unk_id) for token in nlp.tokenizer(text)]


def run(vocabulary: Vocabulary, warm: pa.Array, timed: pa.Array) -> dict[str, float]:
    """Returns the seconds of one run of each, and of the encoder's steps."""
    names = ("spaCy, a document at a time", "encoder, cold", "encoder, steady")
    took = dict.fromkeys(names, 0.0)
    cold, steady = Encoder(vocabulary), Encoder(vocabulary)
    nlp = spacy.blank("en")
    encode_by_spacy(nlp, vocabulary, vocabulary.normalize(warm.slice(0, WARM_UP)).to_pylist())
    encode(steady, warm)
    for start in range(0, len(timed), WINDOW):
        window = timed.slice(start, WINDOW)
        normal = vocabulary.normalize(as_text_array(window))
        texts = normal.to_pylist()
        took[names[0]] += seconds(lambda texts=texts: encode_by_spacy(nlp, vocabulary, texts))
        took[names[1]] += seconds(lambda window=window: cold.encode(window))
        took[names[2]] += seconds(lambda window=window: steady.encode(window))
    known = seconds(lambda: encode(steady, timed))
    parts = [as_text_array(timed.slice(start, PART)) for start in range(0, len(timed), PART)]
    normal_parts: list[pa.Array] = []
    normalising = seconds(lambda: normal_parts.extend(vocabulary.normalize(part) for part in parts))
    splitting = seconds(lambda: [split_words(part) for part in normal_parts])
    return took | {
        "step: normalise": normalising,
        "step: split into words": splitting,
        "step: look up known words and gather ids": known - normalising - splitting,
        "step: tokenise and add unseen words": took[names[2]] - known,
    }


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reviews", type=Path, nargs="+")
    parser.add_argument("--warm", type=int, default=50_000)
    parser.add_argument("--timed", type=int, default=50_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default="lstm")
    args = parser.parse_args()

    pa.set_cpu_count(1)
    vocabulary = load_artifact(args.model).read_vocabulary()
    reviews = read_reviews(args.reviews, args.warm + args.timed)
    warm, timed = reviews.slice(0, args.warm), reviews.slice(args.warm)
    compared = check(Encoder(vocabulary, max_tokens=None), reviews)
    print(f"{compared:,} ids of {len(reviews):,} reviews are spaCy's.\n", flush=True)

    runs = [run(vocabulary, warm, timed) for _ in range(args.runs)]
    head = f"{len(timed):,} reviews, after {len(warm):,}"
    print(f"| {head} | reviews/s, median of {args.runs} | times spaCy's |\n|---|---|---|")
    first = next(iter(runs[0]))
    for name in runs[0]:
        median = statistics.median(took[name] for took in runs)
        if name.startswith("step"):
            share = statistics.median(took[name] / took["encoder, steady"] for took in runs)
            print(f"| {name} | {share:.0%} of the steady encoder's time | |")
        else:
            ratio = statistics.median(took[first] / took[name] for took in runs)
            print(f"| {name} | {len(timed) / median:,.0f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
