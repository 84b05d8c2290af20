from __future__ import annotations

import numpy as np
import pyarrow as pa

from sentscore.text.encoder import MOSTLY_UNKNOWN, Encoder
from sentscore.text.processes import encode_distinct, join_distinct
from sentscore.text.vocabulary import Vocabulary

TEXTS = ["a film", None, "a great film", "a film", "", "nothing known here", None, "great", "a film", "film film"]


def test_parts_that_are_joined_are_what_was_encoded_at_once() -> None:
    encoder = Encoder(Vocabulary(tokens=("<unk>", "<pad>", "a", "great", "film"), lowercase=True))
    whole = encode_distinct(encoder, pa.array(TEXTS))
    joined = join_distinct([encode_distinct(encoder, pa.array(part)) for part in (TEXTS[:4], TEXTS[4:7], TEXTS[7:])])
    assert joined.rows[1] == joined.rows[6] == len(joined.encoded)  # the nulls
    assert len(joined.encoded) == len(whole.encoded) + 1  # one text is in two parts
    for row, text in enumerate(TEXTS):
        if text is not None:
            assert np.array_equal(joined.encoded[joined.rows[row]], whole.encoded[whole.rows[row]])
    assert joined.flag_rows().tolist() == whole.flag_rows().tolist()
    assert joined.flag_rows()[5] == MOSTLY_UNKNOWN
    assert joined.encoded.ids.dtype == np.int32
    assert joined.encoded.offsets.dtype == joined.rows.dtype == np.int64


def test_one_part_is_joined_as_it_is() -> None:
    encoder = Encoder(Vocabulary(tokens=("<unk>", "<pad>", "a"), lowercase=True))
    part = encode_distinct(encoder, pa.array(["a a", None]))
    assert join_distinct([part]) is part
