"""Takes the weights of an exported model over to another vocabulary, for a training that starts from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sentscore.errors import UsageError
from sentscore.model.artifact import Artifact
from sentscore.text.encoder import EncodedTexts
from sentscore_train.data.encoding import EncodedCorpus
from sentscore_train.models.classifier import Architecture, SentimentClassifier
from sentscore_train.models.weights import to_tensors
from sentscore_train.training.new_words import place_new_words

Weights = dict[str, npt.NDArray[np.float32]]


def translate_weights(artifact: Artifact, encoded: EncodedCorpus, architecture: Architecture) -> Weights:
    """Returns all weights of a model, float32, under the checkpoint's names, with a row for each token of a corpus.

    Tokens that the model knows keep their vectors. The others get theirs from the words that they stand among.

    Args:
        artifact: The model.
        encoded: The corpus as ids of the new vocabulary.
        architecture: What the new model is to be.

    Raises:
        UsageError: The model has another architecture.
        ArtifactError: The model's weights do not fit its own architecture.
    """
    model = SentimentClassifier.from_artifact(artifact)
    if replace(model.architecture, vocab_size=architecture.vocab_size) != architecture:
        raise UsageError(f"--start {artifact.path}: is a {model.architecture}: start from a model of the same shape")
    tensors = {name: tensor.detach().numpy() for name, tensor in to_tensors(model).items()}
    known = artifact.read_vocabulary()
    rows = {token: row for row, token in enumerate(known.tokens)}
    vocabulary = encoded.vocabulary
    found = np.array([rows.get(token, -1) for token in vocabulary.tokens])
    found[[vocabulary.unk_id, vocabulary.pad_id]] = known.unk_id, known.pad_id
    tensors["embedding.weight"] = _place(encoded, found, tensors["embedding.weight"])
    return tensors


def _place(
    encoded: EncodedCorpus, found: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Returns a vector for each token, float32 [V, E], from the row that it had, or -1, and the rows' vectors."""
    old, new = np.flatnonzero(found >= 0), np.flatnonzero(found < 0)
    placed = np.zeros((len(found), vectors.shape[1]), np.float32)
    placed[old] = vectors[found[old]]
    if len(new):
        # The new tokens get the ids behind the others, by which they are told from them.
        ids = np.empty(len(found), np.int32)
        ids[np.concatenate((old, new))] = np.arange(len(found))
        texts = EncodedTexts(ids[encoded.texts.ids], encoded.texts.offsets)
        special = (int(ids[encoded.vocabulary.unk_id]), int(ids[encoded.vocabulary.pad_id]))
        vectors_of_new = place_new_words(texts, placed[old], without_vector=special)
        placed[new[: len(vectors_of_new)]] = vectors_of_new  # a token that never occurs keeps zeros
    return placed
