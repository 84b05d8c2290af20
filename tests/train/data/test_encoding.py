from __future__ import annotations

from sentscore.text.encoder import Encoder
from sentscore.text.vocabulary import Vocabulary
from sentscore_train.data.encoding import encode_texts
from sentscore_train.data.vocabulary import build_vocabulary


def test_texts_keep_their_borders_from_one_step_to_the_next() -> None:
    texts = [" ".join(["good"] * (1 + number % 3)) for number in range(1_500)]
    vocabulary: Vocabulary = build_vocabulary(texts, size=10)
    told = []
    found = encode_texts(Encoder(vocabulary), texts, lambda each: told.append((each.done, each.total)))
    assert found.lengths.tolist() == [1 + number % 3 for number in range(1_500)]
    assert set(found.ids.tolist()) == {vocabulary.tokens.index("good")}
    assert told == [(1_000, 1_500), (1_500, 1_500)]
