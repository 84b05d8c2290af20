"""Prepares a user's reviews for the model that is to learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from sentscore.errors import InputError
from sentscore.model.artifact import Artifact
from sentscore.progress import Progress, Report, silent
from sentscore.text.encoder import MAX_TOKENS, EncodedTexts, Encoder, head_and_tail
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.adapt.config import AdaptConfig
from sentscore_train.adapt.opinions import judge
from sentscore_train.data.batches import LabelledTexts, TrainingData
from sentscore_train.data.corpus import Corpus, Division, Source, check_enough, describe, divide
from sentscore_train.data.encoding import encode_texts
from sentscore_train.data.labels import UNLABELLED
from sentscore_train.data.vocabulary import add_tokens, count_tokens
from sentscore_train.evaluation.calibration import fit_temperature
from sentscore_train.evaluation.metrics import to_probabilities
from sentscore_train.models.classifier import SentimentClassifier
from sentscore_train.models.weights import load_tensors, to_tensors
from sentscore_train.training.loop import predict
from sentscore_train.training.new_words import place_new_words
from sentscore_train.training.prepare import describe_start

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What an adaptation begins with.

    Attributes:
        start: The model to start from, with room for the new words.
        data: The reviews to learn from and those held out, under the new vocabulary.
        temperature: The temperature of the model to start from.
        before: The start's logits of the held-out reviews, float32 [v], divided by its temperature.
        new_words: The words that joined the vocabulary, in order of their ids.
    """

    start: SentimentClassifier
    data: TrainingData
    temperature: float
    before: Logits
    new_words: tuple[str, ...]


def prepare_adaptation(
    artifact: Artifact,
    labelled: Sequence[Source],
    unlabelled: Sequence[Source],
    config: AdaptConfig,
    *,
    device: torch.device,
    report: Report = silent,
) -> Adaptation:
    """Divides the reviews, adds their frequent words to the model, and labels those without a label.

    New words come from the reviews to learn from alone. The held-out ones tell nothing but how good the model is.

    Args:
        artifact: The exported model to start from.
        labelled: The user's reviews. Those without a label among them count as unlabelled.
        unlabelled: Further reviews, which count as unlabelled even if they have labels.
        config: The numbers of the adaptation.
        device: The device on which the start judges the reviews.
        report: The function that is told how far each step is.

    Raises:
        InputError: There are too few labelled reviews, or too few of a class.
        ArtifactError: The artifact's weights do not fit its architecture.
    """
    corpus = Corpus((*labelled, *map(_without_labels, unlabelled)))
    check_enough(corpus)
    count = int((corpus.labels >= 0).sum())
    division = divide(corpus, share=config.share_held_out(count), seed=config.seed)
    _check_both_classes(corpus, division)
    learned = np.concatenate((division.train, division.unlabelled))

    known = artifact.read_vocabulary()
    report(Progress("looking for new words", 0, 1))
    counts = count_tokens([corpus.texts[row] for row in learned], known)
    vocabulary = add_tokens(known, counts, least=config.least_new_word, most=config.most_new_words)
    encoded = encode_texts(Encoder(vocabulary), corpus.texts, report)  # as long texts are scored
    start = _add_rows(SentimentClassifier.from_artifact(artifact), encoded.take(learned), vocabulary)

    texts = LabelledTexts(encoded, corpus.labels, corpus.domain_ids)
    own = _ask_start(start, texts, division, known, config, device, report)
    data = TrainingData(
        vocabulary=vocabulary,
        train=_label(texts, division, own, vocabulary, config, report),
        validation=texts.take(division.validation),
        vectors=start.embedding.weight.detach().numpy(),
        facts={
            **describe(corpus, division),
            "start": describe_start(artifact),
            "new_words": len(vocabulary) - len(known),
            "seed": config.seed,
        },
        domains=corpus.domains,
    )
    temperature = float(artifact.manifest.calibration.get("temperature", 1.0))
    before = (own[division.validation] / temperature).astype(np.float32)
    return Adaptation(start, data, temperature, before, vocabulary.tokens[len(known) :])


