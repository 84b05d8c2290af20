"""The rivals that run in torch: the tutorial notebook's loop, sorted batches, a transformers pipeline.

Their weights are random, for the time of a product does not depend on its numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from _measure import Rows
from _rival import Rival, Setting, fastest_seconds, format_numbers
from sentscore.model.batching import pad_batch
from sentscore.text.encoder import EncodedTexts

if TYPE_CHECKING:
    from torch import nn

_WORDPIECE_REVIEWS: Final = 5_000  # so many of IMDB give 30,522 pieces, as many as BERT has, and 1.3 pieces a word
_NOTEBOOK_TOKENS: Final = 25_002
_PAD_ID: Final = 0  # behind a review's end, where the model does not look


def notebook(setting: Setting) -> Rival:
    """The tutorial notebook's `predict_sentiment`, one review at a time."""
    import spacy

    from sentscore_train.notebook.model import NotebookClassifier

    torch = _torch(setting)
    cell = setting.artifact.manifest.architecture["cell"]
    model = NotebookClassifier(
        cell,
        vocab_size=_NOTEBOOK_TOKENS,
        embedding_dim=100,
        hidden_size=256,
        num_layers=2,
        dropout=0.5,
        pad_id=1,
    )
    tokens = setting.artifact.read_vocabulary().tokens[:_NOTEBOOK_TOKENS]
    ids = {token: number for number, token in enumerate(tokens)}
    tokenizer = spacy.blank("en").tokenizer

    def predict_sentiment(sentence: str) -> float:
        # As published: it calls eval() each time and never no_grad().
        model.eval()
        indexed = [ids.get(token.text, 0) for token in tokenizer(sentence)]
        tensor = torch.LongTensor(indexed).unsqueeze(1)  # [T, 1]
        return torch.sigmoid(model(tensor)).item()

    def start(rows: Rows) -> Callable[[], list[float]]:
        texts = setting.reviews.take(rows)
        return lambda: [predict_sentiment(text) for text in texts]

    return Rival(
        label=f"the notebook's loop: torch, one review at a time, 2 x 256 Bi{cell.upper()} without packing",
        takes="texts",
        threads=setting.threads,
        start=start,
        notes=("weights are random; gradients are recorded, as the published loop does",),
    )


def torch_batches(setting: Setting) -> Rival:
    """The shipped model's own network in torch, in padded batches of similar length."""
    from sentscore_train.models.classifier import Architecture, SentimentClassifier

    torch = _torch(setting)
    model = SentimentClassifier(Architecture.from_dict(setting.artifact.manifest.architecture)).eval()
    reviews = setting.reviews

    def start(rows: Rows, size: int) -> Callable[[], list[npt.NDArray[np.float32]]]:
        ordered = reviews.longest_first(rows)
        batches = [ordered[begin : begin + size] for begin in range(0, len(ordered), size)]

        def go() -> list[npt.NDArray[np.float32]]:
            with torch.inference_mode():
                return [torch.sigmoid(model(*_tensors(reviews.encoded, batch))).numpy() for batch in batches]

        return go

    sizes = (8, 16, 32, 64, 128)
    trial = setting.trial_rows(setting.trial, group=min(setting.trial, max(sizes)))
    best = min(sizes, key=lambda size: fastest_seconds(start(trial, size)))
    return Rival(
        label=f"torch, the model's own network in sorted batches of {best}",
        takes="token ids",
        threads=setting.threads,
        start=lambda rows: start(rows, best),
        group=best,
        notes=(f"weights are random; float32, inference_mode; fastest of batches of {format_numbers(sizes)}",),
    )


def _torch(setting: Setting) -> Any:
    import torch

    torch.set_num_threads(setting.threads)
    torch.manual_seed(setting.seed)
    return torch


def _tensors(encoded: EncodedTexts, rows: Rows) -> tuple[Any, Any]:
    import torch

    token_ids, lengths = pad_batch(encoded, rows, _PAD_ID)
    return torch.from_numpy(token_ids).long(), torch.from_numpy(lengths).long()


def distilbert(setting: Setting) -> Rival:
    """A Hugging Face text-classification pipeline with DistilBERT."""
    from transformers import DistilBertConfig, DistilBertForSequenceClassification, TextClassificationPipeline

    _torch(setting)
    reviews = setting.reviews
    learned_from = reviews.take(setting.trial_rows(_WORDPIECE_REVIEWS))
    tokenizer = _wordpiece(learned_from)
    model = DistilBertForSequenceClassification(DistilBertConfig(num_labels=2)).eval()
    logging.getLogger("transformers").setLevel(logging.ERROR)  # it advises data sets on a GPU after ten calls
    pipeline = TextClassificationPipeline(model=model, tokenizer=tokenizer, device="cpu")

    def start(rows: Rows, size: int) -> Callable[[], Any]:
        texts = reviews.take(reviews.longest_first(rows))
        return lambda: pipeline(texts, batch_size=size, truncation=True, max_length=512)

    sizes = (8, 16, 32)
    few = max(1, setting.trial // 4)
    trial = setting.trial_rows(few, group=min(few, max(sizes)))
    best = min(sizes, key=lambda size: fastest_seconds(start(trial, size)))
    pieces = [len(tokenizer(text)["input_ids"]) for text in reviews.take(setting.trial_rows(500))]
    return Rival(
        label=f"transformers pipeline, DistilBERT in sorted batches of {best}",
        takes="texts",
        threads=setting.threads,
        start=lambda rows: start(rows, best),
        group=best,
        notes=(
            f"standard configuration ({_millions(model)} M weights, 6 layers of 768), random weights, float32; "
            f"fastest of batches of {format_numbers(sizes)}",
            f"its WordPiece vocabulary of {len(tokenizer):,} is learned from {len(learned_from):,} of the reviews: "
            f"{np.mean(pieces):.0f} pieces a review, {np.mean(np.minimum(pieces, 512)):.0f} after the cut at 512",
        ),
    )


def _wordpiece(texts: list[str]) -> Any:
    """DistilBERT's tokenizer with a vocabulary learned here, so that nothing is downloaded."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import DistilBertTokenizerFast

    learned = BertWordPieceTokenizer(lowercase=True)
    learned.train_from_iterator(texts, vocab_size=30_522, show_progress=False)
    return DistilBertTokenizerFast(vocab=learned.get_vocab())


def _millions(model: nn.Module) -> str:
    return f"{sum(tensor.numel() for tensor in model.parameters()) / 1e6:.0f}"
