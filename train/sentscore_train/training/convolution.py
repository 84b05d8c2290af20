"""Trains the convolutional teacher on labelled reviews and asks it for its opinion of others."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import EncodedTexts, head_and_tail
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.batches import LabelledTexts, order_batches
from sentscore_train.data.extracts import add_extracts, find_sentence_ends
from sentscore_train.teachers.convolutional import ConvolutionalClassifier, ConvolutionConfig
from sentscore_train.teachers.opinions import Logits
from sentscore_train.training.config import TrainConfig
from sentscore_train.training.loop import one_cycle, predict, update_average


def convolution_opinion(
    learned: LabelledTexts,
    unknown: EncodedTexts,
    vocabulary: Vocabulary,
    vectors: Logits,
    settings: ConvolutionConfig,
    config: TrainConfig,
    *,
    device: torch.device,
    report: Report = silent,
) -> Logits:
    """Returns the logits of reviews, float32 [n]; 0 for one without tokens.

    It keeps no checkpoints: a training that is killed begins anew.

    Args:
        learned: The labelled reviews to learn from.
        unknown: The reviews [n] to judge.
        vocabulary: The vocabulary of the ids.
        vectors: The word vectors that the embedding starts from, float32 [V, E].
        settings: How the classifier is shaped and trained.
        config: The recipe of the recurrent models, whose batches, extracts, dropout and averaging are used here too.
        device: The device to train on.
        report: The function that is told how far the training is.
    """
    torch.manual_seed(settings.seed)
    vocab_size, embedding_dim = vectors.shape
    model = ConvolutionalClassifier(vocab_size, embedding_dim, settings, config.dropout, unk_id=vocabulary.unk_id)
    with torch.no_grad():
        model.embedding.weight.copy_(torch.from_numpy(vectors))
    model = model.to(device)
    averaged = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    loss_function = nn.BCEWithLogitsLoss()
    ends = find_sentence_ends(vocabulary)

    step = 0
    for epoch in range(settings.epochs):
        encoded, rows = add_extracts(
            learned.encoded, ends, config.extracts, np.random.default_rng((settings.seed, epoch, 1))
        )
        texts = LabelledTexts(head_and_tail(encoded, config.max_tokens), learned.labels[rows])
        batches = order_batches(
            texts.encoded.lengths,
            batch_size=config.batch_size,
            bucket_batches=config.bucket_batches,
            seed=settings.seed,
            epoch=epoch,
        )
        model.train()
        seen, losses = 0, 0.0
        for chosen in batches:
            torch.manual_seed(settings.seed * 1_000_003 + step)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * one_cycle(
                    step / (settings.epochs * len(batches)), config.warm_up
                )
            batch = texts.batch(chosen, vocabulary.pad_id).to(device)
            loss = loss_function(model(batch.token_ids, batch.lengths), batch.labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            optimizer.step()
            update_average(averaged, model, config.average, step)
            step += 1
            seen += len(chosen)
            losses += loss.item() * len(chosen)
            phase = f"training the convolutional teacher, epoch {epoch + 1}/{settings.epochs}"
            report(Progress(phase, seen, len(texts), loss=losses / seen))
    asked = LabelledTexts(unknown, np.zeros(len(unknown), np.int8))
    phase = "asking the convolutional teacher"
    return predict(averaged, asked, vocabulary.pad_id, device=device, phase=phase, report=report)