def _without_labels(source: Source) -> Source:
    return replace(source, labels=np.full(len(source), UNLABELLED, np.int8), validation=None)


def _check_both_classes(corpus: Corpus, division: Division) -> None:
    """Checks that there is something to learn and to measure of both classes.

    Raises:
        InputError: All reviews to learn from, or all that are held out, are of one class.
    """
    for what, rows in (("to learn from", division.train), ("held out", division.validation)):
        for label, kind in ((0, "negative"), (1, "positive")):
            if not (corpus.labels[rows] == label).any():
                names = ", ".join(str(source.facts.get("file", source.name)) for source in corpus.sources)
                raise InputError(
                    f"{names}: no {kind} review among the {len(rows):,} {what}, for there are few, or few groups: "
                    "label more of them, or leave out --by"
                )


def _add_rows(model: SentimentClassifier, encoded: EncodedTexts, vocabulary: Vocabulary) -> SentimentClassifier:
    """Returns the model with vectors for the tokens behind those that it knows."""
    old = model.embedding.weight.detach()
    larger = SentimentClassifier(replace(model.architecture, vocab_size=len(vocabulary)), unk_id=vocabulary.unk_id)
    tensors = to_tensors(model)
    if len(vocabulary) > len(old):
        special = (vocabulary.unk_id, vocabulary.pad_id)
        new = torch.from_numpy(place_new_words(encoded, old.numpy(), without_vector=special))
        tensors["embedding.weight"] = torch.cat((old, new))
    load_tensors(larger, tensors)
    return larger.eval()


def _ask_start(
    start: SentimentClassifier,
    texts: LabelledTexts,
    division: Division,
    known: Vocabulary,
    config: AdaptConfig,
    device: torch.device,
    report: Report,
) -> Logits:
    """Returns the start's logits of all texts, float32 [n], which does not know the new words.

    Texts to learn from are judged as they are read in training, and the held-out ones as a whole.
    """
    ids = np.where(texts.encoded.ids < len(known), texts.encoded.ids, known.unk_id)
    encoded = EncodedTexts(ids.astype(np.int32), texts.encoded.offsets)
    learned = np.concatenate((division.train, division.unlabelled))
    parts = ((learned, config.max_tokens), (division.validation, MAX_TOKENS))
    logits = np.zeros(len(texts), np.float32)
    model = start.to(device)
    before, total = 0, sum(len(rows) for rows, _ in parts)
    for rows, most in parts:

        def tell(progress: Progress, before: int = before) -> None:
            report(Progress("asking the model to start from", before + progress.done, total))

        asked = LabelledTexts(head_and_tail(encoded.take(rows), most), texts.labels[rows])
        logits[rows] = predict(model, asked, known.pad_id, device=device, report=tell)
        before += len(rows)
    start.cpu()
    return logits


def _label(
    texts: LabelledTexts,
    division: Division,
    own: Logits,
    vocabulary: Vocabulary,
    config: AdaptConfig,
    report: Report,
) -> LabelledTexts:
    """Returns the texts to learn from with the probabilities that they are learned with."""
    labelled, unknown = texts.take(division.train), texts.take(division.unlabelled)
    opinion = own[division.train]
    # What the start is sure of beyond what it is right about would only be unlearned again.
    calibrated = to_probabilities(opinion / fit_temperature(opinion, labelled.labels.astype(np.int8)))
    targets = (1.0 - config.opinion) * labelled.labels + config.opinion * calibrated
    if len(unknown):
        report(Progress("labelling the unlabelled reviews", 0, 1))
        logits = (opinion, own[division.unlabelled])
        soft = to_probabilities(judge(labelled, unknown, len(vocabulary), start=logits, seed=config.seed))
        targets = np.concatenate((targets, soft))
        report(Progress("labelling the unlabelled reviews", 1, 1))
    read = texts.take(np.concatenate((division.train, division.unlabelled)))
    return replace(read, labels=targets.astype(np.float32))
